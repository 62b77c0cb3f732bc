#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "topologies/operate/metric_samples.h"
#include "topologies/operate/metrics_text.h"

namespace anabranch {
namespace {

// The fields of /proc/self/stat behind the name of the program, which may hold anything: [0] is the state.
std::vector<std::string> ProcessStat() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream behind(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::vector<std::string> fields;
  for (std::string field; behind >> field;) fields.push_back(field);
  return fields;
}

// proc(5) counts from 1, and two fields stand before those.
double StatField(size_t number) {
  const std::vector<std::string> fields = ProcessStat();
  return number - 3 < fields.size() ? std::stod(fields[number - 3]) : 0;
}

double PerTick() { return 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK)); }

double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

double LimitOf(__rlimit_resource resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY ? -1 : static_cast<double>(limit.rlim_cur);
}

void CpuSeconds(const MetricInput&, MetricSamples& samples) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  samples.Add({}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
}
void OpenFiles(const MetricInput&, MetricSamples& samples) {
  std::error_code error;
  int64_t files = -1;  // the iterator's own
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error)) {
    ++files;
  }
  samples.Add({}, files);
}
void MostFiles(const MetricInput&, MetricSamples& samples) { samples.Add({}, LimitOf(RLIMIT_NOFILE)); }
void VirtualBytes(const MetricInput&, MetricSamples& samples) { samples.Add({}, StatField(23)); }
void MostVirtualBytes(const MetricInput&, MetricSamples& samples) { samples.Add({}, LimitOf(RLIMIT_AS)); }
void ResidentBytes(const MetricInput&, MetricSamples& samples) {
  samples.Add({}, StatField(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
}
void ProcessStart(const MetricInput&, MetricSamples& samples) {
  samples.Add({}, BootTime() + StatField(22) * PerTick());
}
void Threads(const MetricInput&, MetricSamples& samples) { samples.Add({}, StatField(20)); }

}  // namespace

const std::vector<MetricSpec>& ProcessMetricCatalogue() {
  static const std::vector<MetricSpec> catalogue = {
      {"process_cpu_seconds_total", "counter", "seconds", {}, "User and system CPU time of the process.", CpuSeconds},
      {"process_open_fds", "gauge", "", {}, "Open file descriptors.", OpenFiles},
      {"process_max_fds",
       "gauge",
       "",
       {},
       "The most file descriptors that may be open; -1 without a limit.",
       MostFiles},
      {"process_virtual_memory_bytes", "gauge", "bytes", {}, "Virtual memory.", VirtualBytes},
      {"process_virtual_memory_max_bytes",
       "gauge",
       "bytes",
       {},
       "The most virtual memory; -1 without a limit.",
       MostVirtualBytes},
      {"process_resident_memory_bytes", "gauge", "bytes", {}, "Resident memory.", ResidentBytes},
      {"process_start_time_seconds",
       "gauge",
       "seconds",
       {},
       "When the process started, in seconds since 1970.",
       ProcessStart},
      {"process_threads", "gauge", "", {}, "Threads of the process.", Threads},
  };
  return catalogue;
}

}  // namespace anabranch

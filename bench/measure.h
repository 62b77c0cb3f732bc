#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

// How every benchmark here measures: two sides in one run, alternating, median and range of the
// ratios of neighbours. The machines are shared: an absolute time is printed, but it is not evidence.
namespace anabranch::bench {

struct Cost {
  double wall_s = 0;
  double cpu_s = 0;          // user + system, all threads of this process
  double written_bytes = 0;  // to files, where it is measured
};

inline double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Spread {
  double median = 0, min = 0, max = 0;
};

inline Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  const double median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {median, values.front(), values.back()};
}

// Prints "name median (min..max) unit [floor: at least x]" and remembers whether the floor held. For programs: every
// figure is a line of JSON at the end of the file that BENCH_JSON names.
class Report {
 public:
  Report() : json_(std::getenv("BENCH_JSON") ? std::fopen(std::getenv("BENCH_JSON"), "a") : nullptr) {}
  ~Report() {
    if (json_ != nullptr) std::fclose(json_);
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;
  void Value(const std::string& name, const Spread& spread, const std::string& unit) {
    std::printf("%-58s %9.3f (%.3f..%.3f) %s\n", name.c_str(), spread.median, spread.min, spread.max, unit.c_str());
    std::fflush(stdout);
    Json(name, spread, unit, "");
  }
  // A bound is missed when even the best round of this run misses it; a median beyond it with rounds on
  // both sides is noise, and said so.
  void AtLeast(const std::string& name, const Spread& spread, const std::string& unit, double floor) {
    Bound(name, spread, unit, floor, "at least", spread.median >= floor, spread.max >= floor);
  }
  void AtMost(const std::string& name, const Spread& spread, const std::string& unit, double ceiling) {
    Bound(name, spread, unit, ceiling, "at most", spread.median <= ceiling, spread.min <= ceiling);
  }
  // 0 when every floor held.
  int Finish() const {
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ == 0 ? 0 : 1;
  }

 private:
  void Bound(const std::string& name, const Spread& spread, const std::string& unit, double bound, const char* word,
             bool held, bool reached) {
    std::printf("%-58s %9.3f (%.3f..%.3f) %s  [%s %.2f: %s]\n", name.c_str(), spread.median, spread.min, spread.max,
                unit.c_str(), word, bound,
                held      ? "holds"
                : reached ? "inconclusive, within this run's noise"
                          : "MISSED");
    std::fflush(stdout);
    char held_to[96];
    std::snprintf(held_to, sizeof held_to, ", \"bound\": %.9g, \"word\": \"%s\", \"reached\": %s", bound, word,
                  reached ? "true" : "false");
    Json(name, spread, unit, held_to);
    ++(reached ? passed_ : failed_);
  }
  // Names and units are ours: nothing in them needs escaping.
  void Json(const std::string& name, const Spread& spread, const std::string& unit, const char* held_to) {
    if (json_ == nullptr) return;
    std::fprintf(json_, "{\"name\": \"%s\", \"median\": %.9g, \"min\": %.9g, \"max\": %.9g, \"unit\": \"%s\"%s}\n",
                 name.c_str(), spread.median, spread.min, spread.max, unit.c_str(), held_to);
    std::fflush(json_);
  }
  FILE* json_;
  int passed_ = 0;
  int failed_ = 0;
};

}  // namespace anabranch::bench

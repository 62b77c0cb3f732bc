// The engine's own cost, without a broker: the engine and the raw relay against librdkafka's mock cluster in this
// process, fed by this process. Each side is a process of its own, so that its CPU is its own; all of them stand ready
// from the beginning, and the rounds go round among them.
//
//   mock_bench [--rounds N=9] [--records N=400000]
//   mock_bench --guard      a quarter of a minute, thrice at most; exits 1 when a ratio fell below its floor in
//                           bench/guard.json, 75 when the machine was too busy to say
//
// The mock keeps 5 MB per partition and drops older records without a word, so the feeder never runs ahead further than
// kAhead; it answers an empty fetch only after the whole fetch.wait.max.ms, so that is 1 ms on both sides. Its
// transactions mean nothing: at_least_once.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/arguments.h"
#include "bench/load/kafka.h"
#include "bench/load/records.h"
#include "bench/load/relay_loop.h"
#include "bench/measure.h"
#include "connectors/catalog.h"
#include "engine/formats/catalog.h"
#include "engine/run/runner.h"
#include "nodes/catalog.h"
#include "topologies/language/check.h"

namespace anabranch::bench {
namespace {

using nlohmann::json;

constexpr int64_t kAhead = 14'000;  // records of about 220 bytes: 3.1 of the mock's 5 MB
constexpr int kTurns = 4;  // the sides take turns within a round: what else the machine does then meets them alike
constexpr double kSliceSeconds = 60;
constexpr double kNoiseLimit = 0.10;  // beyond it a comparison says nothing
constexpr int kTriesAgain = 2;
constexpr int kInconclusive = 75;  // exit code: try again
constexpr const char* kFetchWaitMs = "1";
constexpr const char* kDead = "dead";

// What a side's process and this one share.
struct Shared {
  std::atomic<bool> begin{false};
  std::atomic<bool> stop{false};
  std::atomic<int64_t> taken{0};  // records that the side took in
  char bootstrap[256] = "";
};

// About 200 bytes with nine fields, values that rotate.
std::string Record(int64_t i) {
  char text[320];
  const auto share = [i](int64_t of) { return static_cast<double>(i % of) / static_cast<double>(of); };
  std::snprintf(text, sizeof text,
                R"({"id":"r%09lld","f1":%.4f,"f2":%.4f,"f3":%.3f,"f4":%.5f,"f5":%.2f,"f6":%.4f,"f7":%.3f,"f8":%.4f,)"
                R"("country":"%s","channel":"web","amount":%.2f,"note":"rotating test record"})",
                static_cast<long long>(i), share(1000), share(77), 91 * share(91), share(13), 500 * share(500),
                share(31), 17 * share(17), share(997), i % 3 ? "DE" : "FR", 1428 * share(9999));
  return text;
}

void Relay(Shared* shared, const std::string& name) {
  RelayOptions options;
  options.bootstrap = shared->bootstrap;
  options.in = name + ".in";
  options.out = name + ".out";
  options.group = name;
  options.consumer = {{"fetch.wait.max.ms", kFetchWaitMs}};
  RelayUntil(shared->stop, options, &shared->taken);
}

// A topology of bench/workload, with the mock's fetch setting.
void Engine(Shared* shared, const std::string& name, const std::string& topology, const std::string& folder) {
  const std::string file = std::string(ANABRANCH_ROOT) + "/bench/workload/" + topology + ".json";
  json text = json::parse(std::ifstream(file));
  text["sources"]["in"]["kafka"]["properties"]["fetch.wait.max.ms"] = kFetchWaitMs;
  const std::map<std::string, std::string> variables = {{"BENCH_NAME", "mock-" + topology},
                                                        {"BENCH_BOOTSTRAP", shared->bootstrap},
                                                        {"BENCH_IN", name + ".in"},
                                                        {"BENCH_OUT", name + ".out"},
                                                        {"BENCH_GROUP", name},
                                                        {"BENCH_DEAD", kDead}};
  Registry registry;
  RegisterAllNodes(registry);
  RegisterAllConnectors(registry);
  RegisterAllFormats(registry);
  CheckOptions check;
  check.allow_paths.push_back(ANABRANCH_ROOT);
  check.env = [&](const std::string& wanted) -> std::optional<std::string> {
    const auto at = variables.find(wanted);
    return at == variables.end() ? std::nullopt : std::optional(at->second);
  };
  const CheckedTopology checked = CheckTopologyText(file, text.dump(), registry, check);
  if (!checked.ok()) Die(topology + ": " + checked.faults.front().message);
  RunOptions options;
  options.state_dir = folder + "/" + name;
  options.workers = 1;
  options.tick_ns = 2'000'000;  // the feeder follows it
  CancelToken cancel;
  RunObserver observer;
  observer.tick = [&](const RunSnapshot& snapshot) {
    shared->taken.store(snapshot.rows_read);
    if (shared->stop.load()) cancel.Raise(CancelToken::kDrain);
  };
  observer.warn = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  const RunSummary summary = RunPlan(*checked.plan, registry, options, cancel, observer);
  if (!summary.status.ok()) Die(topology + ": " + summary.status.message());
}

// One side: a process that waits for records until a stop is requested.
class Side {
 public:
  // Forks: before this process has threads. An empty topology is the relay.
  Side(std::string name, const std::string& topology, const std::string& folder) : name_(std::move(name)) {
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) Die("mmap");
    shared_ = new (memory) Shared;
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) Die("fork");
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (!shared_->begin.load() && getppid() == parent) usleep(1000);
      topology.empty() ? Relay(shared_, name_) : Engine(shared_, name_, topology, folder);
      std::_Exit(0);
    }
    if (clock_getcpuclockid(pid_, &clock_) != 0) Die("no CPU clock of a child process");
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  void Begin(const std::string& bootstrap) {
    std::snprintf(shared_->bootstrap, sizeof shared_->bootstrap, "%s", bootstrap.c_str());
    shared_->begin.store(true);
  }
  // Whether it ended as it should.
  bool Stop() {
    shared_->stop.store(true);
    int status = 0;
    for (int i = 0; i < 1000; ++i) {
      if (waitpid(pid_, &status, WNOHANG) == pid_) return status == 0;
      usleep(10'000);
    }
    kill(pid_, SIGKILL);
    waitpid(pid_, &status, 0);
    return false;
  }
  void MustRun() const {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != 0) Die(name_ + " ended before its time");
  }
  int64_t taken() const { return shared_->taken.load(std::memory_order_relaxed); }
  double cpu_s() const {
    timespec used{};
    clock_gettime(clock_, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
  }
  const std::string& name() const { return name_; }
  std::string in() const { return name_ + ".in"; }
  std::string out() const { return name_ + ".out"; }

  int64_t sent = 0;  // by the feeder, all in all
  std::vector<Cost> costs;

 private:
  std::string name_;
  Shared* shared_ = nullptr;
  pid_t pid_ = -1;
  clockid_t clock_{};
};

// The mock cluster, and the feeder whose client owns it.
class Rig {
 public:
  explicit Rig(const std::vector<std::unique_ptr<Side>>& sides) {
    producer_ = MakeProducer("127.0.0.1:1",  // the mock puts its own there
                             {{"test.mock.num.brokers", "1"},
                              {"linger.ms", "1"},
                              {"batch.size", "500000"},
                              {"queue.buffering.max.messages", "500000"}},
                             &DieOfFailedDelivery);
    rd_kafka_mock_cluster_t* cluster = rd_kafka_handle_mock_cluster(producer_.get());
    for (const auto& side : sides) {
      for (const std::string& topic : {side->in(), side->out()})
        rd_kafka_mock_topic_create(cluster, topic.c_str(), 1, 1);
    }
    rd_kafka_mock_topic_create(cluster, kDead, 1, 1);
    for (const auto& side : sides) side->Begin(rd_kafka_mock_cluster_bootstraps(cluster));
    for (int64_t i = 0; i < 4096; ++i) records_.push_back(Record(i));
  }

  // Feeds a side and waits until its results are all there.
  Cost Slice(Side* side, int64_t records) {
    const Topic in = OpenTopic(producer_.get(), side->in());
    const double begin = WallSeconds(), cpu = side->cpu_s();
    for (int64_t i = 0; i < records; ++i) {
      if (i % 64 == 0) {
        rd_kafka_poll(producer_.get(), 0);
        while (side->sent - side->taken() > kAhead) Pause(*side, begin);
      }
      const std::string& value = records_[static_cast<size_t>(side->sent) % records_.size()];
      Send(producer_.get(), in.get(), 0, KeyOf(side->sent++), value, false);
    }
    while (EndsOf(producer_.get(), side->out(), 1)[0] < side->sent) Pause(*side, begin);
    const Cost cost{WallSeconds() - begin, side->cpu_s() - cpu};
    if (EndsOf(producer_.get(), side->out(), 1)[0] != side->sent) Die(side->name() + " wrote more than it got");
    return cost;
  }

 private:
  static void Pause(const Side& side, double begin) {
    if (WallSeconds() - begin > kSliceSeconds) Die(side.name() + " did not finish in time");
    side.MustRun();
    usleep(200);
  }
  Client producer_;
  std::vector<std::string> records_;
};

// The relay's cost over a side's, round by round.
std::vector<double> Ratios(const Side& relay, const Side& side, double Cost::* what) {
  std::vector<double> ratios;
  for (size_t i = 0; i < side.costs.size(); ++i) ratios.push_back(relay.costs[i].*what / (side.costs[i].*what));
  return ratios;
}

// How far the median may be off by chance, about its standard error, as a share of it: more rounds, less noise.
double Noise(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  const double quartiles = values[n - 1 - n / 4] - values[n / 4];
  return quartiles / std::sqrt(static_cast<double>(n)) / SpreadOf(values).median;
}

// Each workload with its goal: the relay's rate is the ceiling.
struct Case {
  const char* name;
  const char* topology;
  double goal;
};
constexpr Case kCases[] = {{"source to target", "relay", 0.90}, {"tabular DAG", "tabular", 0.60}};

class Comparison {
 public:
  Comparison(int64_t records, int rounds) : records_(records), rounds_(rounds) {
    char folder[] = "/tmp/anabranch-mock-XXXXXX";
    if (mkdtemp(folder) == nullptr) Die("no folder for the state");
    folder_ = folder;
    sides_.push_back(std::make_unique<Side>("relay", "", folder_));
    for (const Case& c : kCases)
      sides_.push_back(std::make_unique<Side>(std::string("engine-") + c.topology, c.topology, folder_));
    rig_.emplace(sides_);
    for (const auto& side : sides_) rig_->Slice(side.get(), records_ / 2);  // joining a group takes three seconds there
  }
  ~Comparison() { std::filesystem::remove_all(folder_); }

  // More rounds on top of those before.
  void Run() {
    for (int round = 0; round < rounds_; ++round) {
      std::vector<Cost> sums(sides_.size());
      for (int turn = 0; turn < kTurns; ++turn) {
        for (size_t i = 0; i < sides_.size(); ++i) {
          const size_t at = (round + turn) % 2 == 0 ? i : sides_.size() - 1 - i;
          const Cost cost = rig_->Slice(sides_[at].get(), records_ / kTurns);
          sums[at].wall_s += cost.wall_s;
          sums[at].cpu_s += cost.cpu_s;
        }
      }
      for (size_t i = 0; i < sides_.size(); ++i) sides_[i]->costs.push_back(sums[i]);
    }
  }
  void Forget() {
    for (const auto& side : sides_) side->costs.clear();
  }
  bool Stop() {
    bool fine = true;
    for (const auto& side : sides_) fine = side->Stop() && fine;
    return fine;
  }

  const Side& relay() const { return *sides_[0]; }
  const Side& side(size_t at) const { return *sides_[at + 1]; }
  int64_t records() const { return records_; }

 private:
  const int64_t records_;
  const int rounds_;
  std::string folder_;
  std::vector<std::unique_ptr<Side>> sides_;
  std::optional<Rig> rig_;
};

void PrintSide(Report& report, const std::string& name, const Side& side, int64_t records) {
  std::vector<double> rate, cpu;
  for (const Cost& cost : side.costs) {
    rate.push_back(static_cast<double>(records) / cost.wall_s / 1000);
    cpu.push_back(cost.cpu_s * 1e6 / static_cast<double>(records));
  }
  report.Value(name + ": rate", SpreadOf(rate), "k records/s");
  report.Value(name + ": CPU", SpreadOf(cpu), "us per record");
}

int Compare(int64_t records, int rounds) {
  Comparison comparison(records, rounds);
  comparison.Run();
  Report report;
  std::printf(
      "mock cluster in process, %lld records of %zu bytes a round, %d rounds, one partition, one lane, no headers\n",
      static_cast<long long>(records), Record(123456).size(), rounds);
  PrintSide(report, "mock: raw relay", comparison.relay(), records);
  for (size_t i = 0; i < std::size(kCases); ++i) {
    const Side& side = comparison.side(i);
    const std::string name = std::string("mock: ") + kCases[i].name;
    PrintSide(report, name, side, records);
    report.AtLeast(name + ": rate / relay", SpreadOf(Ratios(comparison.relay(), side, &Cost::wall_s)), "x",
                   kCases[i].goal);
    report.Value(name + ": CPU of relay / CPU", SpreadOf(Ratios(comparison.relay(), side, &Cost::cpu_s)), "x");
  }
  if (!comparison.Stop()) Die("a side did not end as it should");
  return report.Finish();
}

enum class Verdict { kHolds, kFell, kNoisy };

Verdict Judge(const Comparison& comparison, const json& floors) {
  Verdict verdict = Verdict::kHolds;
  for (size_t i = 0; i < std::size(kCases); ++i) {
    const std::pair<const char*, double Cost::*> kinds[] = {{"rate", &Cost::wall_s}, {"cpu", &Cost::cpu_s}};
    for (const auto& [kind, what] : kinds) {
      const double floor = floors.at(kCases[i].name).at(kind).get<double>();
      const std::vector<double> ratios = Ratios(comparison.relay(), comparison.side(i), what);
      const double median = SpreadOf(ratios).median, noise = Noise(ratios);
      const bool fell = median < floor * (1 - noise);
      const bool noisy = noise > kNoiseLimit;
      std::printf("%-20s %-5s relay / engine %.3f, floor %.3f, noise %4.1f %%: %s\n", kCases[i].name, kind, median,
                  floor, noise * 100,
                  noisy  ? "too noisy to say"
                  : fell ? "FELL"
                         : "holds");
      if (noisy && verdict != Verdict::kFell) verdict = Verdict::kNoisy;
      if (fell && !noisy) verdict = Verdict::kFell;
    }
  }
  return verdict;
}

int Guard(int64_t records, int rounds) {
  const json floors = json::parse(std::ifstream(std::string(ANABRANCH_ROOT) + "/bench/guard.json"));
  Comparison comparison(records, rounds);
  comparison.Run();
  Verdict verdict = Judge(comparison, floors);
  for (int again = 0; again < kTriesAgain && verdict != Verdict::kHolds; ++again) {
    std::printf("-- once more\n");
    comparison.Forget();
    comparison.Run();
    const Verdict next = Judge(comparison, floors);
    if (next != Verdict::kNoisy) verdict = next;  // what fell is not taken back by a try that says nothing
  }
  if (!comparison.Stop()) Die("a side did not end as it should");
  std::printf("%s\n", verdict == Verdict::kHolds  ? "the guard holds"
                      : verdict == Verdict::kFell ? "FAILED: the engine's ratio to its ceiling fell"
                                                  : "INCONCLUSIVE: this machine is too busy to say");
  return verdict == Verdict::kHolds ? 0 : verdict == Verdict::kFell ? 1 : kInconclusive;
}

int Main(int argc, char** argv) {
  const Arguments arguments(
      argc, argv,
      {"usage: mock_bench [--guard] [--rounds N] [--records N]", {"--rounds", "--records"}, {"--guard"}, 0});
  const bool guard = arguments.Has("--guard");
  const int64_t records = arguments.Number("--records", 1000, guard ? 300'000 : 400'000);
  const auto rounds = static_cast<int>(arguments.Number("--rounds", 1, guard ? 7 : 9));
  return guard ? Guard(records, rounds) : Compare(records, rounds);
}

}  // namespace
}  // namespace anabranch::bench

int main(int argc, char** argv) { return anabranch::bench::Main(argc, argv); }

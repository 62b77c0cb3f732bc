#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/arguments.h"
#include "bench/load/commands.h"
#include "bench/load/kafka.h"
#include "bench/load/records.h"

namespace anabranch::bench {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kLate = 1'000'000;  // a send that begins later than this after its due time
constexpr int64_t kReaderReady = 20 * kSecond;

int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// Milliseconds of the wall clock at a time of Now().
double WallMs(int64_t at) {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return (static_cast<double>(wall.tv_sec) * kSecond + static_cast<double>(wall.tv_nsec - (Now() - at))) / 1e6;
}

void SleepUntil(int64_t when) {
  const timespec until{when / kSecond, when % kSecond};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
  }
}

struct Plan {
  std::string bootstrap, in, out;
  int64_t rate = 0, warmup = 0, total = 0;  // records per second; records
  int partitions = 1;
  bool committed = false;
  std::string feed_linger_ms = "0";
};

// Receives until it has everything or a stop is requested. Its own thread writes the times.
class Reader {
 public:
  explicit Reader(const Plan& plan) : received_ns_(static_cast<size_t>(plan.total)) {
    consumer_ =
        MakeConsumer(plan.bootstrap, {{"group.id", "bench-open"},
                                      {"enable.auto.commit", "false"},
                                      {"enable.partition.eof", "true"},
                                      {"fetch.min.bytes", "1"},
                                      {"queued.min.messages", "1000000"},
                                      {"isolation.level", plan.committed ? "read_committed" : "read_uncommitted"}});
    const int partitions = PartitionsOf(consumer_.get(), plan.out);
    ReadFrom(consumer_.get(), plan.out, EndsOf(consumer_.get(), plan.out, partitions));
    AwaitEnds(partitions);
    thread_ = std::thread([this] { Run(); });
  }
  // All results, or none any more before `until`.
  void Finish(int64_t until) {
    until_.store(until);
    thread_.join();
  }
  int64_t received() const { return received_; }
  int64_t twice() const { return twice_; }
  int64_t At(int64_t record) const { return received_ns_[static_cast<size_t>(record)]; }  // 0: missing

 private:
  // Nothing may be sent before the reader stands at every end.
  void AwaitEnds(int partitions) {
    const int64_t deadline = Now() + kReaderReady;
    std::vector<bool> ended(static_cast<size_t>(partitions));
    while (std::find(ended.begin(), ended.end(), false) != ended.end()) {
      if (Now() > deadline) Die("the reader was not at the end of every partition in time");
      Receive(consumer_.get(), 100, [&](const Received& received) {
        if (received.end) ended[static_cast<size_t>(received.partition)] = true;
      });
    }
  }
  void Run() {
    while (received_ < static_cast<int64_t>(received_ns_.size()) && Now() < until_.load()) {
      Receive(consumer_.get(), 100, [&](const Received& received) {
        const int64_t now = Now();
        const int64_t record = received.end ? -1 : RecordOf(received.key);
        if (record < 0 || record >= static_cast<int64_t>(received_ns_.size())) return;
        int64_t& at = received_ns_[static_cast<size_t>(record)];
        ++(at == 0 ? received_ : twice_);
        if (at == 0) at = now;
      });
    }
  }

  Client consumer_;
  std::vector<int64_t> received_ns_;
  int64_t received_ = 0, twice_ = 0;
  std::atomic<int64_t> until_{INT64_MAX};
  std::thread thread_;
};

struct Sent {
  int64_t begin = 0;  // when record 0 was due
  int64_t late = 0;   // behind the warm-up
};

int64_t Due(const Plan& plan, int64_t begin, int64_t record) {
  return begin +
         static_cast<int64_t>(std::llround(static_cast<double>(record) * kSecond / static_cast<double>(plan.rate)));
}

Sent SendAll(const Plan& plan, const Lines& lines) {
  prctl(PR_SET_TIMERSLACK, 1'000UL);
  const Client producer = MakeProducer(
      plan.bootstrap, {{"linger.ms", plan.feed_linger_ms}, {"acks", "1"}, {"queue.buffering.max.messages", "500000"}},
      &DieOfFailedDelivery);
  if (PartitionsOf(producer.get(), plan.in) < plan.partitions) {
    Die("topic " + plan.in + " has fewer than " + std::to_string(plan.partitions) + " partitions");
  }
  const Topic topic = OpenTopic(producer.get(), plan.in);
  Sent sent{Now() + kSecond / 20, 0};
  for (int64_t i = 0; i < plan.total; ++i) {
    const int64_t due = Due(plan, sent.begin, i);
    int64_t now = Now();
    if (now < due) {
      SleepUntil(due);
      now = Now();
    }
    if (i >= plan.warmup && now > due + kLate) ++sent.late;
    Send(producer.get(), topic.get(), static_cast<int>(i % plan.partitions), KeyOf(i), lines.Of(i), false);
  }
  Flush(producer.get(), 30'000);
  return sent;
}

// Of sorted values: the smallest that at least this share does not exceed.
double PercentileMs(const std::vector<int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return static_cast<double>(sorted[std::max<size_t>(rank, 1) - 1]) / 1e6;
}

int Tell(const Plan& plan, const Sent& sent, const Reader& reader) {
  std::vector<int64_t> latencies;
  const int64_t begin = Due(plan, sent.begin, plan.warmup);
  int64_t end = begin;
  for (int64_t i = plan.warmup; i < plan.total; ++i) {
    if (reader.At(i) != 0) latencies.push_back(reader.At(i) - Due(plan, sent.begin, i));
    end = std::max(end, reader.At(i));
  }
  std::sort(latencies.begin(), latencies.end());
  int64_t named = 0;
  for (int64_t i = 0; i < plan.total && named < 5; ++i) {
    if (reader.At(i) == 0 && ++named > 0)
      std::fprintf(stderr, "the result of record %s is missing\n", KeyOf(i).c_str());
  }
  std::printf(
      "{\"sent\":%lld,\"received\":%lld,\"twice\":%lld,\"measured\":%zu,\"p50_ms\":%.3f,\"p95_ms\":%.3f,"
      "\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f,\"late_sends\":%lld,\"begin_ms\":%.0f,\"end_ms\":%.0f}\n",
      static_cast<long long>(plan.total), static_cast<long long>(reader.received()),
      static_cast<long long>(reader.twice()), latencies.size(), PercentileMs(latencies, 0.50),
      PercentileMs(latencies, 0.95), PercentileMs(latencies, 0.99), PercentileMs(latencies, 0.999),
      PercentileMs(latencies, 1), static_cast<long long>(sent.late), WallMs(begin), WallMs(end));
  return reader.received() == plan.total ? 0 : 1;
}

}  // namespace

int Open(int argc, char** argv) {
  const Arguments arguments(
      argc, argv,
      {"usage: load open BOOTSTRAP IN OUT --rate R --seconds S --records FILE [--warmup S=5]\n"
       "                 [--partitions P=1] [--committed] [--patience S=20] [--feed-linger MS=0]\n"
       "--patience: for the last results",
       {"--rate", "--seconds", "--warmup", "--records", "--partitions", "--patience", "--feed-linger"},
       {"--committed"},
       3});
  Plan plan{arguments.Word(0), arguments.Word(1), arguments.Word(2)};
  plan.rate = arguments.Number("--rate", 1);
  plan.warmup = arguments.Number("--warmup", 0, 5) * plan.rate;
  plan.total = plan.warmup + arguments.Number("--seconds", 1) * plan.rate;
  plan.partitions = static_cast<int>(arguments.Number("--partitions", 1, 1));
  plan.committed = arguments.Has("--committed");
  plan.feed_linger_ms = arguments.Text("--feed-linger", "0");
  const Lines lines(arguments.Text("--records"));
  Reader reader(plan);
  Sent sent;
  std::thread feeder([&] { sent = SendAll(plan, lines); });
  feeder.join();
  reader.Finish(Now() + arguments.Number("--patience", 1, 20) * kSecond);
  return Tell(plan, sent, reader);
}

}  // namespace anabranch::bench

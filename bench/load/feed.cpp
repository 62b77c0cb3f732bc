#include <chrono>
#include <cstdio>
#include <numeric>
#include <thread>

#include "bench/load/arguments.h"
#include "bench/load/commands.h"
#include "bench/load/kafka.h"
#include "bench/load/records.h"

namespace anabranch::bench {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLookEach{20};
constexpr std::chrono::milliseconds kStill{300};

double Since(Steady::time_point begin) { return std::chrono::duration<double>(Steady::now() - begin).count(); }

}  // namespace

int Feed(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {"usage: load feed BOOTSTRAP TOPIC --records FILE --count N [--partitions P=1]",
                             {"--records", "--count", "--partitions"},
                             {},
                             2});
  const Lines lines(arguments.Text("--records"));
  const int64_t count = arguments.Number("--count", 1);
  const auto partitions = static_cast<int>(arguments.Number("--partitions", 1, 1));
  const Client producer = MakeProducer(arguments.Word(0),
                                       {{"enable.idempotence", "true"},
                                        {"linger.ms", "20"},
                                        {"batch.size", "1000000"},
                                        {"queue.buffering.max.messages", "500000"},
                                        {"queue.buffering.max.kbytes", "262144"}},
                                       &DieOfFailedDelivery);
  if (PartitionsOf(producer.get(), arguments.Word(1)) < partitions) {
    Die("topic " + arguments.Word(1) + " has fewer than " + std::to_string(partitions) + " partitions");
  }
  const Topic topic = OpenTopic(producer.get(), arguments.Word(1));
  const Steady::time_point begin = Steady::now();
  for (int64_t i = 0; i < count; ++i) {
    Send(producer.get(), topic.get(), static_cast<int>(i % partitions), KeyOf(i), lines.Of(i), false);
  }
  Flush(producer.get(), 120'000);
  std::printf("{\"sent\":%lld,\"seconds\":%.3f}\n", static_cast<long long>(count), Since(begin));
  return 0;
}

int Await(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {"usage: load await BOOTSTRAP TOPIC --count N [--partitions P] [--timeout S=120]",
                             {"--count", "--partitions", "--timeout"},
                             {},
                             2});
  const int64_t count = arguments.Number("--count", 1);
  const std::chrono::seconds timeout(arguments.Number("--timeout", 1, 120));
  const Client client = MakeProducer(arguments.Word(0), {});
  const int there = PartitionsOf(client.get(), arguments.Word(1));
  const auto partitions = static_cast<int>(arguments.Number("--partitions", 1, there));
  const Steady::time_point begin = Steady::now();
  Steady::time_point moved = begin;
  int64_t last = -1;
  while (true) {
    const std::vector<int64_t> ends = EndsOf(client.get(), arguments.Word(1), partitions);
    const int64_t sum = std::accumulate(ends.begin(), ends.end(), int64_t{0});
    const Steady::time_point now = Steady::now();
    if (sum != last) moved = now;
    last = sum;
    if (sum >= count && now - moved >= kStill) break;
    if (now - begin >= timeout) {
      Die("topic " + arguments.Word(1) + " holds " + std::to_string(sum) + " of " + std::to_string(count) +
          " records after " + std::to_string(timeout.count()) + " s");
    }
    std::this_thread::sleep_for(kLookEach);
  }
  std::printf("{\"end\":%lld,\"seconds\":%.3f}\n", static_cast<long long>(last), Since(begin));
  return 0;
}

}  // namespace anabranch::bench

// The raw librdkafka relay as a system under test: reads a topic from where its group stands, writes every record to
// another under the same key, until SIGTERM. The workload and the model are taken and ignored.
#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "bench/load/arguments.h"
#include "bench/load/relay_loop.h"

namespace anabranch::bench {
namespace {

std::atomic<bool> stop{false};

constexpr const char* kUsage =
    "usage: relay --bootstrap HOST:PORT --in TOPIC --out TOPIC --group NAME [--workload NAME] [--model FILE]\n"
    "             [--threads N=1] [--linger MS=5|default] [--guarantee at_least_once|exactly_once] [--commit-ms "
    "MS=100]\n"
    "             [--batch-consume] [--queued-records N=1000000] [--queued-kbytes KB=1000000]";

int Main(int argc, char** argv) {
  const Arguments arguments(argc, argv,
                            {kUsage,
                             {"--bootstrap", "--in", "--out", "--group", "--workload", "--model", "--threads",
                              "--linger", "--guarantee", "--commit-ms", "--queued-records", "--queued-kbytes"},
                             {"--batch-consume"},
                             0});
  const std::string guarantee = arguments.Text("--guarantee", "at_least_once");
  if (guarantee != "at_least_once" && guarantee != "exactly_once") arguments.Refuse("--guarantee " + guarantee);
  RelayOptions options;
  options.bootstrap = arguments.Text("--bootstrap");
  options.in = arguments.Text("--in");
  options.out = arguments.Text("--out");
  options.group = arguments.Text("--group");
  options.linger_ms = arguments.Text("--linger", "5");
  if (options.linger_ms != "default") arguments.Number("--linger", 0, 5);
  options.exactly_once = guarantee == "exactly_once";
  options.commit_ms = static_cast<int>(arguments.Number("--commit-ms", 1, 100));
  options.queued_records = arguments.Number("--queued-records", 1, options.queued_records);
  options.queued_kbytes = arguments.Number("--queued-kbytes", 1, options.queued_kbytes);
  options.batch_consume = arguments.Has("--batch-consume");
  for (const int number : {SIGTERM, SIGINT}) {
    std::signal(number, [](int) { stop.store(true); });
  }
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < arguments.Number("--threads", 1, 1); ++i) {
    options.transactional_id = options.group + "." + std::to_string(i);
    threads.emplace_back([options] { RelayUntil(stop, options); });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace anabranch::bench

int main(int argc, char** argv) { return anabranch::bench::Main(argc, argv); }

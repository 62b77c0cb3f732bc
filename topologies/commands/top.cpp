#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/commands/top_view.h"
#include "topologies/commands/watched_pipeline.h"

namespace anabranch {
namespace {

constexpr std::chrono::milliseconds kTopLook(50);  // how soon a signal is seen

void WaitFor(std::chrono::duration<double> length, const CancelToken& cancel) {
  const auto until = std::chrono::steady_clock::now() + length;
  while (!cancel.draining() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kTopLook);
}

}  // namespace

int CommandTop(const TopArgs& args, CommandIo& io) {
  if (!CheckInstance("top", args, io)) return kExitUsage;
  const Result<WatchedPipeline> pipeline = FindPipeline(args);
  if (!pipeline.ok()) {
    io.err << "anabranch top: " << PrintableLines(pipeline.status().message()) << "\n";
    return kExitFaulty;
  }
  CancelToken cancel;
  const StopSignals stop(cancel);
  HttpClient client(ControlAddress(pipeline->state_dir));
  nlohmann::ordered_json topology;
  std::string hash;
  std::ptrdiff_t painted = 0;
  for (bool first = true; !cancel.draining(); first = false) {
    bool nobody = false;
    const auto snapshot = AnswerOf(client.Get("/api/v1/snapshot"), &nobody);
    if (!snapshot.ok()) {
      io.err << "anabranch top: "
             << (nobody ? NobodyRuns(*pipeline, args) : PrintableLines(NoAnswer(*pipeline, snapshot.status())));
      return first || !nobody ? kExitUnavailable : kExitOk;
    }
    if (topology.is_null() || snapshot->value("hash", "") != hash) {
      const auto asked = AnswerOf(client.Get("/api/v1/topology"), &nobody);
      if (asked.ok()) topology = *asked;
      hash = snapshot->value("hash", "");
    }
    const std::string text = TopText(*snapshot, topology, io.out_colour);
    if (io.out_terminal && painted > 0) io.out << "\x1b[" << painted << "A\x1b[J";
    io.out << text << (io.out_terminal || args.once ? "" : "\n");
    io.out.flush();
    painted = std::ranges::count(text, '\n');
    if (args.once) break;
    WaitFor(std::chrono::duration<double>(args.interval_s), cancel);
  }
  return kExitOk;
}

}  // namespace anabranch

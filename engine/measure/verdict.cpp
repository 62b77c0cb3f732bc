#include "engine/measure/verdict.h"

namespace anabranch {

const char* NameOf(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kStarting: return "starting";
    case Verdict::Kind::kTarget: return "target";
    case Verdict::Kind::kPaused: return "paused";
    case Verdict::Kind::kNode: return "node";
    case Verdict::Kind::kReading: return "reading";
    case Verdict::Kind::kIdle: return "idle";
    case Verdict::Kind::kKeepingUp: return "keeping_up";
  }
  return "";
}

LoadReport Judge(const MeasureSnapshot& /*before*/, const MeasureSnapshot& now, const JudgeOptions& /*options*/) {
  LoadReport report;
  for (const NodeMeasures& node : now.nodes) report.nodes.push_back({.id = node.id});
  return report;
}

}  // namespace anabranch

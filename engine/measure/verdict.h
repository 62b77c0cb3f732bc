#pragma once

#include <string>
#include <vector>

#include "engine/measure/measure_snapshot.h"

namespace anabranch {

// Who holds a pipeline back. Judged over a window of about 10 s, in this order. Where records wait and none of the
// bounds is reached, the largest part of the lanes' time decides between target, node and reading.
struct Verdict {
  enum class Kind : uint8_t {
    kStarting,   // no window yet
    kTarget,     // lanes were held half of the time or more, and by this one most: blocked, committing, or paused
    kPaused,     // the same, and most of it were pauses before a stage or target in trouble is tried again
    kNode,       // lanes were busy 80 % of the time or more, and records wait: more than a second's work
    kReading,    // records wait, and lanes starve half of the time or more; or, as kNode, where a source is decoded
    kIdle,       // nothing comes
    kKeepingUp,  // whatever comes is handled
  };
  Kind kind = Kind::kStarting;
  std::string by;      // id of the node, target or source; empty for kKeepingUp, kIdle, kStarting
  std::string text;    // one sentence: `target "out" (CONNECTOR) is the limit: lanes wait 72 % of the time for it`
  std::string advice;  // what helps; empty: nothing is known
};
const char* NameOf(Verdict::Kind kind);  // "starting", "target", "paused", "node", "reading", "idle", "keeping_up"

// What a node takes of the lanes' time.
struct NodeLoad {
  std::string id;
  double share = 0;          // of their busy time
  const char* level = "OK";  // of all their time: OK up to 10 %, LOW up to 50 %, HIGH above
};

struct LoadReport {
  Verdict verdict;
  std::vector<NodeLoad> nodes;  // in plan order
};

// What the time between two snapshots of one run went to. Pure.
struct JudgeOptions {
  int workers = 1;  // compute threads of the run
  int cores = 1;    // of the machine
};
LoadReport Judge(const MeasureSnapshot& before, const MeasureSnapshot& now, const JudgeOptions& options);

}  // namespace anabranch

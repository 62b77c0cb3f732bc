#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/committer.h"
#include "engine/ids.h"
#include "engine/run/plan_worker.h"
#include "engine/run/run_mode.h"
#include "engine/source.h"

namespace anabranch {

// What a lane is made of, opened. Belongs to the lane; its pieces use it on the lane's thread, committers excepted:
// those are the writer's while it runs.
struct LaneParts {
  int number = 0;  // of the lane in its run
  StageId source_stage;
  std::string source_id;
  bool repeats = true;  // what was read can be read again (SourceProgram::CanRepeat)
  std::unique_ptr<SourceTable> partitions;
  std::unique_ptr<Source> source;
  std::vector<std::unique_ptr<Committer>> committers;    // in commit order
  std::vector<std::string> committer_stages;             // whose rows each commits: a stage that writes, or the source
  std::vector<std::vector<TargetId>> committer_targets;  // what each writes; none: source positions
  std::unique_ptr<LiveInput> live;
  std::unique_ptr<PlanWorker> worker;
};

}  // namespace anabranch

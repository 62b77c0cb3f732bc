#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "engine/cancel.h"
#include "engine/registry.h"
#include "engine/run/letter.h"
#include "engine/run/run_options.h"
#include "topologies/language/check.h"
#include "topologies/operate/dlq_view.h"

namespace anabranch {

// The dead letters of a topology, and what its plan can do with them.
struct Letters {
  std::shared_ptr<const CheckedTopology> checked;
  RunOptions options;  // state_dir, instance, make_command
  std::shared_ptr<const SourceProgram> program;
  const Plan& plan() const { return *checked->plan; }
};
// `checked` has a plan.
Result<Letters> OpenLetters(std::shared_ptr<const CheckedTopology> checked, RunOptions options,
                            const Registry& registry);

using LetterVisit = std::function<void(const RecordBatch&, uint32_t row, const DeadLetter&)>;
// Every letter that waits, from the oldest on. kCancelled when `cancel` was raised.
Status VisitLetters(const Letters& letters, CancelToken& cancel, const LetterVisit& visit);

// What a replay would do.
struct ReplayOutlook {
  LetterGroups chosen;
  int64_t letters = 0, with_results = 0, left = 0;
  std::map<std::string, int64_t> stuck;  // letters that were chosen and cannot be replayed, by why
};
Status LookAtReplay(const Letters& letters, const LetterFilter& filter, CancelToken& cancel, ReplayOutlook* outlook);

// The options of a run that replays what `filter` takes.
RunOptions ReplayOptions(const Letters& letters, const LetterFilter& filter);

}  // namespace anabranch

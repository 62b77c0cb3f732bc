#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/keep/kept_batch.h"
#include "engine/plan.h"
#include "engine/run/letter.h"
#include "engine/source.h"

namespace anabranch {

// How a dead letter enters a plan again: at the stage that it failed in, fed by the results that travelled with it, or,
// where it has none that this plan can use, from its raw record. What does not lie below that stage is left alone: it
// had the record already.
class LetterRoutes {
 public:
  explicit LetterRoutes(const Plan& plan) : plan_(plan) {}

  struct Route {
    StageId stage = kNoStage;   // where it failed; kNoStage: it cannot be replayed, see `why`
    StageId source = kNoStage;  // whose record it is
    bool results = false;       // its results are used as `rules` say
    RestoreRules rules;
    std::vector<bool> idle;  // by StageId: does not run
    std::string why;
  };
  Route Find(const DeadLetter& letter) const;

 private:
  StageId FindStage(std::string_view id) const;
  StageId FindSource(const DeadLetter& letter, StageId stage) const;
  const Plan& plan_;
};

// The dead letters as a source of `plan`: each one that `filter` takes and that has a route becomes one restored batch
// under its record's identity; the others go out again as they came, behind the rest. What a batch completes is the
// letter's own position, so "replayed up to here" is committed with the outputs. `plan` outlives the program.
std::shared_ptr<const SourceProgram> MakeReplay(const Plan& plan, std::shared_ptr<const SourceProgram> letters,
                                                LetterFilter filter);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/keep/kept_store.h"
#include "engine/plan.h"
#include "engine/restart/failure.h"
#include "engine/run/attempts.h"
#include "engine/run/restart_decision.h"
#include "engine/run/run_options.h"
#include "engine/source.h"
#include "engine/status.h"

namespace anabranch {

// Under which groups, transactional ids and progress of a replay are kept, in a pipeline of this identity.
inline std::string ReplayIdentity(const std::string& identity) { return identity + ".replay"; }

// One thing that lanes read: a source of the plan, or dead letters.
struct LaneInput {
  StageId stage;
  std::string id;
  const SourceProgram* program = nullptr;
  int lanes = 1;
  bool any_source = false;  // its rows may be records of any source, so it needs every target
};

// What one lane reads after its kept rows. One per lane, for all of its assignments; lane thread only.
class LiveInput {
 public:
  virtual ~LiveInput() = default;
  // The kept rows of this assignment are committed, and reading would begin at `next`. False: nothing is to be read.
  virtual bool Begin(std::span<const PartitionId> /*partitions*/, std::span<const int64_t> /*next*/) { return true; }
  // Restricts a batch that the source filled to what this run takes. False: it takes nothing of it.
  virtual bool Take(RecordBatch& /*batch*/) { return true; }
  // Everything was taken.
  virtual bool AtEnd() const { return false; }
  // The run ends with the kept rows, so the end of the lane is the end of its share of them.
  virtual bool ends_with_kept() const { return false; }
  // Kept rows are not fed. Their records are read from the source again, and a commit settles them.
  virtual bool rereads_kept() const { return false; }
};

// What differs between the ways to run a plan. The defaults are those of a plain run. One object per run, immutable
// once it runs; outlives its lanes.
class RunMode {
 public:
  // The mode that `options` ask for. `options` outlive it.
  static std::unique_ptr<const RunMode> Of(const RunOptions& options);
  virtual ~RunMode() = default;

  // The name of groups, transactional ids and progress in a pipeline with this identity.
  virtual std::string Identity(const std::string& identity) const { return identity; }
  // The run's state, failure, inputs and counters go to the ledger, and are checked at the start. False: the run
  // belongs to nobody's history, and keeps nothing.
  virtual bool has_history() const { return true; }
  // Continues from a failed stage.
  virtual bool restarts() const { return false; }

  // What the outside needs is checked before models are loaded.
  virtual bool checks_outside() const { return true; }
  virtual std::vector<LaneInput> Inputs(const Plan& plan, int workers) const;
  virtual Result<std::unique_ptr<AttemptSlots>> OpenAttempts(const std::string& state_dir, size_t slots) const {
    return AttemptSlots::Open(state_dir, slots);
  }
  // How the kept rows are taken up. kInvalid: refused, with the reason.
  virtual Result<TakeUp> Decide(const Plan& plan, const std::optional<Failure>& failure, const std::string& identity,
                                const KeptStore& kept) const;
  virtual std::unique_ptr<LiveInput> MakeLiveInput(const Plan& plan, const SourceTable& partitions,
                                                   const TakeUp& take_up) const;
  // Everything ends at the present end of the input.
  virtual bool bounded() const { return false; }
  // The dead letters' unit commits after all results: a letter counts as replayed once that unit has its position.
  virtual bool commits_letters_last() const { return false; }
};

}  // namespace anabranch

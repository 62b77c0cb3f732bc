#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.h"
#include "engine/status.h"

namespace anabranch {

class CancelToken;
struct ArmCounts;  // engine/strategy/arm_counts.h
struct ArmRules;   // engine/strategy/arm_rules.h

// How the rows of managed models are scored changes while a stream runs. Each change of one model is an immutable
// numbered record, a generation (engine/generation_record.h). The numbers of all models of a topology come from
// one counter: number g stands for the newest generation of each model that is not newer than g. 0: as the topology
// file says.
//
// A switch is part of a commit. Beside the position, the commit of a partition stores from which position on which
// generation scores (Scoring in engine/ids.h). So a crash, a rebalance and a second instance agree on the version of
// every offset.

// A switch of one partition that is decided for an exact position.
struct PlannedSwitch {
  GenerationId generation{0};
  int64_t position = 0;
};

// A generation that the commit of a partition names.
struct CommittedGeneration {
  GenerationId generation{0};
  uint32_t check = 0;  // Scoring::check, as it is stored
  SourcePartition partition;
  bool scores = true;  // rows that some target has are computed again by it; false: only the number matters
};

// What a lane is at, for whoever exchanges what scores.
enum class LaneWork : uint8_t {
  kWorks,  // it may have rows in flight
  kRests,  // everything that it took in is committed, and it takes nothing in before it has looked at rests() again
  kGone,   // it has ended
};

// The generations of one run, as its lanes see them. Implemented beside the engine; a run without managed models has
// none. Thread-safe. It outlives the run.
class Generations {
 public:
  virtual ~Generations() = default;

  // The newest generation that may score: every worker of this run has what it needs. It only grows. Cheap: asked once
  // per batch.
  virtual GenerationId active() const = 0;
  // Where active() is to begin in this partition, if not at the next batch: nothing below `position` is scored by it.
  virtual std::optional<PlannedSwitch> Planned(const SourcePartition& /*partition*/) const { return std::nullopt; }
  // Makes ready what these generations need, older ones than active() included: a partition of `lane` was committed
  // with them.
  // Lane thread, at an assignment; loads models, so it may take long. kCancelled. kUnavailable: the message names the
  // version, its digest and the store, and what to do; or the log: it has not the number, or means something else
  // by it than the one where it was committed.
  virtual Status Require(int lane, std::span<const CommittedGeneration> generations, const CancelToken& cancel) = 0;
  // A short value of what scores as of a generation. It is committed beside the number, because another log of
  // generations may mean something else by the number. 0: it is not known. Any thread.
  virtual uint32_t Check(GenerationId /*generation*/) const { return 0; }
  // Where two versions do not fit into memory: the lanes are to commit what they took in, say so, and take nothing in
  // as long as this is true. A lane that has rows of Require() to compute again does that first. Cheap: asked once per
  // batch.
  virtual bool rests() const { return false; }
  // Lane thread; a lane says kWorks before it asks rests() for the first time. Does not wait. Require() makes a lane
  // rest until it returns.
  virtual void Works(int /*lane*/, LaneWork /*work*/) {}
  // The lane computes nothing below `oldest` any more, until it calls Require() again.
  virtual void Uses(int lane, GenerationId oldest) = 0;
  // It is durable that `scoring.generation` scores `partition` from `scoring.since` on. May be reported more than once.
  // Writer thread and lane thread; does not wait.
  virtual void Switched(const SourcePartition& partition, const Scoring& scoring) = 0;

  // How the rows of this generation (its own number) are counted in a node; null: they are not. Lane thread; the lane
  // asks once per generation and keeps the answer.
  virtual std::shared_ptr<const ArmRules> Rules(std::string_view /*node*/, GenerationId /*generation*/) const {
    return nullptr;
  }
  // Rows were counted, and they are durable in every target. `counts`: since the last call of this lane. Writer thread,
  // or lane thread where the rows were durable before they were counted; does not wait.
  virtual void Counted(std::string_view /*node*/, GenerationId /*generation*/, const ArmCounts& /*counts*/) {}
  // Whether `node` has a candidate now: then processes that die in it are counted wherever they were in the input, and
  // GiveUpCandidate() is asked before the stage counts as failed.
  virtual bool HasCandidate(std::string_view /*node*/) const { return false; }
  // The process died again and again in `node`: rolls a candidate of its model back. True: there was one, and from now
  // on it scores nothing; the run goes on. Before the first batch. kUnavailable: the log cannot be written.
  virtual Result<bool> GiveUpCandidate(std::string_view /*node*/, const std::string& /*why*/) { return false; }
};

}  // namespace anabranch

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/encoded.h"
#include "engine/measure/measure_snapshot.h"

namespace anabranch {

// Hears what an epoch writer does, to measure it; hears nothing by itself. Committers are numbers: places in the
// writer's list.
class EpochMeter {
 public:
  virtual ~EpochMeter() = default;

  // Writer thread: what its time goes to from now on.
  virtual void Works(size_t /*committer*/) {}
  virtual void Pauses(size_t /*committer*/) {}  // until it tries again
  virtual void Rests() {}
  // An attempt of a committer failed; `why` is one word.
  virtual void Failed(size_t /*committer*/, const char* /*why*/) {}
  virtual void CommitBegins(size_t /*committer*/) {}
  virtual void CommitEnds(size_t /*committer*/) {}
  // Everything of this epoch is durable in all targets.
  virtual void Committed(std::span<const EncodedBatch* const> /*batches*/) {}
  virtual void Aborted() {}  // an epoch is written again
  virtual void Abandoned() {}
  virtual void Holds(size_t /*bytes*/) {}

  // Lane thread: it waits for the writer, in this state.
  virtual void WaitBegins(LaneState /*state*/) {}
  virtual void WaitEnds() {}
};

}  // namespace anabranch

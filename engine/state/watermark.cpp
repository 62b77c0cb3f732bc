#include "engine/state/watermark.h"

#include <algorithm>

namespace anabranch {

void Watermarks::Note(PartitionId partition, int64_t time_us) {
  if (time_us == kNoTime) return;
  WatermarkState& state = At(partition);
  if (time_us <= state.greatest_us) return;
  state.greatest_us = time_us;
  Advance(&state);
}

WatermarkState Watermarks::Snapshot(PartitionId partition) const {
  return partition < states_.size() ? states_[partition] : WatermarkState();
}

void Watermarks::Restore(PartitionId partition, const WatermarkState& state) {
  WatermarkState& ours = At(partition);
  ours = state;
  Advance(&ours);
}

WatermarkState& Watermarks::At(PartitionId partition) {
  if (partition >= states_.size()) states_.resize(size_t{partition} + 1);
  return states_[partition];
}

// Times so early that the difference does not exist give the earliest time there is.
void Watermarks::Advance(WatermarkState* state) const {
  if (state->greatest_us == kNoTime) return;
  const int64_t earliest = kNoTime + 1 + lateness_us_;
  const int64_t watermark = state->greatest_us < earliest ? kNoTime + 1 : state->greatest_us - lateness_us_;
  state->watermark_us = std::max(state->watermark_us, watermark);
}

}  // namespace anabranch

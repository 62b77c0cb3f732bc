#pragma once

#include <cstdint>
#include <vector>

#include "engine/ids.h"
#include "engine/record_batch.h"

namespace anabranch {

// What a partition's watermark is made of, and all that has to be stored to go on with it. Microseconds since 1970;
// kNoTime: no record with a good time was seen.
struct WatermarkState {
  int64_t greatest_us = kNoTime;
  int64_t watermark_us = kNoTime;
  bool operator==(const WatermarkState&) const = default;
};

// The watermarks of one lane: per source partition, how far its event time has come. Never one for a lane: what a
// watermark decides is then a function of the partition's records alone, whatever batch, worker or lane they come by.
//
// The watermark is the greatest good time so far minus the lateness, and never falls. A record is judged by the
// watermark that the records before it made: read Of() first, then Note() the record. One thread. Pure: no clock, no
// wait. Each call is O(1); memory is 16 bytes per partition of the lane's table.
class Watermarks {
 public:
  // `lateness_us` >= 0.
  explicit Watermarks(int64_t lateness_us) : lateness_us_(lateness_us) {}

  // Takes one record in, in partition order. `time_us`: its good time, or kNoTime, which moves nothing.
  void Note(PartitionId partition, int64_t time_us);

  int64_t Greatest(PartitionId partition) const { return Snapshot(partition).greatest_us; }
  int64_t Of(PartitionId partition) const { return Snapshot(partition).watermark_us; }

  // What is to be stored with a position of the partition.
  WatermarkState Snapshot(PartitionId partition) const;
  // Goes on from what was stored, instead of what is known. A lateness that grew since does not make the watermark
  // fall; one that shrank moves it forward at once.
  void Restore(PartitionId partition, const WatermarkState& state);
  // The partition is another lane's now.
  void Forget(PartitionId partition) { Restore(partition, {}); }

 private:
  WatermarkState& At(PartitionId partition);
  void Advance(WatermarkState* state) const;

  int64_t lateness_us_;
  std::vector<WatermarkState> states_;  // by PartitionId
};

}  // namespace anabranch

#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/lane_context.h"
#include "engine/mutex.h"
#include "engine/source.h"

namespace anabranch {

// An input in memory, one partition per lane, whose script a test writes: rows, then events. Thread-safe.
class MemoryInput {
 public:
  struct Record {
    std::string key;
    std::string payload;
    bool marker = false;
    int64_t timestamp_ms = kTimestampMs;
  };
  static constexpr int64_t kTimestampMs = 1'700'000'000'000;
  // Appends one record; its offset is its index.
  void Push(std::string key, std::string payload, int64_t timestamp_ms = kTimestampMs);
  // Appends a place without a record, as a transaction's marker is one: the source reports kPositions for it.
  void PushMarker();
  void End();              // the source reports kEnd when all was read
  void Revoke(bool lost);  // the next poll reports kRevoked / kLost; then the partition is assigned again

  bool keeps_position = false;     // as a Kafka group does: the run keeps a witness of it
  int64_t stored = kNoPosition;    // what StoredPositions returns and CommitPositions writes
  int64_t assigned = kNoPosition;  // where the last Assign began
  int markers_told = 0;
  // By source, from the first Poll() until Close(). Its lane calls both.
  std::map<std::string, int64_t> read_for_ns;
  Mutex mutex;  // of all above and below, once the program runs
  Condition changed;
  std::deque<Record> records;
  bool ended = false;
  std::deque<SourceEvent> events;
};

// A source program over a MemoryInput.
class MemorySourceProgram : public SourceProgram {
 public:
  explicit MemorySourceProgram(std::shared_ptr<MemoryInput> input) : input_(std::move(input)) {}
  int Lanes(int) const override { return 1; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override;
  bool bounded() const override { return false; }
  bool NumbersRecords() const override { return true; }
  bool KeepsPosition() const override { return input_->keeps_position; }
  std::string Describe() const override { return "memory"; }

 private:
  std::shared_ptr<MemoryInput> input_;
};

}  // namespace anabranch

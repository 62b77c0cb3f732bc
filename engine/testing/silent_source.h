#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/source.h"

namespace anabranch {

// A source that gives nothing, for a committer that needs one: the rows come from the test.
class SilentSource : public Source, public SourceProgram {
 public:
  Status Open() override { return {}; }
  Result<SourceEvent> Poll(RecordBatch&, const BatchLimits&, int64_t) override { return SourceEvent::kEnd; }
  std::vector<PartitionId> partitions() const override { return {}; }
  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> asked) override {
    return std::vector<int64_t>(asked.size(), kNoPosition);
  }
  Status Assign(std::span<const PartitionId>, std::span<const int64_t>) override { return {}; }
  Status Release() override { return {}; }
  Status CommitPositions(std::span<const PositionRange>) override { return {}; }
  void Close() override {}
  int Lanes(int) const override { return 1; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext&) const override { return std::unique_ptr<Source>(); }
  bool bounded() const override { return true; }
  std::string Describe() const override { return "nothing"; }
};

}  // namespace anabranch

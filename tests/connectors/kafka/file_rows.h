#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/connector.h"
#include "engine/lane_context.h"

namespace anabranch {

// A source of one "file" of 100 rows.
class FileProgram : public SourceProgram {
 public:
  class Lane : public Source {
   public:
    Status Open() override { return Status::Ok(); }
    Result<SourceEvent> Poll(RecordBatch&, const BatchLimits&, int64_t) override { return SourceEvent::kEnd; }
    std::vector<PartitionId> partitions() const override { return {0}; }
    Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId>) override {
      return std::vector<int64_t>{kNoPosition};
    }
    Status Assign(std::span<const PartitionId>, std::span<const int64_t>) override { return Status::Ok(); }
    Status Release() override { return Status::Ok(); }
    Status CommitPositions(std::span<const PositionRange>) override { return Status::Ok(); }
    void Close() override {}
  };
  explicit FileProgram(std::string path, std::string content = "")
      : path_(std::move(path)), content_(std::move(content)) {}
  int Lanes(int) const override { return 1; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    (void)lane.partitions->Find({"file:in", 0});
    return std::unique_ptr<Source>(std::make_unique<Lane>());
  }
  bool bounded() const override { return true; }
  std::string Describe() const override { return "file " + path_; }
  Result<std::string> Identity() const override { return content_; }
  Result<bool> SameInput(const std::string& stored_identity, bool* grown) const override {
    *grown = content_.size() > stored_identity.size();
    return content_.starts_with(stored_identity);
  }

 private:
  std::string path_;
  std::string content_;
};

inline EncodedBatch FileRows(int64_t first, int64_t next) {
  EncodedBatch batch;
  batch.Clear(1);
  for (int64_t offset = first; offset < next; offset += 10) {
    EncodedRows::Row row;
    row.offset = offset;
    row.value = static_cast<uint32_t>(batch.targets[0].bytes.size());
    batch.targets[0].bytes += std::to_string(offset);
    row.value_size = static_cast<uint32_t>(batch.targets[0].bytes.size()) - row.value;
    batch.targets[0].rows.push_back(row);
  }
  batch.positions = {{0, first, next}};
  return batch;
}

}  // namespace anabranch

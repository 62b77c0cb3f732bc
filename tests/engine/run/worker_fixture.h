#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/run/plan_worker.h"
#include "engine/testing/manual_clock.h"
#include "tests/engine/run/run_fixture.h"

namespace anabranch {

// One worker over a plan in memory, fed with batches by hand: no lane, no source, no committer.
class WorkerTest : public ::testing::Test {
 protected:
  // `n` rows from `first` on, as a source fills them.
  void Fill(RecordBatch* batch, int64_t first, uint32_t n) {
    batch->Clear(plan.plan().columns.size(), plan.plan().stages());
    batch->partitions = &partitions;
    const PartitionId id = *partitions.Find({"memory", 0});
    batch->positions = {{id, first, first + n}};
    for (int64_t offset = first; offset < first + n; ++offset) {
      batch->AddRow(id, offset, 0, batch->text.Copy("k" + std::to_string(offset)), true,
                    batch->text.Copy("v" + std::to_string(offset)));
    }
  }

  std::unique_ptr<PlanWorker> Open() {
    if (guards == nullptr) {
      plan.Build();
      guards = std::make_unique<StageGuards>(plan.plan());
    }
    auto worker = PlanWorker::Open(plan.plan(), clock, *guards, cancel);
    EXPECT_TRUE(worker.ok()) << worker.status().message();
    return std::move(worker).value();
  }

  static std::vector<int64_t> Offsets(const EncodedRows& rows) {
    std::vector<int64_t> offsets;
    for (const auto& row : rows.rows) offsets.push_back(row.offset);
    return offsets;
  }
  const EncodedRows& DeadLetters(const RecordBatch& batch) { return batch.encoded.targets[plan.plan().dead_letters()]; }
  static std::string Header(const EncodedRows& rows, size_t row, std::string_view name) {
    std::string found;
    rows.ForEachHeader(rows.rows[row], [&](std::string_view each, std::string_view value) {
      if (each == name) found = value;
    });
    return found;
  }

  PlanBuilder plan;
  std::shared_ptr<MemoryInput> input = std::make_shared<MemoryInput>();
  std::shared_ptr<MemoryOutput> output = std::make_shared<MemoryOutput>();
  CancelToken cancel;
  ManualClock clock;
  SourceTable partitions;
  std::unique_ptr<StageGuards> guards;
};

}  // namespace anabranch

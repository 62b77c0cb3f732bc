#include "engine/trace/tracer.h"

#include <gtest/gtest.h>

#include <optional>

#include "engine/testing/plan_builder.h"
#include "tests/engine/trace/collector.h"

namespace anabranch {
namespace {

constexpr const char* kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class TracerTest : public ::testing::Test {
 protected:
  TracerTest() {
    plan.Persist("out", {plan.Source(std::make_shared<MemoryInput>())}, std::make_shared<MemoryOutput>());
    plan.Build();
    settings = collector.settings();
  }
  void Open() {
    tracer.emplace(plan.plan(), Clock::Real(), settings, "i-1", "2.0", [](const std::string&) {}, dropped);
  }
  // One record of a partition, with a tracestate where it is traced.
  void Batch(PartitionId partition, int64_t offset, std::optional<std::string> state = std::nullopt) {
    RecordBatch batch;
    batch.Clear(plan.plan().columns.size(), plan.plan().stages());
    batch.source = 0;
    batch.partitions = &partitions;
    if (state) batch.headers = {{kTraceparent, kParent}, {kTracestate, *state}};
    batch.AddRow(partition, offset, 1, "k", true, "v");
    batch.PrepareStages();
    batch.positions = batch.encoded.positions = {{partition, offset, offset + 1}};
    tracer->Before(batch);
    tracer->After(batch);
  }
  void Commit(PartitionId partition, int64_t next) {
    const PositionRange range{partition, 0, next};
    tracer->Committed({0, 1, {&range, 1}, 1, 2});
  }

  Collector collector;
  TraceSettings settings;
  PlanBuilder plan;
  SourceTable partitions;
  PartitionId first = *partitions.Find({"payments", 0}), second = *partitions.Find({"payments", 1});
  std::atomic<int64_t> dropped{0};
  std::optional<Tracer> tracer;
};

// Headers are bytes of whoever wrote the record.
TEST_F(TracerTest, ATracestateThatTheStandardForbidsIsLeftOut) {
  Open();
  int64_t offset = 0;
  for (const std::string& state : {std::string("a=\xff"), "a=" + std::string(600, '1'), std::string("a=\n"),
                                   std::string("vendor=1,b=2"), "a=" + std::string(510, '1')}) {
    Batch(first, offset++, state);
  }
  tracer.reset();
  EXPECT_EQ(collector.CountOf("\"name\":\"process in0\""), 5);
  EXPECT_EQ(collector.CountOf("\"traceState\":"), 2);
  EXPECT_EQ(collector.CountOf("\"traceState\":\"vendor=1,b=2\""), 1);
  EXPECT_EQ(dropped, 0);
}

TEST_F(TracerTest, CommitsAreShownAlsoBehindABatchThatNeverBecameDurable) {
  Open();
  Batch(first, 5);  // its partition goes to another instance before the commit
  for (int64_t i = 0; i < 10; ++i) {
    Batch(second, i);
    Commit(second, i + 1);
  }
  Batch(first, 5);
  Commit(first, 6);
  tracer.reset();
  EXPECT_EQ(collector.CountOf("\"name\":\"commit\""), 11);
  EXPECT_EQ(collector.CountOf("\"links\":"), 0) << "each commit has one batch";
}

TEST_F(TracerTest, WhatTheUserSaysOfItsInstanceCounts) {
  settings.resource.emplace_back("service.instance.id", "mine");
  Open();
  Batch(first, 0);
  tracer.reset();
  EXPECT_EQ(collector.CountOf("service.instance.id"), 1);
  EXPECT_EQ(collector.CountOf("mine"), 1);
}

}  // namespace
}  // namespace anabranch

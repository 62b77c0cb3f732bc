// The event time of rows, and the watermark of their partition.
#include <algorithm>
#include <map>
#include <mutex>

#include "engine/run/row_time.h"
#include "tests/engine/run/worker_fixture.h"

namespace anabranch {
namespace {

constexpr int64_t kMs = 1000;  // in microseconds
constexpr int64_t kThenMs = MemoryInput::kTimestampMs;

// One source whose rows have the column "at"; no decoder fills it, the test does.
class EventTime : public WorkerTest {
 protected:
  EventTime() {
    const StageId in = plan.Source(input);
    plan.Persist("out", {in}, output);
  }

  void Rule(const TimeRule& rule) { plan.plan().sources[0].time = rule; }
  ColumnId At(Kind kind) {
    plan.plan().columns.push_back({"at", Type::Scalar(kind), plan.plan().sources[0].id});
    return ColumnId(plan.plan().columns.size() - 1);
  }
  // One row per value; nothing: the field is missing.
  void Run(Kind kind, ColumnId column, const std::vector<std::optional<int64_t>>& values) {
    auto worker = Open();
    Fill(&batch, 0, static_cast<uint32_t>(values.size()));
    batch.columns[column].Reset(Type::Scalar(kind), batch.rows());
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      batch.columns[column].values<int64_t>()[row] = values[row].value_or(7);
      batch.columns[column].states()[row] = static_cast<uint8_t>(values[row] ? kValid : 0);
    }
    ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  }
  // By row: "" where it passed.
  std::vector<std::string> Codes() {
    std::vector<std::string> codes(batch.rows());
    for (const RowError& error : batch.stages[0].errors) codes[error.row] = error.code;
    return codes;
  }
  int64_t now_us() const { return clock.WallMs() * kMs; }

  RecordBatch batch;
};

TEST_F(EventTime, IsTheFieldInMicroseconds) {
  const ColumnId at = At(Kind::kTimestamp);
  Rule({.field = at, .lateness_us = 0, .max_ahead_us = 0});
  Run(Kind::kTimestamp, at, {1'234'567, -5, 0});
  EXPECT_EQ(batch.time_us, (std::vector<int64_t>{1'234'567, -5, 0}));
  EXPECT_EQ(batch.row_time_us(1), -5);
}

TEST_F(EventTime, OfAWholeNumberIsMillisecondsSince1970) {
  const ColumnId at = At(Kind::kInt64);
  Rule({.field = at, .lateness_us = 0, .max_ahead_us = 0});
  Run(Kind::kInt64, at, {kThenMs, INT64_MAX, INT64_MIN});
  EXPECT_EQ(batch.time_us, (std::vector<int64_t>{kThenMs * kMs, kNoTime, kNoTime}));
  EXPECT_EQ(Codes(), (std::vector<std::string>{"", "time", "time"})) << "they are no times";
}

TEST_F(EventTime, WithoutAFieldIsTheRecordsTimestamp) {
  Rule({});
  auto worker = Open();
  Fill(&batch, 0, 2);
  batch.timestamp_ms = {kThenMs, -1};
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  EXPECT_EQ(batch.time_us, (std::vector<int64_t>{kThenMs * kMs, kNoTime}));
  EXPECT_EQ(Codes(), (std::vector<std::string>{"", "time"}));
}

TEST_F(EventTime, ThatIsMissingIsARecordError) {
  const ColumnId at = At(Kind::kTimestamp);
  Rule({.field = at, .lateness_us = 0, .max_ahead_us = 0});
  Run(Kind::kTimestamp, at, {1, std::nullopt, 3});
  ASSERT_EQ(Codes(), (std::vector<std::string>{"", "time", ""}));
  EXPECT_EQ(batch.time_us[1], kNoTime);
  EXPECT_EQ(Offsets(DeadLetters(batch)), (std::vector<int64_t>{1}));
  EXPECT_EQ(Header(DeadLetters(batch), 0, "anabranch.error.code"), "time");
  EXPECT_NE(Header(DeadLetters(batch), 0, "anabranch.error.message").find("the time field \"at\" is missing"),
            std::string::npos);
}

TEST_F(EventTime, LaterThanTheClockAndMaxAheadIsARecordError) {
  const ColumnId at = At(Kind::kTimestamp);
  Rule({.field = at, .lateness_us = 0, .max_ahead_us = 60'000'000});
  Run(Kind::kTimestamp, at, {now_us() + 60'000'000, now_us() + 60'000'001, now_us()});
  ASSERT_EQ(Codes(), (std::vector<std::string>{"", "time_ahead", ""}));
  EXPECT_EQ(batch.time_us[1], kNoTime);
  const std::string why = Header(DeadLetters(batch), 0, "anabranch.error.message");
  EXPECT_NE(why.find("2023-11-14T22:14:20.000001Z is more than \"max_ahead\" (1m) later than the clock"),
            std::string::npos)
      << why;
}

TEST_F(EventTime, IsNotReadFromARowThatFailedBefore) {
  Rule({});
  auto worker = Open();
  Fill(&batch, 0, 2);
  batch.timestamp_ms = {-1, 5};
  batch.source_errors = {{0, "json", "no JSON"}, {1, "json", "no JSON"}};
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  EXPECT_EQ(Codes(), (std::vector<std::string>{"json", "json"}));
  EXPECT_EQ(batch.time_us, (std::vector<int64_t>{kNoTime, kNoTime}));
}

TEST_F(EventTime, OfASourceWithoutARuleIsNotKept) {
  auto worker = Open();
  Fill(&batch, 0, 2);
  batch.timestamp_ms = {kThenMs, -1};
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  EXPECT_TRUE(batch.time_us.empty());
  EXPECT_TRUE(batch.stages[0].errors.empty());
  EXPECT_EQ(batch.row_time_us(0), kThenMs * kMs);
  EXPECT_EQ(batch.row_time_us(1), kNoTime);
}

TEST_F(EventTime, OfABatchIsForgottenWithItsRows) {
  Rule({});
  auto worker = Open();
  Fill(&batch, 0, 2);
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  ASSERT_EQ(batch.time_us.size(), 2U);
  batch.Clear(0, 1);
  EXPECT_TRUE(batch.time_us.empty());
}

// in -> breaks -> out, with a watermark.
class EventTimeOfARun : public RunTest {
 protected:
  EventTimeOfARun() {
    plan.plan().batch.max_rows = 10;
    const StageId in = plan.Source(input);
    plan.plan().sources[0].time = TimeRule{.field = {}, .lateness_us = 500 * kMs, .max_ahead_us = 0};
    const StageId breaks = plan.Node("breaks", {in}, [this](const NodeRun& run) {
      if (run.batch.offset.back() >= fail_from) return Status(Code::kStage, "broken");
      const std::lock_guard lock(mutex);
      for (uint32_t row = 0; row < run.batch.rows(); ++row) {
        if (run.active[row]) times[run.batch.offset[row]] = run.batch.row_time_us(row);
      }
      restored = restored || run.batch.restored;
      return Status::Ok();
    });
    plan.Persist("out", {breaks}, output);
  }

  void Push(int64_t after_ms) { input->Push("k", "v", kThenMs + after_ms); }
  static int64_t Mark(const Pipeline& pipeline) {
    const MeasureSnapshot now = pipeline.Measures();
    return now.sources[0].partitions.empty() ? kUnknown : now.sources[0].partitions[0].watermark_us;
  }
  static int64_t Us(int64_t after_ms) { return (kThenMs + after_ms) * kMs; }

  std::mutex mutex;
  std::map<int64_t, int64_t> times;  // by offset
  bool restored = false;
  int64_t fail_from = INT64_MAX;
};

TEST_F(EventTimeOfARun, IsTheGreatestGoodTimeMinusTheLateness) {
  Pipeline pipeline(plan.Build(), registry, options, observer, &cancel);
  ASSERT_TRUE(pipeline.Start().ok());
  EXPECT_EQ(Mark(pipeline), kUnknown);
  Push(1000);
  EXPECT_TRUE(Eventually([&] { return Mark(pipeline) == Us(500); }));
  Push(200);
  Push(3000);
  EXPECT_TRUE(Eventually([&] { return Mark(pipeline) == Us(2500); }));
  input->Push("k", "v", INT64_C(9'000'000'000'000));  // in the year 2255
  Push(3001);
  EXPECT_TRUE(Eventually([&] { return Mark(pipeline) == Us(2501); }));
  pipeline.Drain();
  EXPECT_TRUE(pipeline.Finish().status.ok());
  EXPECT_EQ(plan.dead_letters()->committed().size(), 1U);
}

TEST_F(EventTimeOfARun, BeginsAnewWithAPartitionThatCameBack) {
  Pipeline pipeline(plan.Build(), registry, options, observer, &cancel);
  ASSERT_TRUE(pipeline.Start().ok());
  Push(9000);
  EXPECT_TRUE(Eventually([&] { return Mark(pipeline) == Us(8500); }));
  EXPECT_TRUE(Eventually([&] { return output->committed().size() == 1; }));
  input->Revoke(false);
  EXPECT_TRUE(Eventually([&] { return Mark(pipeline) == kUnknown; }));
  Push(1000);
  EXPECT_TRUE(Eventually([&] { return Mark(pipeline) == Us(500); }));
  pipeline.Drain();
  EXPECT_TRUE(pipeline.Finish().status.ok());
}

TEST_F(EventTimeOfARun, ComesWithKeptRows) {
  for (int64_t row = 0; row < 40; ++row) Push(row == 25 ? 70'000 : row);
  input->End();
  fail_from = 20;
  const Plan& built = plan.Build();
  ASSERT_TRUE(Run(built, cancel).failure);
  fail_from = INT64_MAX;
  CancelToken again;
  options.start = RunStart::kRestart;
  ASSERT_TRUE(Run(built, again).status.ok());
  EXPECT_TRUE(restored);
  ASSERT_EQ(times.size(), 40U);
  for (const auto& [offset, time] : times) EXPECT_EQ(time, Us(offset == 25 ? 70'000 : offset)) << offset;
  ASSERT_EQ(measures.sources[0].partitions.size(), 1U);
  EXPECT_EQ(measures.sources[0].partitions[0].watermark_us, Us(69'500));
}

}  // namespace
}  // namespace anabranch

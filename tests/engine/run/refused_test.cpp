// Rows that a target refuses for good, in whole runs.
#include <algorithm>

#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

std::string Letters(const std::vector<MemoryOutput::Row>& rows) {
  std::string all;
  for (const MemoryOutput::Row& row : rows) all += std::to_string(row.offset) + "=" + row.value + " ";
  return all;
}

class Refused : public RunTest {
 protected:
  Refused() {
    const StageId in = plan.Source(input);
    const StageId pass = plan.Node("pass", {in}, Pass);
    out = plan.Persist("out", {pass}, output);
    plan.plan().batch.max_rows = 10;
  }
  RunSummary Start(RunStart start) {
    CancelToken token;
    options.start = start;
    return Run(plan.Build(), token);
  }
  const StageCounts& Counts(const RunSummary& run, const std::string& id) const {
    return *std::ranges::find(run.totals.stages, id, &StageCounts::id);
  }

  StageId out = kNoStage;
};

TEST_F(Refused, ARowThatTheTargetRefusesBecomesADeadLetterAndTheOthersAreWrittenOnce) {
  output->refuses = {13, 57};
  PushRows(100);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  std::vector<int64_t> wanted = Numbers(0, 100);
  std::erase(wanted, 13);
  std::erase(wanted, 57);
  EXPECT_EQ(Offsets(output->committed()), wanted);
  EXPECT_EQ(Letters(plan.dead_letters()->committed()), "13=v13 57=v57 ");
  EXPECT_EQ(run.totals.rows_read, 100);
  EXPECT_EQ(run.totals.rows_committed, 100);
  EXPECT_EQ(Counts(run, "pass").rows_in, 100) << "what was dropped uncommitted is not counted twice";
  EXPECT_EQ(Counts(run, "out").failed, 2);
  EXPECT_EQ(Counts(run, "out").dead_lettered, 2);
}

TEST_F(Refused, OnErrorSkipDropsIt) {
  output->refuses = {57};
  plan.node(out).on_record_error = RecordPolicy::kSkip;
  PushRows(100);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(output->committed().size(), 99u);
  EXPECT_TRUE(plan.dead_letters()->committed().empty());
}

TEST_F(Refused, ALetterThatIsRefusedTooGoesOutWithoutWhatWasRefused) {
  output->refuses = {57};
  plan.dead_letters()->refuses_timestamps = true;
  PushRows(100);
  const RunSummary run = RunToEnd();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(output->committed().size(), 99u);
  EXPECT_EQ(Letters(plan.dead_letters()->committed()), "57=v57 ");
  EXPECT_EQ(Counts(run, "out").dead_lettered, 1);
}

TEST_F(Refused, ALetterThatIsRefusedInEveryFormStopsTheStage) {
  output->refuses = {57};
  plan.dead_letters()->refuses = {57};
  PushRows(100);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(run.status.code(), Code::kStage);
  ASSERT_TRUE(run.failure.has_value());
  EXPECT_NE(run.status.message().find("it does not fit"), std::string::npos) << run.status.message();
}

TEST_F(Refused, AMassOfThemTripsTheBreaker) {
  for (int64_t n = 0; n < 100; ++n) output->refuses.insert(n);
  plan.node(out).breaker = {.rows = 100, .failures = 5};
  PushRows(100);
  const RunSummary run = RunToEnd();
  EXPECT_EQ(run.status.code(), Code::kStage);
  ASSERT_TRUE(run.failure.has_value());
  EXPECT_EQ(run.failure->stage, "out");
  EXPECT_EQ(run.failure->error_class, ErrorClass::kBreaker);
  EXPECT_LT(plan.dead_letters()->committed().size(), 5u);
}

TEST_F(Refused, OnErrorStopStopsAndARestartUnderAnotherPolicyGoesOn) {
  output->refuses = {57};
  plan.node(out).on_record_error = RecordPolicy::kStop;
  PushRows(100);
  RunSummary run = RunToEnd();
  EXPECT_EQ(run.status.code(), Code::kStage);
  ASSERT_TRUE(run.failure.has_value());
  EXPECT_EQ(run.failure->stage, "out");
  plan.node(out).on_record_error = RecordPolicy::kDeadLetter;
  run = Start(RunStart::kRestart);
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(output->committed().size(), 99u);
  EXPECT_EQ(Letters(plan.dead_letters()->committed()), "57=v57 ");
}

// The target fails whole, so that outputs are kept; what it then refuses is inside them.
TEST_F(Refused, InOutputsThatWereKeptItIsComputedAgain) {
  output->FailNextCommit({Code::kStage, "no"});
  PushRows(100);
  RunSummary run = RunToEnd();
  ASSERT_TRUE(run.failure.has_value());
  output->refuses = {57};
  run = Start(RunStart::kRestart);
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(output->committed().size(), 99u);
  EXPECT_EQ(Letters(plan.dead_letters()->committed()), "57=v57 ");
}

TEST_F(Refused, OutputsThatWereKeptCanBeGivenUp) {
  PushRows(100);
  output->FailNextCommit({Code::kStage, "no"});
  RunSummary run = RunToEnd();
  ASSERT_TRUE(run.failure.has_value());
  const auto waiting = static_cast<size_t>(run.failure->kept_rows);
  ASSERT_GT(waiting, 0u);
  const size_t before = output->committed().size();
  PushRows(50);  // came later: not of those that wait
  run = Start(RunStart::kGiveUp);
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(output->committed().size(), before);
  EXPECT_EQ(plan.dead_letters()->committed().size(), waiting);
  run = Start(RunStart::kRun);
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(output->committed().size() + plan.dead_letters()->committed().size(), 150u);
}

TEST_F(Refused, ATargetThatRefusesARowInTroubleIsNotAwayForEver) {
  for (int i = 0; i < 5; ++i) output->FailNextCommit({Code::kAborted, "not now"});
  PushRows(100);
  Pipeline pipeline(plan.Build(), registry, options, observer, &cancel);
  ASSERT_TRUE(pipeline.Start().ok());
  const auto is_away = [&] {
    return std::ranges::any_of(pipeline.Away(),
                               [](const AwayPart& each) { return each.kind == AwayPart::Kind::kTarget; });
  };
  ASSERT_TRUE(Eventually(is_away));
  {
    const MutexLock lock(output->mutex);
    output->refuses = {3};
  }
  EXPECT_TRUE(Eventually([&] { return output->committed().size() == 99; }));
  EXPECT_TRUE(Eventually([&] { return !is_away(); }, std::chrono::seconds(1)));
  pipeline.Drain();
  EXPECT_TRUE(pipeline.Finish().status.ok());
}

}  // namespace
}  // namespace anabranch

// Ranges of a source that are computed again.
#include "engine/run/rescore.h"

#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

class Rescore : public RunTest {
 protected:
  Rescore() {
    plan.Persist("out", {plan.Node("score", {plan.Source(input)}, Pass)}, output);
    options.start = RunStart::kRescore;
  }

  // The input does not end: only the range does.
  RunSummary RunRange(int64_t first, int64_t next) {
    options.input = MakeRescoreInput(std::make_shared<MemorySourceProgram>(input), StageId(0), "in", "memory.again",
                                     {{{"memory", 0}, {first, next}}});
    return Run(plan.Build(), cancel);
  }
};

TEST_F(Rescore, TakesTheRowsOfItsRangeAndNoOthersThoughTheInputGoesOn) {
  PushRows(500);
  input->PushMarker();
  PushRows(499);
  const RunSummary ended = RunRange(250, 700);
  ASSERT_TRUE(ended.status.ok()) << ended.status.message();
  // Offset 500 is the marker.
  std::vector<int64_t> expected = Numbers(250, 700);
  std::erase(expected, 500);
  EXPECT_EQ(Offsets(output->committed()), expected);
  EXPECT_EQ(input->stored, 700);
  EXPECT_EQ(ended.totals.rows_committed, 449);
}

TEST_F(Rescore, AgainFindsNothingToDo) {
  PushRows(100);
  ASSERT_TRUE(RunRange(10, 20).status.ok());
  const RunSummary again = RunRange(10, 20);
  ASSERT_TRUE(again.status.ok()) << again.status.message();
  EXPECT_EQ(again.totals.rows_committed, 0);
  EXPECT_EQ(Offsets(output->committed()), Numbers(10, 20));
}

TEST_F(Rescore, EndsBehindAMarkerAtTheEndOfItsRange) {
  PushRows(10);
  input->PushMarker();
  PushRows(5);
  ASSERT_TRUE(RunRange(4, 11).status.ok());
  EXPECT_EQ(Offsets(output->committed()), Numbers(4, 10));
  EXPECT_EQ(input->stored, 11);
}

}  // namespace
}  // namespace anabranch

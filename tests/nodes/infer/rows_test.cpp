#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/clock.h"
#include "nodes/infer/infer.h"
#include "nodes/infer/watchdog.h"
#include "tests/nodes/infer/model_case.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

// One tiny model over one integer column "x", its output in "y".
class InferRows : public testing::Test {
 protected:
  void Bind(const std::string& model, int max_rows = 16, const char* output = "Y") {
    folder_ = std::make_unique<ModelFolder>("tiny.onnx", model);
    runner_.SetBasePath(folder_->path());
    runner_.SetSection("models", "tiny", ConfigObject({{"path", "tiny.onnx"}}));
    runner_.AddColumn("x", Type::Scalar(Kind::kInt64));
    ASSERT_TRUE(runner_.Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                              {"model", "tiny"},
                                                              {"features", ConfigList({"x"})},
                                                              {"outputs", ConfigObject({{"y", output}})},
                                                              {"batch", ConfigObject({{"max_rows", max_rows}})}})))
        << runner_.FaultText();
  }

  void ExpectRefused(uint32_t row, const std::string& code) {
    EXPECT_EQ(runner_.outcome(row), Outcome::kFailed);
    EXPECT_TRUE(runner_.ErrorText(row).starts_with(code + ": ")) << runner_.ErrorText(row);
    EXPECT_EQ(runner_.Value("y", row), Cell());
  }

  std::unique_ptr<ModelFolder> folder_;
  NodeRunner runner_;
};

TEST_F(InferRows, ARowThatTheModelRefusesCostsOneRow) {
  Bind(LookupModel());
  std::vector<Cell> cells(40, Cell(1));
  cells[17] = 99;
  runner_.Fill("x", cells);
  ASSERT_TRUE(runner_.Run().ok());
  for (uint32_t row = 0; row < 40; ++row) {
    if (row == 17) continue;
    EXPECT_EQ(runner_.outcome(row), Outcome::kOk);
    EXPECT_EQ(runner_.Value("y", row), Cell(20.0));
  }
  ExpectRefused(17, "model");
  EXPECT_EQ(runner_.errors().size(), 1U);
}

TEST_F(InferRows, RefusedRowsAreRecordErrorsAlsoWhereNoOtherRowIsInTheBatch) {
  Bind(LookupModel());
  runner_.Fill("x", {99, -99});
  const Status status = runner_.Run();
  ASSERT_TRUE(status.ok()) << status.message();
  ExpectRefused(0, "model");
  ExpectRefused(1, "model");
}

TEST_F(InferRows, AModelThatRefusesEverythingStopsTheStage) {
  Bind(RefusingModel());
  runner_.Fill("x", {1, 2, 3});
  const Status status = runner_.Run();
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_NE(status.message().find("tiny@"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("Gather"), std::string::npos) << status.message();
}

TEST_F(InferRows, AModelWithoutOneResultPerRecordDoesNotOpen) {
  Bind(SummingModel());
  runner_.Fill("x", {1, 2, 3});
  const Status status = runner_.Run();
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_NE(status.message().find("it needs one result per record"), std::string::npos) << status.message();
}

TEST_F(InferRows, AModelThatMixesRowsIsCalledRecordByRecord) {
  Bind(MixingModel());
  runner_.Fill("x", {1, 10, 100});
  ASSERT_TRUE(runner_.Run().ok());
  const std::vector<Cell> together = runner_.Values("y");
  EXPECT_EQ(together, (std::vector<Cell>{3, 30, 300}));
  EXPECT_EQ(runner_.program()->Facts().at("batch_invariant"), "no");
}

TEST_F(InferRows, NullFeaturesFailTheirRowsWithTheColumnsName) {
  Bind(LookupModel());
  runner_.Fill("x", {0, nullptr, 2});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.Value("y", 0), Cell(10.0));
  EXPECT_EQ(runner_.Value("y", 2), Cell(30.0));
  ExpectRefused(1, "null_feature");
  EXPECT_NE(runner_.ErrorText(1).find("\"x\""), std::string::npos);
}

TEST_F(InferRows, RowsThatAreNotActiveAreLeftAlone) {
  Bind(LookupModel());
  runner_.Fill("x", {0, 99, nullptr, 3, 1});
  for (const uint32_t row : {1U, 2U, 4U}) runner_.Deactivate(row);
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_TRUE(runner_.errors().empty());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{10.0, nullptr, nullptr, 40.0, nullptr}));
}

TEST_F(InferRows, ABatchWithoutUsableRowsMakesNoCall) {
  Bind(LookupModel());
  runner_.Fill("x", {nullptr, nullptr});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.batch().stages[1].calls.size(), 0U);
  EXPECT_EQ(runner_.errors().size(), 2U);
}

TEST_F(InferRows, CallsHoldAtMostMaxRows) {
  Bind(LookupModel(), 16);
  runner_.Fill("x", std::vector<Cell>(40, Cell(3)));
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.batch().stages[1].calls.size(), 3U);
}

TEST_F(InferRows, ACallThatTakesTooLongTimesItsRowsOut) {
  Bind(LoopModel(), 4);
  runner_.Fill("x", {1, 2, 3, 4, int64_t{1} << 60, 6, 7, 8, 9});
  const int64_t begin = Clock::Real().NowNs();
  ASSERT_TRUE(runner_.Run(begin + 300'000'000).ok());
  EXPECT_LT(Clock::Real().NowNs() - begin, 30'000'000'000);
  for (uint32_t row = 0; row < 4; ++row) EXPECT_EQ(runner_.Value("y", row), Cell(static_cast<int>(row) + 1));
  for (uint32_t row = 4; row < 9; ++row) {
    EXPECT_EQ(runner_.outcome(row), Outcome::kTimedOut) << row;
    EXPECT_EQ(runner_.Value("y", row), Cell());
  }

  runner_.ClearRows();
  runner_.Fill("x", {5, 6});
  ASSERT_TRUE(runner_.Run(Clock::Real().NowNs() + 60'000'000'000).ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{5, 6}));
}

// The watchdog is busy with another late call when this one's deadline passes, and comes to it as it ends. Model calls
// and the watchdog live in real time.
TEST_F(InferRows, AnEndThatComesTooLateDoesNotReachTheNextBatch) {
  Bind(LoopModel());
  const auto run = [this](int64_t turns, int64_t deadline_ns) {
    runner_.ClearRows();
    runner_.Fill("x", {turns, turns});
    return runner_.Run(deadline_ns);
  };
  int64_t turns = 1000;
  for (int64_t took = 0; took < 60'000'000; turns *= 2) {
    const int64_t begin = Clock::Real().NowNs();
    ASSERT_TRUE(run(turns, INT64_MAX).ok());
    took = Clock::Real().NowNs() - begin;
  }
  const int64_t deadline = Clock::Real().NowNs() + 20'000'000;
  {
    const Watchdog::Guard other(Watchdog::Process(), deadline,
                                [] { std::this_thread::sleep_for(std::chrono::seconds(1)); });
    ASSERT_TRUE(run(turns, deadline).ok());
  }
  const Status next = run(5, Clock::Real().NowNs() + 60'000'000'000);
  ASSERT_TRUE(next.ok()) << next.message();
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{5, 5}));
}

TEST_F(InferRows, ADeadlineThatHasPassedMakesNoCall) {
  Bind(LookupModel());
  runner_.Fill("x", {1, 2});
  ASSERT_TRUE(runner_.Run(Clock::Real().NowNs() - 1).ok());
  EXPECT_EQ(runner_.outcome(0), Outcome::kTimedOut);
  EXPECT_EQ(runner_.batch().stages[1].calls.size(), 0U);
}

TEST_F(InferRows, ThreadsOpenAndRunOneProgramEach) {
  Bind(LookupModel(), 64);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      if (runner_.program()->Open().ok()) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
}

// log.onnx: -inf of 0, NaN of a negative number.
TEST(InferCosts, ACallsTimeIsMeasuredWhenTheModelIsOpened) {
  for (const char* name : {"ffnn_784", "fixed_batch_1x4", "boosting_regressor"}) {
    NodeRunner runner;
    ASSERT_TRUE(runner.Bind(RegisterNodeInfer, SetUpCase(FindModelCase(name), &runner))) << runner.FaultText();
    EXPECT_EQ(runner.program()->EstimateNs(8), 0) << name;  // not opened yet
    ASSERT_TRUE(runner.program()->Open().ok()) << name;
    EXPECT_EQ(runner.program()->EstimateNs(0), 0) << name;
    EXPECT_GT(runner.program()->EstimateNs(1), 0) << name;
    EXPECT_GT(runner.program()->EstimateNs(4096), 4 * runner.program()->EstimateNs(1)) << name;
    EXPECT_GE(runner.program()->EstimateNs(8192), runner.program()->EstimateNs(4096)) << name;
  }
}

TEST(InferNumbers, OutputsThatAreNotFiniteFailTheirRows) {
  NodeRunner runner;
  runner.SetBasePath(ANABRANCH_ROOT "/tests/models");
  runner.SetSection("models", "log", ConfigObject({{"path", "log.onnx"}, {"version", "3"}}));
  runner.AddColumn("x", Type::Scalar(Kind::kFloat64));
  ASSERT_TRUE(runner.Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                           {"model", "log"},
                                                           {"features", ConfigList({"x"})},
                                                           {"outputs", ConfigObject({{"y", "Y"}, {"z", "Y[0]"}})}})));
  runner.Fill("x", {1.0, 0.0, -1.0, 1e300, 1.0});
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.Values("y"), (std::vector<Cell>{0.0, nullptr, nullptr, nullptr, 0.0}));
  EXPECT_EQ(runner.Values("z"), runner.Values("y"));
  EXPECT_TRUE(runner.ErrorText(1).starts_with("non_finite: output \"Y\" of model log@3")) << runner.ErrorText(1);
  EXPECT_TRUE(runner.ErrorText(2).starts_with("non_finite: ")) << runner.ErrorText(2);
  EXPECT_TRUE(runner.ErrorText(3).starts_with("non_finite: feature \"x\"")) << runner.ErrorText(3);
  EXPECT_EQ(runner.errors().size(), 3U);
  EXPECT_EQ(runner.program()->Facts().at("model"), "log@3");
  EXPECT_TRUE(runner.program()->Facts().contains("batch_invariant"));
}

}  // namespace
}  // namespace anabranch

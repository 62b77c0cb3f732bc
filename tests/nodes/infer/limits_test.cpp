#include <gtest/gtest.h>

#include "engine/clock.h"
#include "nodes/infer/infer.h"
#include "nodes/infer/probe.h"
#include "tests/nodes/infer/model_case.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

// A tiny model over the integer column "x", its output in "y"; `settings` are keys of the model's entry.
class InferLimits : public testing::Test {
 protected:
  bool Bind(const std::string& model, std::initializer_list<std::pair<std::string, ConfigItem>> settings) {
    folder_ = std::make_unique<ModelFolder>("tiny.onnx", model);
    runner_.SetBasePath(folder_->path());
    std::vector<std::pair<std::string, ConfigItem>> entry(settings);
    ConfigValue section = ConfigObject({{"path", "tiny.onnx"}});
    for (auto& [name, item] : entry) {
      item.value.name = name;
      section.children.push_back(item.value);
    }
    runner_.SetSection("models", "tiny", std::move(section));
    runner_.AddColumn("x", Type::Scalar(Kind::kInt64));
    return runner_.Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                         {"model", "tiny"},
                                                         {"features", ConfigList({"x"})},
                                                         {"outputs", ConfigObject({{"y", "Y"}})},
                                                         {"batch", ConfigObject({{"max_rows", 16}})}}));
  }
  double SecondsSince(int64_t begin_ns) { return static_cast<double>(Clock::Real().NowNs() - begin_ns) / 1e9; }

  std::unique_ptr<ModelFolder> folder_;
  NodeRunner runner_;
};

constexpr int64_t kForEver = int64_t{1} << 60;

TEST_F(InferLimits, AModelWhoseFirstCallNeverEndsDoesNotOpen) {
  ASSERT_TRUE(Bind(EndlessModel(), {{"warmup_timeout_ms", 300}})) << runner_.FaultText();
  runner_.Fill("x", {1, 2});
  const int64_t begin = Clock::Real().NowNs();
  const Status status = runner_.Run();
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_NE(status.message().find("warmup_timeout_ms"), std::string::npos) << status.message();
  EXPECT_LT(SecondsSince(begin), 30);
}

TEST_F(InferLimits, ARecordThatTheModelNeverFinishesCostsOneRecord) {
  ASSERT_TRUE(Bind(LoopModel(), {{"call_timeout_ms", 300}})) << runner_.FaultText();
  runner_.Fill("x", {1, 2, 3, kForEver, 5, 6});
  const Status status = runner_.Run();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{1, 2, 3, nullptr, 5, 6}));
  EXPECT_EQ(runner_.outcome(3), Outcome::kTimedOut);
  EXPECT_NE(runner_.ErrorText(3).find("call_timeout_ms"), std::string::npos) << runner_.ErrorText(3);
  EXPECT_EQ(runner_.errors().size(), 1U);
  runner_.ClearRows();
  runner_.Fill("x", {7, 8});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.Values("y"), (std::vector<Cell>{7, 8}));
}

TEST_F(InferLimits, TwoSuchRecordsInOneCallStopTheStage) {
  ASSERT_TRUE(Bind(LoopModel(), {{"call_timeout_ms", 200}})) << runner_.FaultText();
  runner_.Fill("x", {1, kForEver, 3, kForEver, kForEver, kForEver});
  const int64_t begin = Clock::Real().NowNs();
  const Status status = runner_.Run();
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_NE(status.message().find("did not return within 200 ms"), std::string::npos) << status.message();
  EXPECT_LT(SecondsSince(begin), 20);
}

TEST_F(InferLimits, CallsThatAreInTimeAreNotEndedHoweverLongTheBatchTakes) {
  constexpr double kLimit = 2;
  ASSERT_TRUE(Bind(LoopModel(), {{"call_timeout_ms", kLimit * 1000}})) << runner_.FaultText();
  const auto seconds = [this](int64_t turns, size_t rows) {
    runner_.ClearRows();
    runner_.Fill("x", std::vector<Cell>(rows, Cell(turns)));
    const int64_t begin = Clock::Real().NowNs();
    EXPECT_TRUE(runner_.Run().ok());
    EXPECT_TRUE(runner_.errors().empty());
    return SecondsSince(begin);
  };
  int64_t turns = 1000;
  double call = 0;
  for (; call < kLimit / 40; turns *= 2) call = seconds(turns, 2);
  // What a call takes varies with what else the machine does: more rows until the batch took long enough.
  double batch = 0;
  for (auto rows = static_cast<size_t>(16 * 1.5 * kLimit / call); batch <= kLimit && rows < 1'000'000; rows *= 2) {
    batch = seconds(turns / 2, rows);
  }
  EXPECT_GT(batch, kLimit);
}

TEST_F(InferLimits, ARandomModelIsRefusedUnlessItIsAllowed) {
  EXPECT_FALSE(Bind(RandomModel(), {}));
  ASSERT_EQ(runner_.faults().size(), 1U) << runner_.FaultText();
  EXPECT_EQ(runner_.faults()[0].code, FaultCode::kModelRandom);
  EXPECT_NE(runner_.FaultText().find("RandomUniformLike"), std::string::npos) << runner_.FaultText();
  EXPECT_NE(runner_.FaultText().find("\"nondeterministic\": true"), std::string::npos) << runner_.FaultText();
}

TEST_F(InferLimits, AnAllowedRandomModelRunsAndSaysThatItIsOne) {
  ASSERT_TRUE(Bind(RandomModel(), {{"nondeterministic", true}})) << runner_.FaultText();
  EXPECT_FALSE(runner_.program()->deterministic());
  runner_.Fill("x", {1, 2, 3});
  const Status status = runner_.Run();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(runner_.errors().empty());
  EXPECT_EQ(runner_.program()->Facts().at("nondeterministic"), "yes");
}

TEST(InferProbe, ResultsThatChangeFromCallToCallAreRefused) {
  const ModelFolder folder("tiny.onnx", RandomModel());
  const auto file = ReadModelFile(folder.path() + "/tiny.onnx");
  ASSERT_TRUE(file.ok()) << file.status().message();
  InferPlan plan;
  plan.model = *file;
  plan.inputs = {{"X", Element::kInt64, {}, 1, {}}};
  ModelOutput& output = plan.outputs.emplace_back();
  output.name = "Y";
  output.width = 1;
  const auto call = ModelCall::Open(plan);
  ASSERT_TRUE(call.ok()) << call.status().message();
  const auto shape = ProbeModel(call->get());
  EXPECT_EQ(shape.status().code(), Code::kStage);
  EXPECT_NE(shape.status().message().find("different results"), std::string::npos) << shape.status().message();
}

}  // namespace
}  // namespace anabranch

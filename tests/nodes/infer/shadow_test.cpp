#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/strategy/compare.h"
#include "tests/nodes/infer/arm_case.h"
#include "tests/nodes/infer/model_case.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

// What a batch holds of one node, down to where it lies.
struct Held {
  std::vector<std::vector<Cell>> cells;
  std::vector<const void*> places;
  std::vector<Outcome> outcome;
  std::vector<std::string> errors;
  std::vector<uint8_t> version;
  size_t calls = 0;
  bool operator==(const Held&) const = default;
};

Held HeldBy(NodeRunner& runner) {
  const StageRows& rows = runner.batch().stages[1];
  Held held{Results(&runner), {}, rows.outcome, {}, rows.version, rows.calls.size()};
  for (const NodeRunner::MadeColumn& made : runner.made()) {
    const Column& column = runner.batch().columns[made.id];
    held.places.push_back(column.values<char>().data());
    held.places.push_back(column.states().data());
  }
  for (uint32_t row = 0; row < runner.batch().rows(); ++row) held.errors.push_back(runner.ErrorText(row));
  return held;
}

// A classifier that names its classes, with other features in version 2: a text, a vector, a part of it, a feature.
struct ClassifierCase {
  ManagedCase managed;
  NodeRunner& runner = managed.runner;
  const ModelCase& model = FindModelCase("logistic_string_labels");
  ModelVersion one, two;

  ClassifierCase() {
    const std::string bytes = ReadText(ANABRANCH_ROOT "/tests/models/logistic_string_labels.onnx");
    const std::string inputs = R"({"x0": "float64", "x1": "float64", "x2": "float64", "x3": "float64"})";
    const std::string outputs = R"({"probabilities": {"classes": ["p", "q", "r"]}})";
    one = managed.registry.Pack("1", bytes, R"({"set": {"sum": "x0 + x1"}, "order": ["sum", "x1", "x2", "x3"]})",
                                outputs, inputs);
    two = managed.registry.Pack("2", bytes, R"({"set": {"sum": "x0 - x2"}, "order": ["x2", "sum", "x0", "x3"]})",
                                outputs, inputs);
    for (int i = 0; i < 4; ++i) runner.AddColumn("x" + std::to_string(i), Type::Scalar(Kind::kFloat64));
  }
  static std::string ReadText(const std::string& path);
  bool Bind() {
    return managed.Bind({{"label", "label"},
                         {"p", "probabilities"},
                         {"q", "probabilities['q']"},
                         {"sum", "@feature.sum"},
                         {"arm", "@arm"}});
  }
  void Add(uint32_t generation, const GenerationRecord& record) {
    for (const ModelVersion& version : {one, two}) {
      const Status prepared = managed.managed().Prepare(version);
      ASSERT_TRUE(prepared.ok()) << prepared.message();
    }
    managed.managed().Add(GenerationId(generation), record);
  }
  void Fill(size_t rows) {
    runner.ClearRows();
    for (size_t i = 0; i < rows; ++i) runner.AddRow({.key = "k" + std::to_string(i)});
    for (size_t c = 0; c < 4; ++c) {
      std::vector<Cell> cells;
      for (size_t i = 0; i < rows; ++i) {
        const size_t seed = (i * 4 + c) * 2654435761U % 1000;
        cells.emplace_back(static_cast<double>(seed) / 100.0);
      }
      runner.Fill("x" + std::to_string(c), cells);
    }
  }
};

std::string ClassifierCase::ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<CompareSpec::Output> ComparedBy(ManagedCase& managed, const ModelVersion& serving) {
  CompareSpec spec;
  managed.managed().AddCompared(serving.digest, &spec);
  return spec.outputs;
}

class InferShadow : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(case_.Bind()) << runner_.FaultText();
    case_.Add(1, RecordOf(case_.one));
    case_.Add(2, RecordOf(case_.two));
  }
  // What is scored after the batch was handed over, by a node that has not seen it.
  void AfterHandOver() {
    if (node_ == nullptr) node_ = std::move(runner_.program()->Open()).value();
    StageRows& rows = runner_.batch().stages[1];
    const Status status = node_->AfterHandOver({runner_.batch(), 1, rows.active, rows.active_count, INT64_MAX});
    ASSERT_TRUE(status.ok()) << status.message();
  }
  const ArmScores& scores() { return *runner_.batch().stages[1].arms.at(0); }

  ClassifierCase case_;
  NodeRunner& runner_ = case_.runner;
  std::unique_ptr<Node> node_;
};

TEST_F(InferShadow, ItLeavesTheBatchAsItIsAndSaysWhatTheCandidateWouldSay) {
  constexpr size_t kRows = 300;
  case_.Fill(kRows);
  ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(2)).ok());
  const std::vector<std::vector<Cell>> alone = Results(&runner_);
  case_.Fill(kRows);
  ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(1)).ok());
  const std::vector<std::vector<Cell>> serving = Results(&runner_);
  case_.Add(3, ShadowOf(case_.one, case_.two, 1));
  case_.Fill(kRows);
  ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(3)).ok());
  EXPECT_TRUE(runner_.batch().stages[1].arms.empty());
  EXPECT_EQ(Results(&runner_), serving);
  const Held before = HeldBy(runner_);
  AfterHandOver();
  EXPECT_EQ(HeldBy(runner_), before);
  EXPECT_EQ(scores().generation, GenerationId(3));
  EXPECT_EQ(scores().drawn, std::vector<uint8_t>(kRows, 1));
  EXPECT_EQ(scores().answered, std::vector<uint8_t>(kRows, 0));
  EXPECT_EQ(scores().paired, std::vector<uint8_t>(kRows, 1));
  EXPECT_EQ(scores().other_outcome, std::vector<Outcome>(kRows, Outcome::kOk));
  ASSERT_EQ(scores().columns.size(), 3U);  // label, p, q
  size_t differs = 0;
  for (uint32_t row = 0; row < kRows; ++row) {
    for (size_t c = 0; c < 3; ++c) {
      ASSERT_EQ(scores().columns[c], runner_.made()[c].id);
      ASSERT_EQ(ReadCell(scores().other[c], row), alone[row][c]);
      differs += alone[row][c] != serving[row][c] ? 1 : 0;
    }
  }
  EXPECT_GT(differs, kRows / 2);
  EXPECT_TRUE(scores().first_ns > 0 && scores().second_ns > 0);
}

TEST_F(InferShadow, ACanaryShowsTheTextsAndTheFeaturesOfTheArmThatAnswers) {
  constexpr size_t kRows = 300;
  std::vector<std::vector<std::vector<Cell>>> alone;
  for (const uint32_t generation : {1, 2}) {
    case_.Fill(kRows);
    ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(generation)).ok());
    alone.push_back(Results(&runner_));
  }
  case_.Add(3, CanaryOf(case_.one, case_.two, 0.4));
  case_.Fill(kRows);
  ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(3)).ok());
  const std::vector<std::vector<Cell>> results = Results(&runner_);
  size_t drawn = 0;
  for (uint32_t row = 0; row < kRows; ++row) {
    const size_t arm = DrawnNumber(7, "k" + std::to_string(row)) < 0.4 ? 1 : 0;
    drawn += arm;
    ASSERT_EQ(results[row], alone[arm][row]) << row;
    for (size_t c = 0; arm == 1 && c < 3; ++c) ASSERT_EQ(ReadCell(scores().other[c], row), alone[0][row][c]);
  }
  EXPECT_GT(drawn, 80U);
}

TEST_F(InferShadow, ItsShareIsDrawnByTheIdsOfTheRecords) {
  case_.Add(3, ShadowOf(case_.one, case_.two, 0.25, 11));
  case_.Fill(400);
  runner_.Deactivate(5);
  ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(3)).ok());
  AfterHandOver();
  for (uint32_t row = 0; row < 400; ++row) {
    const bool in = DrawnNumber(11, "in/0/" + std::to_string(row)) < 0.25;
    ASSERT_EQ(scores().drawn[row], row == 5 ? ArmScores::kNoArm : in ? 1 : 0);
    ASSERT_EQ(scores().answered[row], row == 5 ? ArmScores::kNoArm : 0);
    ASSERT_EQ(scores().paired[row], row != 5 && in ? 1 : 0);
    ASSERT_EQ(scores().other[0].valid(row), row != 5 && in);
  }
}

TEST_F(InferShadow, ItWorksOnlyOnWhatThisRunScored) {
  case_.Add(3, ShadowOf(case_.one, case_.two, 1));
  case_.Fill(10);
  ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(3)).ok());
  StageRows& rows = runner_.batch().stages[1];
  rows.reused = true;
  AfterHandOver();
  EXPECT_TRUE(rows.arms.empty());
  rows.reused = false;
  runner_.batch().give_up = 1;
  AfterHandOver();
  EXPECT_TRUE(rows.arms.empty());
  runner_.batch().give_up = kNoStage;
  AfterHandOver();
  EXPECT_EQ(rows.arms.size(), 1U);
}

// The candidate may have been rolled back because it kills the process.
TEST_F(InferShadow, OfAnOlderGenerationNothingIsScoredAfterwards) {
  case_.Add(3, ShadowOf(case_.one, case_.two, 1));
  case_.Add(4, RecordOf(case_.one));
  case_.Fill(10);
  ASSERT_TRUE(case_.managed.RunFrom(ScoringFrom(3)).ok());
  AfterHandOver();
  EXPECT_TRUE(runner_.batch().stages[1].arms.empty());
}

TEST_F(InferShadow, ANodeWorksAfterwardsWhileTheNewestGenerationHasAShadow) {
  auto node = std::move(runner_.program()->Open()).value();
  EXPECT_FALSE(node->works_after());
  case_.Add(3, ShadowOf(case_.one, case_.two, 1));
  EXPECT_TRUE(node->works_after());
  case_.Add(4, RecordOf(case_.two));
  EXPECT_FALSE(node->works_after());
}

TEST(InferShadowFailures, WhatTheCandidateFailsIsNotedAndNothingElse) {
  ArmCase arms;
  const ModelVersion refuses = arms.managed.registry.Pack("4", RefusingModel());
  ASSERT_TRUE(arms.Bind()) << arms.runner.FaultText();
  arms.Add(1, ShadowOf(arms.one, arms.two, 1));
  auto node = std::move(arms.runner.program()->Open()).value();
  for (const uint32_t generation : {1, 2}) {
    if (generation == 2) arms.Add(2, ShadowOf(arms.one, refuses, 1), {refuses});
    arms.runner.ClearRows();
    arms.runner.Fill("x", {0, 5, 99, 1});
    ASSERT_TRUE(arms.managed.RunFrom(ScoringFrom(generation)).ok());
    const Held before = HeldBy(arms.runner);
    ASSERT_TRUE(node->AfterHandOver({arms.runner.batch(), 1, arms.rows().active, 4, INT64_MAX}).ok());
    EXPECT_EQ(HeldBy(arms.runner), before);
    EXPECT_TRUE(arms.rows().notice.empty());
    const Outcome ok = generation == 1 ? Outcome::kOk : Outcome::kFailed;
    EXPECT_EQ(arms.scores().other_outcome, (std::vector<Outcome>{ok, Outcome::kFailed, Outcome::kFailed, ok}));
    EXPECT_EQ(arms.scores().paired, (std::vector<uint8_t>{1, 1, 1, 1}));
  }
}

TEST_F(InferShadow, TheOutputsThatAreComparedAreThoseOfTheColumns) {
  const std::vector<CompareSpec::Output> outputs = ComparedBy(case_.managed, case_.one);
  ASSERT_EQ(outputs.size(), 5U);
  const std::vector<std::string> names = {"label", "p[p]", "p[q]", "p[r]", "q"};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(outputs[i].name, names[i]);
  EXPECT_TRUE(outputs[0].is_label && !outputs[1].is_label);
  EXPECT_EQ(outputs[0].classes, (std::vector<std::string>{"p", "q", "r"}));
  ASSERT_EQ(outputs[4].edges.size(), 19U);
  EXPECT_TRUE(outputs[4].edges[0] == 0.05 && outputs[4].edges[18] == 0.95);
  EXPECT_TRUE((CompareSpec{outputs, ""}.Check().ok()));
}

TEST(InferCompared, TheBinsAreThoseOfTheReferenceOfTheServingVersion) {
  ManagedCase managed;
  const std::string outputs = R"({"Y": {"classes": ["b", "a"]}})";
  const std::string other = R"({"Y": {"classes": ["a", "b"]}})";
  const std::string features = R"({"order": ["x"]})";
  const auto refer = [&](const std::string& version, const std::string& text) {
    std::filesystem::create_directories(managed.registry.path() + "/m-" + version);
    std::ofstream(managed.registry.path() + "/m-" + version + "/reference.json") << text;
  };
  refer("1", R"({"outputs": {"Y['a']": {"edges": [0.5], "counts": [3, 4]}}})");
  refer("2", R"({"outputs": {"Y[1]": {"edges": [1, 2]}, "Y[0]": {"edges": [7]}}})");
  const ModelVersion one = managed.registry.Pack("1", VectorModel({1, 2, 3, 4}, 2), features, outputs);
  const ModelVersion two = managed.registry.Pack("2", VectorModel({2, 1, 4, 3}, 2), features, other);
  ASSERT_TRUE(managed.Bind({{"p", "Y"}, {"second", "Y[1]"}, {"b", "Y['b']"}})) << managed.runner.FaultText();
  const std::vector<CompareSpec::Output> first = ComparedBy(managed, one);
  ASSERT_EQ(first.size(), 4U);
  EXPECT_EQ(first[0].name, "p[b]");
  EXPECT_EQ(first[0].edges.size(), 19U);
  EXPECT_EQ(first[1].name, "p[a]");
  EXPECT_EQ(first[1].edges, (std::vector<double>{0.5}));
  EXPECT_EQ(first[1].reference, (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(first[2].edges, (std::vector<double>{0.5}));  // Y[1] is the class a
  EXPECT_EQ(first[3].edges.size(), 19U);
  EXPECT_TRUE(ComparedBy(managed, two).empty());  // not prepared
  ASSERT_TRUE(managed.managed().Prepare(two).ok());
  const std::vector<CompareSpec::Output> second = ComparedBy(managed, two);
  ASSERT_EQ(second.size(), 4U);
  EXPECT_EQ(second[0].name, "p[b]");  // lies at 1 there
  EXPECT_EQ(second[0].edges, (std::vector<double>{1, 2}));
  EXPECT_EQ(second[1].edges, (std::vector<double>{7}));
  EXPECT_EQ(second[2].edges, (std::vector<double>{7}));
  EXPECT_EQ(second[3].edges, (std::vector<double>{1, 2}));
}

TEST(InferCompared, IntegersAreLabelsAndVectorsOfThemAreLeftOut) {
  ManagedCase managed;
  const ModelVersion one = managed.registry.Pack("1", IntegerTableModel());
  ASSERT_TRUE(managed.Bind({{"y", "Y"}, {"g", "@generation"}})) << managed.runner.FaultText();
  const std::vector<CompareSpec::Output> outputs = ComparedBy(managed, one);
  ASSERT_EQ(outputs.size(), 1U);
  EXPECT_TRUE(outputs[0].name == "y" && outputs[0].is_label && outputs[0].classes.empty());
}

}  // namespace
}  // namespace anabranch

#include "topologies/trial/test_runner.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/conformance/program_registry.h"
#include "topologies/trial/test_file.h"

namespace anabranch {
namespace {

// Makes one column of whole numbers: how many rows the batch has, or 1.
class Sized : public Node {
 public:
  Sized(ColumnId column, bool depends) : column_(column), depends_(depends) {}
  Status Process(const NodeRun& run) override {
    Column& column = run.batch.columns[column_];
    column.Reset(Type::Scalar(Kind::kInt64), run.batch.rows());
    for (uint32_t row = 0; row < run.batch.rows(); ++row) {
      column.values<int64_t>()[row] = depends_ ? run.batch.rows() : 1;
      column.states()[row] = kValid;
    }
    return Status::Ok();
  }

 private:
  const ColumnId column_;
  const bool depends_;
};

class SizedProgram : public NodeProgram {
 public:
  SizedProgram(ColumnId column, bool depends, bool deterministic)
      : column_(column), depends_(depends), deterministic_(deterministic) {}
  Result<std::unique_ptr<Node>> Open() const override {
    ++opened;
    return std::unique_ptr<Node>(std::make_unique<Sized>(column_, depends_));
  }
  bool deterministic() const override { return deterministic_; }

  mutable int opened = 0;

 private:
  const ColumnId column_;
  const bool depends_, deterministic_;
};

// Twenty cases of two records each, through a node whose program is replaced.
class TestRunners : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "test_runner_test.XXXXXX").string();
    folder_ = mkdtemp(name.data());
    std::string tests;
    for (int i = 0; i < 20; ++i) {
      tests += (i == 0 ? "" : ",") + std::string(R"({"name": ")") + std::to_string(i) +
               R"(", "given": {"in": [{"value": {"n": 1}}, {"value": {"n": 2}}]}, "expect": {"out": {"count": 2}}})";
    }
    std::ofstream(folder_ + "/t.json") << R"({"anabranch": 1, "name": "t",
"schemas": {"s": {"type": "object", "properties": {"n": {"type": "integer"}}}},
"sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": "position"}},
"nodes": {"size": {"kind": "transform", "inputs": ["in"], "set": {"m": "n"}},
 "out": {"kind": "persist", "inputs": ["size"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["m"]}},
"tests": [)" << tests << "]}";
    static const Registry& registry = *MakeProgramRegistry();
    file_ = std::make_unique<TestFile>(folder_ + "/t.json", registry, CheckOptions());
    ASSERT_TRUE(file_->ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::vector<TestOutcome> Run(std::shared_ptr<SizedProgram> program, bool once = false) {
    Plan plan = *file_->topology().plan;
    plan.nodes[0].program = std::move(program);
    TestRunner runner(plan, {.once = once});
    std::vector<TestOutcome> outcomes;
    for (const LoadedTest& loaded : file_->tests()) {
      loaded.test->plan = &plan;
      outcomes.push_back(runner.Run(*loaded.test));
    }
    return outcomes;
  }

  std::shared_ptr<SizedProgram> Program(bool depends, bool deterministic = true) {
    const Plan& plan = *file_->topology().plan;
    for (ColumnId column = 0; column < plan.columns.size(); ++column) {
      if (plan.columns[column].name == "m") return std::make_shared<SizedProgram>(column, depends, deterministic);
    }
    return nullptr;
  }

  std::string folder_;
  std::unique_ptr<TestFile> file_;
};

TEST_F(TestRunners, ANodeIsOpenedOnceForAllCases) {
  const std::shared_ptr<SizedProgram> program = Program(false);
  for (const TestOutcome& outcome : Run(program)) EXPECT_TRUE(outcome.differences.empty());
  EXPECT_EQ(program->opened, 1);
}

TEST_F(TestRunners, AResultThatDependsOnTheBatchIsADifference) {
  const std::vector<TestOutcome> outcomes = Run(Program(true));
  ASSERT_EQ(outcomes.front().differences.size(), 1U);
  EXPECT_EQ(
      outcomes.front().differences[0].expected,
      "in[0] gives another result beside other records than alone: node \"size\" makes m = 2 in one batch and 1 alone");
}

TEST_F(TestRunners, OneRunIsEnoughWhereItIsAskedForOrTheNodeMayVary) {
  EXPECT_TRUE(Run(Program(true), true).front().differences.empty());
  EXPECT_TRUE(Run(Program(true, false)).front().differences.empty());
}

}  // namespace
}  // namespace anabranch

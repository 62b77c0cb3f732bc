#include <gtest/gtest.h>

#include "nodes/infer/infer.h"
#include "tests/nodes/infer/model_case.h"

namespace anabranch {
namespace {

class InferParity : public testing::TestWithParam<std::string> {
 protected:
  const ModelCase& model() const { return FindModelCase(GetParam()); }
};

TEST_P(InferParity, AnswersAsTheLibraryThatMadeTheModel) {
  NodeRunner runner;
  ASSERT_TRUE(runner.Bind(RegisterNodeInfer, SetUpCase(model(), &runner))) << runner.FaultText();
  FillCase(model(), 0, model().rows, &runner);
  const Status status = runner.Run();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(runner.errors().empty()) << runner.ErrorText(runner.errors()[0].row);
  ExpectCase(model(), 0, model().rows, &runner);
}

// The same record gives the same bytes, however records are grouped into batches and model calls.
TEST_P(InferParity, ResultsDoNotDependOnCallsOrBatches) {
  constexpr size_t kRows = 300;
  std::vector<std::vector<Cell>> expected;
  for (const int64_t max_rows : {0, 1, 7, 16, 256}) {
    for (const size_t batch_rows : {size_t{1}, size_t{7}, size_t{256}, kRows}) {
      NodeRunner runner;
      ConfigValue config = SetUpCase(model(), &runner);
      if (max_rows != 0) SetMaxRows(max_rows, &config);
      ASSERT_TRUE(runner.Bind(RegisterNodeInfer, std::move(config))) << runner.FaultText();
      std::vector<std::vector<Cell>> results;
      const size_t rows = batch_rows == 1 ? 20 : kRows;
      for (size_t first = 0; first < rows; first += batch_rows) {
        const size_t count = std::min(batch_rows, rows - first);
        runner.ClearRows();
        FillCase(model(), first, count, &runner);
        const Status status = runner.Run();
        ASSERT_TRUE(status.ok()) << status.message();
        for (auto& row : Results(&runner)) results.push_back(std::move(row));
      }
      if (expected.empty() || expected.size() < results.size()) expected = results;
      for (size_t i = 0; i < results.size(); ++i) {
        ASSERT_EQ(results[i], expected[i]) << "row " << i << ", max_rows " << max_rows << ", batches of " << batch_rows;
      }
    }
  }
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const ModelCase& model : ModelCases()) names.push_back(model.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Models, InferParity, testing::ValuesIn(Names()), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace anabranch

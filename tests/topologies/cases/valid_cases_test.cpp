#include <gtest/gtest.h>

#include "tests/topologies/cases/case_files.h"
#include "topologies/commands/templates.h"

namespace anabranch {
namespace {

class ValidTopology : public testing::TestWithParam<std::string> {};

TEST_P(ValidTopology, HasNoFaults) {
  CheckedTopology checked =
      CheckTopology(CasesRoot() + "/valid/" + GetParam() + "/topology.json", WholeRegistry(), CaseOptions());
  EXPECT_TRUE(checked.ok()) << Describe(checked.faults);
  EXPECT_TRUE(checked.faults.empty()) << Describe(checked.faults);
}

INSTANTIATE_TEST_SUITE_P(Case, ValidTopology, testing::ValuesIn(CaseNames("valid")),
                         [](const auto& made) { return made.param; });

TEST(ValidTopologies, AreManyEnough) { EXPECT_GE(CaseNames("valid").size(), 10u); }

// Templates name models that a user brings: here classifiers of four measures stand in for them.
TEST(Templates, CheckCleanOnceTheirModelsAreThere) {
  ASSERT_FALSE(TopologyTemplates().empty());
  for (const TopologyTemplate& made : TopologyTemplates()) {
    std::string text = made.text;
    for (const char* model : {"models/model.onnx", "models/first.onnx", "models/second.onnx"}) {
      const std::string quoted = "\"path\": \"" + std::string(model) + "\"";
      if (size_t at = text.find(quoted); at != std::string::npos) {
        text.replace(at, quoted.size(), "\"path\": \"models/logistic_string_labels.onnx\"");
      }
    }
    CheckedTopology checked =
        CheckTopologyText(ANABRANCH_ROOT "/tests/topology.json", text, WholeRegistry(), CaseOptions());
    EXPECT_TRUE(checked.ok()) << made.name << "\n" << Describe(checked.faults);
    EXPECT_TRUE(checked.faults.empty()) << made.name << "\n" << Describe(checked.faults);
  }
}

}  // namespace
}  // namespace anabranch

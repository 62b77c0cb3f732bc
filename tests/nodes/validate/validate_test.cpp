#include "nodes/validate/validate.h"

#include <gtest/gtest.h>

#include "engine/schema/record_schema.h"
#include "engine/testing/node_runner.h"

namespace anabranch {
namespace {

ConfigValue Validate(std::initializer_list<ConfigMember> rules) {
  return ConfigObject({{"kind", "validate"}, {"rules", ConfigObject(rules)}});
}

// A schema with one required number "amount" from 0 up.
std::shared_ptr<RecordSchema> AmountSchema() {
  const auto config = LinkConfig(
      ConfigObject({{"type", "object"},
                    {"required", ConfigList({"amount"})},
                    {"properties", ConfigObject({{"amount", ConfigObject({{"type", "number"}, {"minimum", 0}})}})}}));
  FaultSink faults("test.json");
  auto schema = CompileSchema(*config, faults);
  EXPECT_NE(schema, nullptr);
  return schema;
}

TEST(Validate, FailsRowsWhoseRuleIsFalseOrNullAndPassesTheOthers) {
  NodeRunner runner;
  runner.AddColumn("amount", Type::Scalar(Kind::kFloat64));
  ASSERT_TRUE(runner.Bind(RegisterNodeValidate, Validate({{"sane_amount", "amount < 1e6"}}))) << runner.FaultText();
  runner.Fill("amount", {1.0, 5e6, nullptr, 2.0});
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.outcome(0), Outcome::kOk);
  EXPECT_EQ(runner.outcome(1), Outcome::kFailed);
  EXPECT_EQ(runner.ErrorText(1), "rule: rule \"sane_amount\" is not true: amount < 1e6 (amount = 5000000)");
  EXPECT_EQ(runner.ErrorText(2), "rule: rule \"sane_amount\" is not true: amount < 1e6 (amount = null)");
  EXPECT_EQ(runner.outcome(3), Outcome::kOk);
}

TEST(Validate, TellsTheFirstBrokenRuleInTheOrderWritten) {
  NodeRunner runner;
  runner.AddColumn("a", Type::Scalar(Kind::kInt64));
  runner.AddColumn("b", Type::Scalar(Kind::kString));
  ASSERT_TRUE(runner.Bind(RegisterNodeValidate, Validate({{"z", "a > 0"}, {"y", "b == 'x' && a > 0"}})))
      << runner.FaultText();
  runner.Fill("a", {0, 1, 1});
  runner.Fill("b", {"q", "q", "x"});
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.ErrorText(0), "rule: rule \"z\" is not true: a > 0 (a = 0)");
  EXPECT_EQ(runner.ErrorText(1), "rule: rule \"y\" is not true: b == 'x' && a > 0 (a = 1, b = \"q\")");
  EXPECT_EQ(runner.ErrorText(2), "");
}

TEST(Validate, EnforcesTheSchemaBeforeTheRules) {
  NodeRunner runner;
  runner.AddSchema(AmountSchema());
  ASSERT_TRUE(runner.Bind(RegisterNodeValidate, Validate({{"small", "amount < 10"}}))) << runner.FaultText();
  runner.Fill("amount", {1.0, -1.0, 20.0, nullptr});
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.ErrorText(0), "");
  EXPECT_EQ(runner.ErrorText(1), "schema: field \"amount\" is -1, below the minimum of 0");
  EXPECT_EQ(runner.ErrorText(2), "rule: rule \"small\" is not true: amount < 10 (amount = 20)");
  EXPECT_EQ(runner.ErrorText(3), "schema: field \"amount\" is null; wanted a number");
}

TEST(Validate, LeavesInactiveRowsAlone) {
  NodeRunner runner;
  runner.AddSchema(AmountSchema());
  ASSERT_TRUE(runner.Bind(RegisterNodeValidate, Validate({{"never", "amount > 1e9"}}))) << runner.FaultText();
  runner.Fill("amount", {-1.0, 1.0});
  runner.Deactivate(0);
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.ErrorText(0), "");
  EXPECT_NE(runner.ErrorText(1), "");
}

TEST(Validate, AFaultOfAnExpressionFailsTheRow) {
  NodeRunner runner;
  runner.AddColumn("n", Type::Scalar(Kind::kInt64));
  ASSERT_TRUE(runner.Bind(RegisterNodeValidate, Validate({{"even", "10 % n == 0"}}))) << runner.FaultText();
  runner.Fill("n", {5, 0});
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.outcome(0), Outcome::kOk);
  EXPECT_EQ(runner.ErrorText(1).substr(0, 24), "expression: rule \"even\":");
}

TEST(Validate, RulesAreCheckedBeforeTheRun) {
  NodeRunner runner;
  runner.AddColumn("amount", Type::Scalar(Kind::kFloat64));
  EXPECT_FALSE(
      runner.Bind(RegisterNodeValidate, Validate({{"a", "amout < 1"}, {"b", "amount + 1"}, {"c", "amount <"}})));
  EXPECT_EQ(runner.faults().size(), 3U) << runner.FaultText();
}

TEST(Validate, WarnsWhenThereIsNothingToCheck) {
  NodeRunner runner;
  runner.AddColumn("amount", Type::Scalar(Kind::kFloat64));
  runner.Bind(RegisterNodeValidate, ConfigObject({{"kind", "validate"}}));
  ASSERT_EQ(runner.faults().size(), 1U);
  EXPECT_TRUE(runner.faults()[0].warning);
}

TEST(Validate, ReadsTheColumnsOfItsRulesAndMakesNone) {
  NodeRunner runner;
  runner.AddColumn("a", Type::Scalar(Kind::kFloat64));
  runner.AddColumn("b", Type::Scalar(Kind::kFloat64));
  ASSERT_TRUE(runner.Bind(RegisterNodeValidate, Validate({{"r", "b > 0"}})));
  EXPECT_EQ(runner.reads(), std::vector<std::string>{"b"});
  EXPECT_TRUE(runner.made().empty());
}

TEST(Validate, ExplainsEveryRuleOfARow) {
  NodeRunner runner;
  runner.AddSchema(AmountSchema());
  ASSERT_TRUE(runner.Bind(RegisterNodeValidate, Validate({{"small", "amount < 10"}, {"odd", "amount != 20"}})))
      << runner.FaultText();
  runner.Fill("amount", {20.0, 1.0, -1.0});
  ASSERT_TRUE(runner.Run().ok());
  const auto explained = [&](uint32_t row) {
    std::string text;
    for (const Finding& finding : runner.program()->Explain(runner.batch(), row)) {
      text += finding.name + "=" + finding.verdict + " [" + finding.text + "] ";
    }
    return text;
  };
  EXPECT_EQ(explained(0),
            "schema=true [] small=false [amount < 10 (amount = 20)] odd=false [amount != 20 (amount = 20)] ");
  EXPECT_EQ(explained(1), "schema=true [] small=true [amount < 10 (amount = 1)] odd=true [amount != 20 (amount = 1)] ");
  EXPECT_NE(explained(2).find("schema=false ["), std::string::npos) << explained(2);
  EXPECT_NE(explained(2).find("small= [amount < 10] odd= ["), std::string::npos) << explained(2);
}

}  // namespace
}  // namespace anabranch

#include "nodes/transform/transform.h"

#include <gtest/gtest.h>

#include "engine/testing/node_runner.h"

namespace anabranch {
namespace {

using Cells = std::vector<Cell>;

class Transform : public testing::Test {
 protected:
  Transform() {
    runner.AddColumn("price", Type::Scalar(Kind::kFloat64));
    runner.AddColumn("count", Type::Scalar(Kind::kInt64), false);
    runner.AddColumn("name", Type::Scalar(Kind::kString));
  }

  void Bind(std::initializer_list<ConfigMember> members) {
    ASSERT_TRUE(runner.Bind(RegisterNodeTransform, ConfigObject(members))) << runner.FaultText();
  }
  std::string Faults(std::initializer_list<ConfigMember> members) {
    EXPECT_FALSE(runner.Bind(RegisterNodeTransform, ConfigObject(members)));
    EXPECT_EQ(runner.program(), nullptr);
    return runner.FaultText();
  }
  void Run(const Cells& price, const Cells& count) {
    runner.Fill("price", price);
    runner.Fill("count", count);
    ASSERT_TRUE(runner.Run().ok());
  }

  NodeRunner runner;
};

TEST_F(Transform, EntriesSeeEarlierEntries) {
  Bind({{"set", ConfigObject({{"total", "price * count"}, {"twice", "total * 2"}})}});
  Run({1.5, nullptr}, {2, 3});
  EXPECT_EQ(runner.Values("total"), (Cells{3.0, nullptr}));
  EXPECT_EQ(runner.Values("twice"), (Cells{6.0, nullptr}));
  EXPECT_EQ(runner.reads(), (std::vector<std::string>{"count", "price"})) << "own columns are no reads";
  ASSERT_EQ(runner.made().size(), 2u);
  EXPECT_EQ(runner.made()[1].type, Type::Scalar(Kind::kFloat64));
  EXPECT_TRUE(runner.made()[0].nullable);
}

TEST_F(Transform, MadeColumnsAreNullableOnlyWhenTheirExpressionIs) {
  Bind({{"set", ConfigObject({{"a", "count + 1"}, {"b", "price + 1"}, {"c", "coalesce(price, 0)"}})}});
  EXPECT_FALSE(runner.made()[0].nullable);
  EXPECT_TRUE(runner.made()[1].nullable);
  EXPECT_FALSE(runner.made()[2].nullable);
}

TEST_F(Transform, NumbersAreStoredAsTheirReadersWantThem) {
  const auto stored = [this] { return runner.column("t").type().ToString(); };
  Bind({{"set", ConfigObject({{"t", "numbers(name, 2)"}})}});
  EXPECT_EQ(runner.made()[0].type, Type::Tensor(Kind::kFloat64, {2})) << "what the nodes below see";
  runner.Fill("name", {"0.1,2", "0.1"});
  Run({1, 1}, {1, 1});
  EXPECT_EQ(stored(), "tensor<float32>[2]");
  EXPECT_EQ(runner.Values("t")[0], Cell(Cells{double{0.1F}, 2.0}));
  EXPECT_EQ(runner.ErrorText(1),
            "expression: set.t: the text ends after 1 of 2 numbers; expected all of them, separated by commas in "
            "\"numbers(name, 2)\"");
}

TEST_F(Transform, NumbersThatAnEntryReadsStayFloat64) {
  Bind({{"set", ConfigObject({{"t", "numbers(name, 2)"}, {"total", "sum(t)"}})}});
  runner.Fill("name", {"0.1,2"});
  Run({1}, {1});
  EXPECT_EQ(runner.Values("total"), (Cells{2.1}));
}

TEST_F(Transform, LaterEntriesAreNotVisible) {
  EXPECT_EQ(Faults({{"set", ConfigObject({{"a", "late + 1"}, {"late", "1"}})}}).substr(0, 5), "AB203");
}

TEST_F(Transform, RowsAreFilteredWhereTheConditionIsFalseOrNull) {
  Bind({{"where", "price > 1"}, {"set", ConfigObject({{"total", "price * count"}})}});
  Run({2.0, 0.5, nullptr}, {1, 2, 3});
  EXPECT_EQ(runner.outcome(0), Outcome::kOk);
  EXPECT_EQ(runner.outcome(1), Outcome::kFiltered);
  EXPECT_EQ(runner.outcome(2), Outcome::kFiltered);
  EXPECT_EQ(runner.Values("total"), (Cells{2.0, nullptr, nullptr}));
}

TEST_F(Transform, FilteredRowsRaiseNoErrorsInEntriesThatTheFilterDoesNotNeed) {
  Bind({{"set", ConfigObject({{"rest", "10 % count"}, {"half", "count / 2"}})}, {"where", "half > 0"}});
  Run({nullptr, nullptr}, {0, 3});
  EXPECT_EQ(runner.outcome(0), Outcome::kFiltered);
  EXPECT_EQ(runner.Values("rest"), (Cells{nullptr, 1}));
  EXPECT_TRUE(runner.errors().empty());
}

TEST_F(Transform, AnExpressionErrorFailsItsRowOnly) {
  Bind({{"set",
         ConfigObject({{"before", "count + 1"}, {"rest", "10 % count"}, {"after", "rest + 9223372036854775806"}})}});
  Run({nullptr, nullptr, nullptr}, {0, 3, 4});
  EXPECT_EQ(runner.outcome(0), Outcome::kFailed);
  EXPECT_EQ(runner.ErrorText(0), "expression: set.rest: division by zero in \"10 % count\"");
  EXPECT_EQ(runner.outcome(1), Outcome::kOk);
  EXPECT_EQ(runner.ErrorText(2), "expression: set.after: integer overflow in \"rest + 9223372036854775806\"");
  EXPECT_EQ(runner.Values("before"), (Cells{nullptr, 4, nullptr})) << "a failed row keeps no columns of the node";
  EXPECT_EQ(runner.errors().size(), 2u);
}

TEST_F(Transform, AConditionThatFailsFailsTheRow) {
  Bind({{"where", "10 % count == 1"}});
  Run({nullptr, nullptr}, {0, 3});
  EXPECT_EQ(runner.outcome(0), Outcome::kFailed);
  EXPECT_EQ(runner.ErrorText(0), "expression: where: division by zero in \"10 % count == 1\"");
  EXPECT_EQ(runner.outcome(1), Outcome::kOk);
}

TEST_F(Transform, InactiveRowsAreLeftAloneAndStayNull) {
  Bind({{"set", ConfigObject({{"rest", "10 % count"}, {"one", "1"}})}, {"where", "count > 100"}});
  runner.Fill("count", {0, 200});
  runner.Deactivate(0);
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.outcome(0), Outcome::kAbsent);
  EXPECT_EQ(runner.Values("one"), (Cells{nullptr, 1}));
  EXPECT_TRUE(runner.errors().empty());
}

TEST_F(Transform, ABatchMayBeProcessedAgainAndAnotherFollow) {
  Bind({{"set", ConfigObject({{"greeting", "'hello ' + name"}, {"tail", "substr(greeting, 6)"}})}});
  runner.Fill("name", {"Ada", nullptr});
  ASSERT_TRUE(runner.Run().ok());
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.Values("tail"), (Cells{"Ada", nullptr}));
  runner.ClearRows();
  runner.Fill("name", {"Grace", "Edsger", "Tony"});
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.Values("tail"), (Cells{"Grace", "Edsger", "Tony"}));
}

TEST_F(Transform, DropAndRenameChangeWhatIsVisibleBelow) {
  Bind({{"set", ConfigObject({{"tmp", "price + 1"}, {"kept", "tmp * 2"}})},
        {"drop", ConfigList({"tmp", "price"})},
        {"rename", ConfigObject({{"name", "label"}, {"kept", "price"}})}});
  EXPECT_EQ(runner.below().Names(), (std::vector<std::string>{"count", "label", "price"}));
}

TEST_F(Transform, UnknownAndTakenNamesAreFaults) {
  const std::string faults = Faults(
      {{"drop", ConfigList({"prise"})}, {"rename", ConfigObject({{"nam", "x"}, {"name", "count"}, {"price", ""}})}});
  EXPECT_EQ(faults,
            "AB203 /drop/0: column \"prise\" is not known here (did you mean \"price\"?)\n"
            "AB203 /rename/nam: column \"nam\" is not known here (did you mean \"name\"?)\n"
            "AB104 /rename/name: column \"name\" cannot be renamed to \"count\": that name is already in use "
            "(drop or rename the other column first)\n"
            "AB104 /rename/price: column \"price\" is renamed to an empty name\n");
}

TEST_F(Transform, ANameThatIsThereAlreadyIsAFault) {
  EXPECT_EQ(Faults({{"set", ConfigObject({{"price", "1"}})}}).substr(0, 17), "AB204 /set/price:");
}

TEST_F(Transform, FaultyExpressionsAreReportedAllAtOnceAndOnlyOnce) {
  const std::string faults = Faults(
      {{"set", ConfigObject({{"a", "prise + 1"}, {"b", "lower(a)"}, {"c", "count + name"}})}, {"where", "count"}});
  EXPECT_EQ(faults,
            "AB203 /set/a: column \"prise\" is not known here (did you mean \"price\"?)\n"
            "AB302 /set/c: operator + needs two numbers or two strings, not int64 and string "
            "(convert with float(x), int(x) or string(x))\n"
            "AB302 /where: a condition must be bool, but \"count\" is int64 (compare it, e.g. x > 0)\n");
}

TEST_F(Transform, FaultsStandInsideTheExpression) {
  Faults({{"where", "price > 1 && prise > 2"}});
  const Fault& fault = runner.faults().at(0);
  EXPECT_EQ(fault.place.end - fault.place.begin, 5u);
}

TEST_F(Transform, ExplainsItsColumnsByTheirExpressions) {
  runner.AddColumn("n", Type::Scalar(Kind::kInt64));
  ASSERT_TRUE(runner.Bind(
      RegisterNodeTransform,
      ConfigObject({{"kind", "transform"}, {"set", ConfigObject({{"twice", "2 * n"}})}, {"where", "n > 1"}})))
      << runner.FaultText();
  runner.Fill("n", {1});
  ASSERT_TRUE(runner.Run().ok());
  std::string text;
  for (const Finding& finding : runner.program()->Explain(runner.batch(), 0)) {
    text += finding.name + ":" + finding.verdict + ":" + finding.text + "\n";
  }
  EXPECT_EQ(text, "where::n > 1\ntwice::2 * n\n");
}

TEST_F(Transform, SpecSaysWhatItTakes) {
  Registry registry;
  RegisterNodeTransform(registry);
  const NodeKind::Spec& spec = registry.FindKind("transform")->spec();
  EXPECT_FALSE(spec.results);
  EXPECT_EQ(spec.fields.size(), 4u);
  EXPECT_FALSE(spec.example.empty());
}

}  // namespace
}  // namespace anabranch

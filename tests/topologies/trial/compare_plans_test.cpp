#include "topologies/trial/compare_plans.h"

#include <gtest/gtest.h>

#include "tests/topologies/trial/compared_plan.h"

namespace anabranch {
namespace {

const Type kFloat = Type::Scalar(Kind::kFloat64);
const Type kText = Type::Scalar(Kind::kString);

TargetField Field(const std::string& name, const Type& type, bool nullable = false) {
  return {name, ColumnId(0), type, nullable, nullptr};
}

// feat → gbt, nn → out
struct Model {
  ComparedPlan plan;
  StageId feat, gbt, nn, out;
  explicit Model(const std::string& gbt_print = "g-m1", std::vector<TargetField> fields = {Field("score", kFloat)}) {
    feat = plan.Node("feat", {plan.source()}, "f");
    gbt = plan.Node("gbt", {feat}, gbt_print);
    nn = plan.Node("nn", {feat}, "n");
    out = plan.Sink("out", {gbt, nn}, std::move(fields));
  }
};

const NodeReport& NodeOf(const PlansReport& report, const std::string& id) {
  for (const NodeReport& node : report.nodes) {
    if (node.id == id) return node;
  }
  ADD_FAILURE() << "no " << id;
  return report.nodes.front();
}

TEST(ComparePlans, TheSamePlanHasNoChange) {
  Model a, b;
  const PlansReport report = ComparePlans(a.plan.Build(), b.plan.Build());
  EXPECT_TRUE(report.same);
  EXPECT_TRUE(report.changes.empty());
  EXPECT_TRUE(report.fields.empty());
  EXPECT_EQ(report.reused, (std::vector<std::string>{"feat", "gbt", "nn", "out"}));
  EXPECT_EQ(NodeOf(report, "gbt").change, NodeChange::kSame);
}

TEST(ComparePlans, ASwappedModelKeepsWhatLiesAboveAndBesideIt) {
  Model a, b("g-m2");
  const PlansReport report = ComparePlans(a.plan.Build(), b.plan.Build());
  EXPECT_FALSE(report.same);
  EXPECT_EQ(report.changes, std::vector<std::string>{"gbt (work): model file changed"});
  EXPECT_EQ(report.reused, (std::vector<std::string>{"feat", "nn"}));
  EXPECT_EQ(report.run_again, (std::vector<std::string>{"gbt", "out"}));
  EXPECT_EQ(NodeOf(report, "gbt").change, NodeChange::kEdited);
  EXPECT_EQ(NodeOf(report, "gbt").fingerprint_before, "g-m1");
  EXPECT_EQ(NodeOf(report, "gbt").fingerprint_after, "g-m2");
  EXPECT_EQ(NodeOf(report, "out").change, NodeChange::kAbove);
}

TEST(ComparePlans, ARenamedNodeKeepsItsResults) {
  Model a, b;
  b.plan.node(b.gbt).id = "trees";
  b.plan.node(b.gbt).was = "gbt";
  const PlansReport report = ComparePlans(a.plan.Build(), b.plan.Build());
  EXPECT_FALSE(report.same);
  EXPECT_EQ(report.changes, std::vector<std::string>{"trees (work): renamed, was gbt"});
  EXPECT_EQ(NodeOf(report, "trees").was, "gbt");
  EXPECT_TRUE(report.run_again.empty());
}

TEST(ComparePlans, NewAndGoneNodesAreListed) {
  Model a, b;
  b.plan.node(b.gbt).id = "trees";
  const PlansReport report = ComparePlans(a.plan.Build(), b.plan.Build());
  EXPECT_EQ(NodeOf(report, "trees").change, NodeChange::kNew);
  EXPECT_EQ(NodeOf(report, "trees").fingerprint_before, "");
  EXPECT_EQ(NodeOf(report, "gbt").change, NodeChange::kGone);
  EXPECT_EQ(report.nodes.back().id, "gbt");
}

TEST(ComparePlans, TheFieldsThatConsumersSeeAreNamedWithTheirTypes) {
  Model a("g", {Field("score", kFloat), Field("label", kText), Field("id", kText)});
  Model b("g", {Field("id", kText, true), Field("label", kFloat), Field("why", kText)});
  const PlansReport report = ComparePlans(a.plan.Build(), b.plan.Build());
  ASSERT_EQ(report.fields.size(), 4U);
  EXPECT_EQ(report.fields[0].field, "id");
  EXPECT_EQ(report.fields[0].before, "string");
  EXPECT_EQ(report.fields[0].after, "string?");
  EXPECT_EQ(report.fields[1].field, "label");
  EXPECT_EQ(report.fields[1].after, "float64");
  EXPECT_EQ(report.fields[2].field, "why");
  EXPECT_EQ(report.fields[2].before, "");
  EXPECT_EQ(report.fields[3].field, "score");
  EXPECT_EQ(report.fields[3].after, "");
  EXPECT_EQ(report.fields[3].target, "out");
}

TEST(ComparePlans, StagesAreFoundUnderTheirOldId) {
  Model a, b;
  b.plan.node(b.gbt).id = "trees";
  b.plan.node(b.gbt).was = "gbt";
  b.plan.node(b.nn).id = "cnn";
  EXPECT_EQ(StagesBefore(a.plan.Build(), b.plan.Build()),
            (std::vector<StageId>{a.plan.source(), a.feat, a.gbt, kNoStage, a.out}));
}

}  // namespace
}  // namespace anabranch

#include <gtest/gtest.h>

#include "engine/rollout_spec.h"
#include "tests/topologies/cases/case_files.h"

// What `models.NAME.rollout` becomes in the plan; its faults are cases of tests/cases/faulty.

namespace anabranch {
namespace {

using What = RolloutSpec::Guard::What;
using Then = RolloutSpec::Then;

std::string RolloutFile() { return CasesRoot() + "/valid/rollout/topology.json"; }

// The valid case with another rollout.
CheckedTopology WithRollout(const std::string& rollout) {
  const std::string file = RolloutFile();
  std::string text = ReadText(file);
  const std::string key = "\"rollout\": ";
  const size_t begin = text.find(key + "{") + key.size();
  size_t end = begin;
  int depth = 0;
  do {
    depth += text[end] == '{' ? 1 : 0;
    depth -= text[end] == '}' ? 1 : 0;
    ++end;
  } while (depth > 0);
  return CheckTopologyText(file, text.replace(begin, end - begin, rollout), WholeRegistry(), CaseOptions());
}

TEST(RolloutOfATopology, IsReadAsItStandsThere) {
  const CheckedTopology checked = CheckTopology(RolloutFile(), WholeRegistry(), CaseOptions());
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  const auto& spec = checked.plan->managed.at(0).rollout;
  ASSERT_NE(spec, nullptr);
  ASSERT_EQ(spec->steps.size(), 4u);
  EXPECT_EQ(spec->steps[0].rule, ArmRule::kShadow);
  EXPECT_EQ(spec->steps[1].rule, ArmRule::kCanary);
  EXPECT_EQ(spec->steps[1].share, 0.05);
  EXPECT_EQ(spec->steps[1].min_rows, 20'000);
  EXPECT_EQ(spec->steps[1].min_ms, 600'000);
  EXPECT_EQ(spec->steps[3].rule, ArmRule::kOne);
  ASSERT_EQ(spec->guards.size(), 6u);
  EXPECT_EQ(spec->guards[1].what, What::kDisagrees);
  EXPECT_EQ(spec->guards[1].limit, 0.05);
  EXPECT_EQ(spec->guards[1].size, 0.5);
  EXPECT_TRUE(spec->guards[1].per_key);
  EXPECT_EQ(spec->guards[2].size, 1.5);
  EXPECT_FALSE(spec->guards[2].per_key);
  EXPECT_EQ(spec->guards[4].size, 0.2);
  EXPECT_EQ(spec->guards[5].limit, 0.2);
  EXPECT_EQ(spec->segment, "country");
  EXPECT_TRUE(spec->needs_approval);
}

TEST(RolloutOfATopology, HasTheDefaultsOfTheReference) {
  const CheckedTopology checked = WithRollout(R"({"steps": [{"shadow": 0.5}, "all"], "guards": {"disagrees": 0.1}})");
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  const RolloutSpec& spec = *checked.plan->managed.at(0).rollout;
  EXPECT_FALSE(spec.by_record);
  EXPECT_EQ(spec.alpha, 0.01);
  EXPECT_EQ(spec.max_rows, 500'000);
  EXPECT_EQ(spec.on_breach, Then::kRollBack);
  EXPECT_EQ(spec.on_pass, Then::kNext);
  EXPECT_EQ(spec.on_inconclusive, Then::kHold);
  EXPECT_FALSE(spec.needs_approval);
  ASSERT_EQ(spec.guards.size(), 2u);
  EXPECT_EQ(spec.guards[0].what, What::kErrors) << "always there";
  EXPECT_EQ(spec.guards[0].limit, 0.01);
  EXPECT_TRUE(spec.guards[0].per_key);
  EXPECT_EQ(spec.guards[1].size, 0.5);
  EXPECT_EQ(spec.steps.at(0).min_rows, 0);
}

TEST(RolloutOfATopology, WhoseRecordsDrawHasNoGuardPerKey) {
  const CheckedTopology checked =
      WithRollout(R"({"by": "record", "steps": [{"canary": 0.5}, "all"], "guards": {"errors": 0.1}})");
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  EXPECT_TRUE(checked.plan->managed.at(0).rollout->by_record);
  EXPECT_FALSE(checked.plan->managed.at(0).rollout->guards.at(0).per_key);
}

TEST(RolloutOfATopology, WithoutAnyGuardIsAPersonsAlone) {
  const CheckedTopology checked =
      WithRollout(R"({"steps": [{"canary": 0.5}, "all"], "on_breach": "hold", "on_pass": "hold"})");
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  EXPECT_TRUE(checked.plan->managed.at(0).rollout->guards.empty());
}

TEST(RolloutOfATopology, ThatIsEditedLeavesThePlanAndTheResultsAsTheyAre) {
  const CheckedTopology before = CheckTopology(RolloutFile(), WholeRegistry(), CaseOptions());
  const CheckedTopology after = WithRollout(
      R"({"segment": "country", "by": "record", "steps": [{"canary": 0.9}, "all"], "guards": {"nan": 0.3}})");
  ASSERT_TRUE(before.ok() && after.ok()) << Describe(after.faults);
  EXPECT_EQ(before.plan->hash, after.plan->hash);
  for (size_t i = 0; i < before.plan->nodes.size(); ++i) {
    EXPECT_EQ(before.plan->nodes[i].fingerprint, after.plan->nodes[i].fingerprint);
    EXPECT_EQ(before.plan->nodes[i].closure, after.plan->nodes[i].closure);
  }
  EXPECT_EQ(before.plan->sources[0].fingerprint, after.plan->sources[0].fingerprint);
}

TEST(RolloutOfATopology, WithAMisspeltGuardIsToldOnlyThat) {
  const CheckedTopology checked = WithRollout(R"({"steps": [{"shadow": 0.5}, "all"], "guards": {"error": 0.1}})");
  EXPECT_EQ(checked.faults.size(), 1u) << Describe(checked.faults);
}

}  // namespace
}  // namespace anabranch

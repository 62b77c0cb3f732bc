#include <gtest/gtest.h>

#include "engine/strategy/bandit_spec.h"
#include "tests/topologies/cases/case_files.h"

// What `models.NAME.bandit` becomes in the plan; its faults are cases of tests/cases/faulty.

namespace anabranch {
namespace {

std::string BanditFile() { return CasesRoot() + "/valid/bandit/topology.json"; }

TEST(BanditOfATopology, IsReadAsItStandsThere) {
  const CheckedTopology checked = CheckTopology(BanditFile(), WholeRegistry(), CaseOptions());
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  const auto& spec = checked.plan->managed.at(0).bandit;
  ASSERT_NE(spec, nullptr);
  EXPECT_EQ(spec->arms, (std::vector<std::string>{"7", "8"}));
  EXPECT_EQ(spec->policy.kind, BanditKind::kEpsilonGreedy);
  EXPECT_EQ(spec->policy.epsilon, 0.2);
  EXPECT_EQ(spec->policy.min_share, 0.05);
  EXPECT_TRUE(spec->by_record);
  EXPECT_EQ(spec->update_ms, 2000);
  ASSERT_TRUE(spec->stop_when);
  EXPECT_EQ(spec->stop_when->best, 0.999);
  EXPECT_EQ(spec->stop_when->least_rewards, 1000);
}

TEST(BanditOfATopology, HasTheDefaultsOfTheReferenceAndChangesNoFingerprint) {
  std::string text = ReadText(BanditFile());
  const size_t begin = text.find("{", text.find("\"bandit\": {"));
  const size_t end = text.find("}", text.find("stop_when")) + 1;
  text.replace(begin, text.find("}", end) + 1 - begin, R"({"arms": ["7", "8"]})");
  const CheckedTopology before = CheckTopology(BanditFile(), WholeRegistry(), CaseOptions());
  const CheckedTopology checked = CheckTopologyText(BanditFile(), text, WholeRegistry(), CaseOptions());
  ASSERT_TRUE(checked.ok()) << Describe(checked.faults);
  const BanditSpec& spec = *checked.plan->managed.at(0).bandit;
  EXPECT_EQ(spec.policy.kind, BanditKind::kThompson);
  EXPECT_EQ(spec.policy.min_share, 0.02);
  EXPECT_FALSE(spec.by_record);
  EXPECT_EQ(spec.update_ms, 1000);
  EXPECT_FALSE(spec.stop_when);
  ASSERT_EQ(checked.plan->nodes.size(), before.plan->nodes.size());
  for (size_t i = 0; i < checked.plan->nodes.size(); ++i) {
    EXPECT_EQ(checked.plan->nodes[i].fingerprint, before.plan->nodes[i].fingerprint) << checked.plan->nodes[i].id;
  }
  EXPECT_EQ(checked.plan->hash, before.plan->hash);
}

}  // namespace
}  // namespace anabranch

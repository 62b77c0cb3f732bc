#include "engine/strategy/off_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/engine/strategy/oracles.h"

namespace anabranch {
namespace {

// The rounds of the oracle, counted by `instances` that are added afterwards.
OffPolicy Counted(size_t instances) {
  const auto& oracle = Oracle("off_policy");
  std::vector<OffPolicy> parts(instances, OffPolicy(3));
  for (size_t i = 0; i < oracle["arms"].size(); ++i) {
    EXPECT_TRUE(parts[i % instances].Add(oracle["arms"][i], oracle["propensities"][i], oracle["rewards"][i]).ok());
  }
  OffPolicy sum(3);
  for (const OffPolicy& part : parts) sum.Add(part);
  return sum;
}

TEST(OffPolicies, EstimatesAreThoseOfObp) {
  for (const size_t instances : {1, 4}) {
    const OffPolicy rounds = Counted(instances);
    for (const auto& each : Oracle("off_policy")["cases"]) {
      const PolicyEstimate estimate = rounds.Estimate(each["target"].get<std::vector<double>>());
      EXPECT_NEAR(estimate.ips.value, each["ips"].get<double>(), 1e-9) << each["target"];
      EXPECT_NEAR(estimate.snips.value, each["snips"].get<double>(), 1e-9) << each["target"];
      EXPECT_NEAR(estimate.dr.value, each["dr"].get<double>(), 1e-9) << each["target"];
      EXPECT_NEAR(estimate.ips.error, each["ips_error"].get<double>(), 1e-9) << each["target"];
      EXPECT_NEAR(estimate.dr.error, each["dr_error"].get<double>(), 1e-9) << each["target"];
      EXPECT_NEAR(estimate.effective, each["effective"].get<double>(), 1e-6) << each["target"];
      EXPECT_GT(estimate.snips.error, 0);
      EXPECT_LT(estimate.snips.error, estimate.ips.error);
    }
  }
}

TEST(OffPolicies, AnArmThatWasNeverDrawnHasNoEstimate) {
  OffPolicy rounds(2);
  ASSERT_TRUE(rounds.Add(0, 0.5, 1).ok());
  const std::vector<double> target = {0, 1};
  const PolicyEstimate estimate = rounds.Estimate(target);
  EXPECT_EQ(estimate.rounds, 1);
  EXPECT_EQ(estimate.effective, 0);
  EXPECT_EQ(estimate.ips.value, 0);
  EXPECT_EQ(OffPolicy(2).Estimate(target).rounds, 0);
}

TEST(OffPolicies, RoundsThatCannotBeAreRefused) {
  OffPolicy rounds(2);
  EXPECT_FALSE(rounds.Add(2, 0.5, 1).ok());
  EXPECT_FALSE(rounds.Add(0, 0, 1).ok());
  EXPECT_FALSE(rounds.Add(0, 1.01, 1).ok());
  EXPECT_FALSE(rounds.Add(0, 0.5, std::nan("")).ok());
}

TEST(OffPolicies, LinesAreThoseOfVowpalWabbit) {
  EXPECT_EQ(VowpalLine(1, 0.25, 1.5), "2:-1.5:0.25 | ");
  EXPECT_EQ(VowpalLine(0, 1, 0), "1:0:1 | ");
}

}  // namespace
}  // namespace anabranch

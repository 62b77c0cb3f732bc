#include "engine/strategy/bandit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "engine/strategy/draw.h"
#include "tests/engine/strategy/oracles.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;

std::vector<ArmTotals> ArmsOf(const Json& each) {
  std::vector<ArmTotals> arms;
  for (size_t i = 0; i < each["rewards"].size(); ++i) {
    const double sum = each["sums"][i];
    arms.push_back({.plays = each["rewards"][i],
                    .rewards = each["rewards"][i],
                    .sum = sum,
                    .sum_of_squares = each.contains("squares") ? each["squares"][i].get<double>() : sum});
  }
  return arms;
}

TEST(Bandits, ExpectationsAreThoseOfMabwiser) {
  for (const auto& each : Oracle("expectations")) {
    for (const char* name : {"epsilon_greedy", "ucb1"}) {
      const std::vector<double> values = Expectations({.kind = *BanditKindOf(name)}, ArmsOf(each));
      for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], each[name][i].get<double>(), 1e-12) << name;
    }
  }
}

TEST(Bandits, TheProbabilityToBeBestIsThatOfSciPy) {
  for (const auto& [part, kind] :
       {std::pair("beta", BanditKind::kThompson), std::pair("gaussian", BanditKind::kThompsonGaussian)}) {
    for (const auto& each : Oracle(part)) {
      const std::vector<double> best = BestProbabilities(kind, ArmsOf(each));
      EXPECT_NEAR(std::accumulate(best.begin(), best.end(), 0.0), 1, 1e-12);
      for (size_t i = 0; i < best.size(); ++i) EXPECT_NEAR(best[i], each["best"][i].get<double>(), 1e-9) << each;
      if (!each.contains("mabwiser")) continue;
      const double plays = each["mabwiser"]["plays"];
      for (size_t i = 0; i < best.size(); ++i) {
        const double error = std::sqrt(best[i] * (1 - best[i]) / plays);
        EXPECT_NEAR(each["mabwiser"]["shares"][i].get<double>(), best[i], 4 * error + 1e-9) << "MABWiser's draws";
      }
    }
  }
}

// 100,000 plays; the probabilities are frozen for `batch` plays.
double ShareOfBestInLastQuarter(const BanditPolicy& policy, const std::vector<double>& means, int batch,
                                uint64_t seed) {
  constexpr int kPlays = 100'000;
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::vector<ArmTotals> arms(means.size());
  std::vector<double> frozen;
  int best = 0;
  for (int i = 0; i < kPlays; ++i) {
    if (i % batch == 0) frozen = Probabilities(policy, arms);
    const size_t arm = ArmOf(Draw(SaltOf("bandit", seed), "t/0/" + std::to_string(i)), frozen);
    arms[arm].plays += 1;
    arms[arm].Reward(uniform(random) < means[arm] ? 1 : 0);
    best += i >= kPlays * 3 / 4 && arm + 1 == means.size();
  }
  return best / (kPlays / 4.0);
}

TEST(Bandits, EachPolicyFindsTheBestOfThreeArms) {
  for (const BanditKind kind :
       {BanditKind::kEpsilonGreedy, BanditKind::kUcb1, BanditKind::kThompson, BanditKind::kThompsonGaussian}) {
    double least = 1;
    for (const uint64_t seed : {1, 2, 3}) {
      least = std::min(least, ShareOfBestInLastQuarter({.kind = kind}, {0.5, 0.6, 0.7}, 1000, seed));
    }
    std::printf("%s: the best arm has %.1f %% of the last quarter, at the least of 3 runs\n",
                std::string(TextOf(kind)).c_str(), 100 * least);
    EXPECT_GE(least, 0.8) << TextOf(kind);
  }
}

TEST(Bandits, EveryArmKeepsItsShare) {
  const std::vector<ArmTotals> arms = {{100, 100, 10, 10}, {100, 100, 90, 90}, {100, 100, 20, 20}};
  EXPECT_EQ(Probabilities({.kind = BanditKind::kUcb1}, arms), (std::vector<double>{0.02, 0.96, 0.02}));
  EXPECT_EQ(Probabilities({.kind = BanditKind::kUcb1, .min_share = 0}, arms), (std::vector<double>{0, 1, 0}));
  const std::vector<double> greedy = Probabilities({.kind = BanditKind::kEpsilonGreedy, .epsilon = 0.3}, arms);
  EXPECT_NEAR(greedy[0], 0.1, 1e-15);
  EXPECT_NEAR(greedy[1], 0.8, 1e-15);
  const std::vector<double> tight = Probabilities({.kind = BanditKind::kThompson, .min_share = 1.0 / 3}, arms);
  for (const double share : tight) EXPECT_NEAR(share, 1.0 / 3, 1e-12);
  // Raising one arm may push another below the limit.
  const std::vector<double> many =
      Probabilities({.kind = BanditKind::kEpsilonGreedy, .epsilon = 0.31, .min_share = 0.1},
                    std::vector<ArmTotals>{{9, 9, 1, 1}, {9, 9, 8, 8}, {9, 9, 2, 2}, {9, 9, 3, 3}});
  EXPECT_NEAR(many[1], 0.7, 1e-12);
  EXPECT_NEAR(std::accumulate(many.begin(), many.end(), 0.0), 1, 1e-12);
}

TEST(Bandits, BeginWithEqualChances) {
  const std::vector<ArmTotals> arms(4);
  for (const char* name : {"epsilon_greedy", "ucb1", "thompson", "thompson_gaussian"}) {
    for (const double share : Probabilities({.kind = *BanditKindOf(name)}, arms))
      EXPECT_NEAR(share, 0.25, 1e-12) << name;
  }
  // UCB1 tries an arm without rewards before all others.
  const std::vector<ArmTotals> one = {{10, 10, 9, 9}, {}, {}};
  EXPECT_EQ(Probabilities({.kind = BanditKind::kUcb1, .min_share = 0}, one), (std::vector<double>{0, 0.5, 0.5}));
}

TEST(Bandits, UnitAndZeroOfGaussianRewardsDoNotMatter) {
  std::mt19937_64 random(8);
  std::vector<ArmTotals> plain(3), scaled(3);
  for (size_t arm = 0; arm < 3; ++arm) {
    std::normal_distribution<double> reward(static_cast<double>(arm) * 0.1, 1);
    for (int i = 0; i < 50; ++i) {
      const double r = reward(random);
      plain[arm].Reward(r);
      scaled[arm].Reward(1000 * r + 70);
    }
  }
  const std::vector<double> p = BestProbabilities(BanditKind::kThompsonGaussian, plain),
                            q = BestProbabilities(BanditKind::kThompsonGaussian, scaled);
  for (size_t arm = 0; arm < 3; ++arm) EXPECT_NEAR(p[arm], q[arm], 1e-9);
}

TEST(Bandits, AGenerationIsWorthAMove) {
  const std::vector<double> p = {0.5, 0.5}, q = {0.504, 0.496}, r = {0.506, 0.494};
  EXPECT_FALSE(HasMoved(p, q));
  EXPECT_TRUE(HasMoved(p, r));
}

TEST(Bandits, StopWhenOneArmIsBest) {
  std::vector<ArmTotals> arms = {{500, 500, 250, 250}, {500, 500, 350, 350}};
  EXPECT_EQ(ArmThatIsBest({}, BanditKind::kThompson, arms), 1U);
  EXPECT_EQ(ArmThatIsBest({}, BanditKind::kUcb1, arms), 1U);
  arms.push_back({99, 99, 1, 1});
  EXPECT_EQ(ArmThatIsBest({}, BanditKind::kThompson, arms), std::nullopt);  // too few rewards of the third
  arms = {{500, 500, 330, 330}, {500, 500, 350, 350}};
  EXPECT_EQ(ArmThatIsBest({}, BanditKind::kThompson, arms), std::nullopt);
}

TEST(Bandits, WhatCannotBeIsRefused) {
  EXPECT_TRUE(CheckPolicy({}, 3).ok());
  EXPECT_FALSE(CheckPolicy({}, 1).ok());
  EXPECT_FALSE(CheckPolicy({.min_share = 0.4}, 3).ok());
  EXPECT_FALSE(CheckPolicy({.epsilon = 1.1}, 3).ok());
  EXPECT_FALSE(CheckReward({}, 1.5).ok());
  EXPECT_FALSE(CheckReward({}, std::nan("")).ok());
  EXPECT_TRUE(CheckReward({.kind = BanditKind::kThompsonGaussian}, 1.5).ok());
  EXPECT_FALSE(BanditKindOf("softmax").has_value());
}

}  // namespace
}  // namespace anabranch

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// What is known of one arm. Additive.
struct ArmTotals {
  int64_t plays = 0;    // units that drew it
  int64_t rewards = 0;  // rewards that came
  double sum = 0, sum_of_squares = 0;

  void Reward(double reward) {
    rewards += 1;
    sum += reward;
    sum_of_squares += reward * reward;
  }
  void Add(const ArmTotals& other) {
    plays += other.plays;
    rewards += other.rewards;
    sum += other.sum;
    sum_of_squares += other.sum_of_squares;
  }
  double mean() const { return rewards == 0 ? 0 : sum / static_cast<double>(rewards); }
  bool operator==(const ArmTotals&) const = default;
};

enum class BanditKind : uint8_t {
  kEpsilonGreedy,     // the best mean with 1 - epsilon, any arm with epsilon
  kUcb1,              // the best mean + alpha · sqrt(2 ln N / n); an arm without rewards first
  kThompson,          // the probability to be best, of rewards from 0 to 1: Beta(1 + Σr, 1 + n - Σr)
  kThompsonGaussian,  // the same of rewards of any size: normal-inverse-gamma, prior worth one reward at the mean of
                      // all
};
std::optional<BanditKind> BanditKindOf(std::string_view text);  // as a topology writes it
std::string_view TextOf(BanditKind kind);

struct BanditPolicy {
  BanditKind kind = BanditKind::kThompson;
  double epsilon = 0.1;
  double alpha = 1;
  double min_share = 0.02;  // of every arm: keeps it alive, and estimates of other policies possible
};
// kInvalid: names the value and what fits.
Status CheckPolicy(const BanditPolicy& policy, size_t arms);
// kInvalid: this policy cannot use such a reward.
Status CheckReward(const BanditPolicy& policy, double reward);

// What each arm is worth to the policy: its mean, with the bonus of UCB1. Infinite: UCB1 wants it first.
std::vector<double> Expectations(const BanditPolicy& policy, std::span<const ArmTotals> arms);

// The probability of each arm, fixed until somebody asks again. They sum to 1; none is below min_share.
std::vector<double> Probabilities(const BanditPolicy& policy, std::span<const ArmTotals> arms);

// Whether the change is worth a new generation: some probability moved by at least `least`.
bool HasMoved(std::span<const double> before, std::span<const double> after, double least = 0.005);

// The probability of each arm to have the greatest mean, by the posterior of Thompson's policies: of `kind` if it is
// one of them, else the Gaussian one.
std::vector<double> BestProbabilities(BanditKind kind, std::span<const ArmTotals> arms);

// `stop_when`: the arm that is the best one with a probability of at least `best`, once every arm has `least_rewards`.
// It is a statement about the posterior, not a test: where arms are equal, looked at often enough, one will be chosen.
struct StopRule {
  double best = 0.99;
  int64_t least_rewards = 100;
};
std::optional<size_t> ArmThatIsBest(const StopRule& rule, BanditKind kind, std::span<const ArmTotals> arms);

}  // namespace anabranch

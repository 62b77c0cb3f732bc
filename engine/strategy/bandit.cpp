#include "engine/strategy/bandit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "engine/strategy/posterior.h"

namespace anabranch {
namespace {

constexpr std::array<std::pair<std::string_view, BanditKind>, 4> kKinds = {
    {{"epsilon_greedy", BanditKind::kEpsilonGreedy},
     {"ucb1", BanditKind::kUcb1},
     {"thompson", BanditKind::kThompson},
     {"thompson_gaussian", BanditKind::kThompsonGaussian}}};

std::vector<double> Uniform(size_t arms) { return std::vector<double>(arms, 1 / static_cast<double>(arms)); }

// 1 for the arm with the largest value; several largest share it.
std::vector<double> Largest(std::span<const double> values) {
  const double largest = *std::max_element(values.begin(), values.end());
  const auto count = static_cast<double>(std::count(values.begin(), values.end(), largest));
  std::vector<double> shares;
  for (const double value : values) shares.push_back(value == largest ? 1 / count : 0);
  return shares;
}

// Arms below `least` get it, and the others give it in proportion to what they have.
void KeepAlive(double least, std::vector<double>* shares) {
  std::vector<bool> raised(shares->size(), false);
  for (size_t round = 0; round < shares->size(); ++round) {
    double fixed = 0, free = 0;
    for (size_t i = 0; i < shares->size(); ++i) (raised[i] ? fixed : free) += raised[i] ? least : (*shares)[i];
    bool more = false;
    for (size_t i = 0; i < shares->size(); ++i) {
      if (raised[i]) continue;
      (*shares)[i] *= (1 - fixed) / free;
      if ((*shares)[i] >= least) continue;
      raised[i] = true;
      (*shares)[i] = least;
      more = true;
    }
    if (!more) return;
  }
}

// Normal-inverse-gamma with the mean and the variance of all rewards as its prior, which counts as one reward. So
// neither the unit of the rewards nor their zero matters. The mean of an arm is then a Student t.
std::vector<Posterior> GaussianPosteriors(std::span<const ArmTotals> arms) {
  ArmTotals all;
  for (const ArmTotals& arm : arms) all.Add(arm);
  const auto n_all = static_cast<double>(all.rewards);
  const double center = all.mean(), variance = all.sum_of_squares / n_all - center * center;
  if (all.rewards == 0 || !(variance > 1e-12 * center * center)) return {};
  std::vector<Posterior> posteriors;
  for (const ArmTotals& arm : arms) {
    const auto n = static_cast<double>(arm.rewards);
    const double mean = arm.rewards == 0 ? center : arm.mean();
    const double spread = std::max(arm.sum_of_squares - n * mean * mean, 0.0);
    const double shape = 1 + n / 2;
    const double rate = variance + spread / 2 + n * (mean - center) * (mean - center) / (2 * (1 + n));
    posteriors.push_back(
        {Posterior::Kind::kStudentT, (center + n * mean) / (1 + n), std::sqrt(rate / (shape * (1 + n))), 2 * shape});
  }
  return posteriors;
}

std::vector<Posterior> BetaPosteriors(std::span<const ArmTotals> arms) {
  std::vector<Posterior> posteriors;
  for (const ArmTotals& arm : arms) {
    const double failures = std::max(static_cast<double>(arm.rewards) - arm.sum, 0.0);
    posteriors.push_back({Posterior::Kind::kBeta, 1 + std::max(arm.sum, 0.0), 1 + failures});
  }
  return posteriors;
}

std::vector<double> Wanted(const BanditPolicy& policy, std::span<const ArmTotals> arms) {
  if (policy.kind == BanditKind::kThompson || policy.kind == BanditKind::kThompsonGaussian) {
    return BestProbabilities(policy.kind, arms);
  }
  std::vector<double> shares = Largest(Expectations(policy, arms));
  if (policy.kind == BanditKind::kEpsilonGreedy) {
    for (double& share : shares)
      share = share * (1 - policy.epsilon) + policy.epsilon / static_cast<double>(arms.size());
  }
  return shares;
}

Status Unfit(std::string_view name, double value, const std::string& cure) {
  return {Code::kInvalid, "bandit: " + std::string(name) + " is " + std::to_string(value) + "; " + cure};
}

}  // namespace

std::optional<BanditKind> BanditKindOf(std::string_view text) {
  for (const auto& [name, kind] : kKinds) {
    if (name == text) return kind;
  }
  return std::nullopt;
}

std::string_view TextOf(BanditKind kind) {
  for (const auto& [name, each] : kKinds) {
    if (each == kind) return name;
  }
  return "?";
}

Status CheckPolicy(const BanditPolicy& policy, size_t arms) {
  if (arms < 2) return Unfit("the number of arms", static_cast<double>(arms), "name two versions or more");
  if (!(policy.epsilon >= 0 && policy.epsilon <= 1))
    return Unfit("epsilon", policy.epsilon, "give a share, such as 0.1");
  if (!(policy.alpha >= 0) || std::isinf(policy.alpha))
    return Unfit("alpha", policy.alpha, "give 1, as UCB1 is defined");
  const double most = 1 / static_cast<double>(arms);
  if (!(policy.min_share >= 0 && policy.min_share <= most)) {
    return Unfit(
        "min_share", policy.min_share,
        "give a share of at most " + std::to_string(most) + ", since there are " + std::to_string(arms) + " arms");
  }
  return Status::Ok();
}

Status CheckReward(const BanditPolicy& policy, double reward) {
  if (policy.kind == BanditKind::kThompson && !(reward >= 0 && reward <= 1)) {
    return Unfit("a reward", reward, "policy \"thompson\" needs rewards from 0 to 1; use \"thompson_gaussian\"");
  }
  if (!(std::abs(reward) <= 1e140)) return Unfit("a reward", reward, "a reward is a finite number");
  return Status::Ok();
}

std::vector<double> Expectations(const BanditPolicy& policy, std::span<const ArmTotals> arms) {
  double all = 0;
  for (const ArmTotals& arm : arms) all += static_cast<double>(arm.rewards);
  std::vector<double> expectations;
  for (const ArmTotals& arm : arms) {
    double value = arm.mean();
    if (policy.kind == BanditKind::kUcb1) {
      value = arm.rewards == 0 ? std::numeric_limits<double>::infinity()
                               : value + policy.alpha * std::sqrt(2 * std::log(all) / static_cast<double>(arm.rewards));
    }
    expectations.push_back(value);
  }
  return expectations;
}

std::vector<double> Probabilities(const BanditPolicy& policy, std::span<const ArmTotals> arms) {
  std::vector<double> shares = Wanted(policy, arms);
  KeepAlive(policy.min_share, &shares);
  return shares;
}

bool HasMoved(std::span<const double> before, std::span<const double> after, double least) {
  if (before.size() != after.size()) return true;
  for (size_t i = 0; i < before.size(); ++i) {
    if (std::abs(before[i] - after[i]) >= least) return true;
  }
  return false;
}

std::vector<double> BestProbabilities(BanditKind kind, std::span<const ArmTotals> arms) {
  const std::vector<Posterior> posteriors =
      kind == BanditKind::kThompson ? BetaPosteriors(arms) : GaussianPosteriors(arms);
  return posteriors.empty() ? Uniform(arms.size()) : LargestOf(posteriors);
}

std::optional<size_t> ArmThatIsBest(const StopRule& rule, BanditKind kind, std::span<const ArmTotals> arms) {
  for (const ArmTotals& arm : arms) {
    if (arm.rewards < rule.least_rewards) return std::nullopt;
  }
  const std::vector<double> best = BestProbabilities(kind, arms);
  const auto at = std::max_element(best.begin(), best.end());
  if (at == best.end() || *at < rule.best) return std::nullopt;
  return static_cast<size_t>(at - best.begin());
}

}  // namespace anabranch

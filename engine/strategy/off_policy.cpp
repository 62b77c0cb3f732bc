#include "engine/strategy/off_policy.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace anabranch {
namespace {

std::string ShortestNumber(double number) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, number);
  return {text, end.ptr};
}

double StandardError(double sum_of_squares, double sum, double n) {
  return std::sqrt(std::max(sum_of_squares / n - (sum / n) * (sum / n), 0.0) / n);
}

}  // namespace

Status OffPolicy::Add(size_t arm, double probability, double reward) {
  if (arm >= arms_.size()) {
    return {Code::kInvalid, "arm " + std::to_string(arm) + " of " + std::to_string(arms_.size()) + " arms"};
  }
  if (!(probability > 0 && probability <= 1)) {
    return {Code::kInvalid, "the probability of an arm that was drawn is " + ShortestNumber(probability) +
                                "; it is above 0 and at most 1"};
  }
  if (!std::isfinite(reward)) return {Code::kInvalid, "a reward is " + ShortestNumber(reward) + "; it must be finite"};
  Arm& sums = arms_[arm];
  const double weight = 1 / probability;
  sums.rounds += 1;
  sums.reward.Add(reward);
  sums.weight.Add(weight);
  sums.weighted.AddProduct(weight, reward);
  sums.weight2.AddProduct(weight, weight);
  sums.weight2_reward.AddProduct(weight * weight, reward);
  sums.weight2_reward2.AddProduct(weight * reward, weight * reward);
  return Status::Ok();
}

void OffPolicy::Add(const OffPolicy& other) {
  for (size_t i = 0; i < std::min(arms_.size(), other.arms_.size()); ++i) {
    const Arm& from = other.arms_[i];
    arms_[i].rounds += from.rounds;
    arms_[i].reward.Add(from.reward);
    arms_[i].weight.Add(from.weight);
    arms_[i].weighted.Add(from.weighted);
    arms_[i].weight2.Add(from.weight2);
    arms_[i].weight2_reward.Add(from.weight2_reward);
    arms_[i].weight2_reward2.Add(from.weight2_reward2);
  }
}

PolicyEstimate OffPolicy::Estimate(std::span<const double> target) const {
  PolicyEstimate estimate;
  double weight = 0, weight2 = 0, weighted = 0, weighted2 = 0, cross = 0;
  double model = 0, rest = 0, rest2 = 0;  // of DR: what the model says, and what it did not foresee
  for (size_t i = 0; i < std::min(arms_.size(), target.size()); ++i) {
    const Arm& arm = arms_[i];
    const double t = target[i];
    estimate.rounds += arm.rounds;
    if (arm.rounds == 0) continue;
    const double mean = arm.reward.value() / static_cast<double>(arm.rounds);
    weight += t * arm.weight.value();
    weighted += t * arm.weighted.value();
    weight2 += t * t * arm.weight2.value();
    weighted2 += t * t * arm.weight2_reward2.value();
    cross += t * t * arm.weight2_reward.value();
    model += t * mean;
    rest += t * (arm.weighted.value() - mean * arm.weight.value());
    rest2 += t * t *
             (arm.weight2_reward2.value() - 2 * mean * arm.weight2_reward.value() + mean * mean * arm.weight2.value());
  }
  if (estimate.rounds == 0) return estimate;
  const auto n = static_cast<double>(estimate.rounds);
  estimate.ips = {weighted / n, StandardError(weighted2, weighted, n)};
  estimate.dr = {model + rest / n, StandardError(rest2, rest, n)};
  if (weight > 0) {
    const double value = weighted / weight;
    const double spread = std::max(weighted2 - 2 * value * cross + value * value * weight2, 0.0);
    estimate.snips = {value, std::sqrt(spread) / weight};
    estimate.effective = weight * weight / weight2;
  }
  return estimate;
}

std::string VowpalLine(size_t arm, double probability, double reward) {
  return std::to_string(arm + 1) + ":" + ShortestNumber(reward == 0 ? 0 : -reward) + ":" + ShortestNumber(probability) +
         " | ";
}

}  // namespace anabranch

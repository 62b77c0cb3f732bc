#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/status.h"
#include "engine/strategy/wide_sum.h"

namespace anabranch {

// What another policy would have earned, from what this one did: rounds of (arm, the probability it was drawn with,
// reward).
struct PolicyValue {
  double value = 0;
  double error = 0;  // standard error of `value`
};
struct PolicyEstimate {
  int64_t rounds = 0;
  PolicyValue ips;       // inverse propensity scoring: unbiased
  PolicyValue snips;     // the same, divided by the sum of the weights
  PolicyValue dr;        // doubly robust, with the mean reward of each arm as its model
  double effective = 0;  // sample size: (Σw)² / Σw²
};

// Sums by arm, so rounds may come in any order and from several instances.
class OffPolicy {
 public:
  struct Arm {
    int64_t rounds = 0;
    WideSum reward, weight, weighted;                  // Σr, Σ1/p, Σr/p
    WideSum weight2, weight2_reward, weight2_reward2;  // Σ1/p², Σr/p², Σr²/p²
  };

  explicit OffPolicy(size_t arms) : arms_(arms) {}
  explicit OffPolicy(std::vector<Arm> arms) : arms_(std::move(arms)) {}
  const std::vector<Arm>& arms() const { return arms_; }

  // kInvalid: no such arm, a probability that is not above 0 and at most 1, or a reward that is not finite.
  Status Add(size_t arm, double probability, double reward);
  void Add(const OffPolicy& other);

  // Of the policy that draws each arm with these probabilities, whatever the record. `target`: by arm.
  PolicyEstimate Estimate(std::span<const double> target) const;

 private:
  std::vector<Arm> arms_;
};

// One round as Vowpal Wabbit reads it ("--cb"): "ARM:COST:PROBABILITY | ", arms from 1, cost = -reward. Features
// follow.
std::string VowpalLine(size_t arm, double probability, double reward);

}  // namespace anabranch

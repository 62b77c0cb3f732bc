#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/models/control_state.h"
#include "engine/models/reward_totals.h"
#include "engine/strategy/bandit_spec.h"

namespace anabranch {

// How a bandit learns. Pure functions of the log and the time: the instances and the commands say the same.
//
// A bandit is a chain of generations with the rule kBandit, the same arms and the same salt. So a unit keeps the number
// that it drew, and a change of the probabilities moves only the units whose number a border passes. Each generation
// has fixed probabilities: which arm a row drew, and how probable that was, can be computed again for good.

// The generation that scored an offset of "TOPIC/PARTITION", by what the log knows; 0: it does not.
uint32_t ScoredBy(const ControlState& state, const std::string& partition, int64_t offset);

// One generation of a bandit. `began`: the first generation of the chain.
struct BanditGeneration {
  GenerationRecord record;
  uint32_t began = 0;

  // The arm that a record drew, by its key (null: it has none) and its id.
  size_t ArmFor(const std::string_view* key, std::string_view record_id) const;
};
// Of `model` when `number` was the newest generation of all. Nothing: it was no bandit.
std::optional<BanditGeneration> BanditAt(const ControlState& state, const std::string& model, uint32_t number);

struct BanditStatus {
  std::string model;
  uint32_t generation = 0;
  int64_t since_ms = 0;  // when this generation began
  int64_t began_ms = 0;  // when the bandit did
  BanditGeneration now;
  RewardTotals totals;  // over all partitions of rewards
  std::string fault;    // totals that cannot be read; empty: none
};
// Nothing: the newest generation of the model is no bandit.
std::optional<BanditStatus> BanditOf(const ControlState& state, const std::string& model);
// The same of the last bandit, though it may have ended. Nothing: there was none.
std::optional<BanditStatus> LastBanditOf(const ControlState& state, const std::string& model);

// The probability of each arm to be the best one, by the rewards so far.
std::vector<double> BestOf(const BanditStatus& status, const BanditSpec& spec);

// The step that the bandit asks for now: kStep with the action "learn", or "promote" where one arm is the best by
// `stop_when`. Nothing: none. Fields of the writer (instance, host, at_ms) are the caller's.
std::optional<ControlEntry> NextLesson(const BanditStatus& status, const BanditSpec& spec, int64_t now_ms);

// The generation with which a bandit begins: all arms are equally probable. `seed` makes the draws of each bandit its
// own.
GenerationRecord FirstDraws(const BanditSpec& spec, const std::string& model,
                            const std::vector<GenerationRecord::Arm>& arms, std::string_view seed);

// Whether the generation has the arms and the unit that the file asks for.
bool Fits(const GenerationRecord& record, const BanditSpec& spec);

// One sentence for people: "8 (61 %, mean 0.712 of 5,210 rewards), …".
std::string BanditText(const BanditStatus& status);

}  // namespace anabranch

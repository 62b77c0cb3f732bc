#include "engine/models/reward_totals.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/scoring_note.h"
#include "engine/strategy/count_json.h"

namespace anabranch {
namespace {

using RewardJson = nlohmann::json;

constexpr WideSum OffPolicy::Arm::* kSums[] = {&OffPolicy::Arm::reward,         &OffPolicy::Arm::weight,
                                               &OffPolicy::Arm::weighted,       &OffPolicy::Arm::weight2,
                                               &OffPolicy::Arm::weight2_reward, &OffPolicy::Arm::weight2_reward2};

RewardJson PartsOf(const WideSum& sum) { return {sum.high(), sum.low()}; }

WideSum SumFrom(const RewardJson& json) {
  Need(json.is_array() && json.size() == 2 && json[0].is_number() && json[1].is_number());
  const WideSum sum(json[0].get<double>(), json[1].get<double>());
  Need(std::isfinite(sum.value()));
  return sum;
}

}  // namespace

void RewardTotals::Restart(uint32_t generation, size_t arm_count) {
  began = generation;
  rounds = OffPolicy(arm_count);
  squares.assign(arm_count, {});
}

Status RewardTotals::Reward(size_t arm, double probability, double reward) {
  RETURN_IF_ERROR(rounds.Add(arm, probability, reward));
  squares[arm].AddProduct(reward, reward);
  return Status::Ok();
}

void RewardTotals::Add(const RewardTotals& other) {
  unmatched += other.unmatched;
  if (other.began != began || other.squares.size() != squares.size()) return;
  rounds.Add(other.rounds);
  for (size_t i = 0; i < squares.size(); ++i) squares[i].Add(other.squares[i]);
}

std::vector<ArmTotals> RewardTotals::ByArm() const {
  std::vector<ArmTotals> arms;
  for (size_t i = 0; i < squares.size(); ++i) {
    const OffPolicy::Arm& arm = rounds.arms()[i];
    arms.push_back({arm.rounds, arm.rounds, arm.reward.value(), squares[i].value()});
  }
  return arms;
}

std::string RewardTotals::Print() const {
  RewardJson arms = RewardJson::array();
  for (size_t i = 0; i < squares.size(); ++i) {
    const OffPolicy::Arm& arm = rounds.arms()[i];
    RewardJson sums = RewardJson::array();
    for (const auto sum : kSums) sums.push_back(PartsOf(arm.*sum));
    sums.push_back(PartsOf(squares[i]));
    arms.push_back({{"rewards", arm.rounds}, {"sums", sums}});
  }
  RewardJson json = {{"began", began}, {"arms", arms}, {"unmatched", unmatched}};
  if (const std::string note = WithScoring("", scoring); !note.empty()) json["scoring"] = note;
  return json.dump();
}

Result<RewardTotals> RewardTotals::Parse(std::string_view text) {
  try {
    const RewardJson json = RewardJson::parse(text);
    RewardTotals totals;
    totals.began = json.at("began").get<uint32_t>();
    totals.unmatched = CountFrom(json.at("unmatched"));
    std::vector<OffPolicy::Arm> arms;
    for (const RewardJson& each : json.at("arms")) {
      OffPolicy::Arm& arm = arms.emplace_back();
      arm.rounds = CountFrom(each.at("rewards"));
      const RewardJson& sums = each.at("sums");
      Need(sums.is_array() && sums.size() == std::size(kSums) + 1);
      for (size_t i = 0; i < std::size(kSums); ++i) arm.*kSums[i] = SumFrom(sums[i]);
      totals.squares.push_back(SumFrom(sums.back()));
    }
    totals.rounds = OffPolicy(std::move(arms));
    const std::string note = json.value("scoring", "");
    std::string_view rest = note;
    totals.scoring = TakeScoring(&rest);
    return totals;
  } catch (const std::exception&) {
    return Status(Code::kInvalid, "totals of rewards are damaged: " + std::to_string(text.size()) +
                                      " bytes that are not what this program writes");
  }
}

}  // namespace anabranch

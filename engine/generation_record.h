#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.h"
#include "engine/status.h"

namespace anabranch {

// How rows choose between the arms of a generation.
enum class ArmRule : uint8_t {
  kOne,     // the first arm scores every row
  kShadow,  // the first arm scores; `share` of the rows are scored by the second as well, unseen
  kCanary,  // the keys below `share` are answered by the second arm, the others by the first
  kBandit,  // each unit draws an arm by `probabilities`
  // Records whose own time is `from_time` or later are scored by the second arm, those before it by the first. A
  // record without a time is scored by the second.
  kEventTime,
};

// What decides how one model's rows are scored. Immutable; its number is its place in the control log.
struct GenerationRecord {
  struct Arm {
    std::string version, digest;
  };
  std::string model;
  ArmRule rule = ArmRule::kOne;
  std::vector<Arm> arms;              // the first one is the incumbent version
  double share = 0;                   // kShadow, kCanary
  uint64_t salt = 0;                  // of the hash that draws; 0: none is drawn
  std::vector<double> probabilities;  // kBandit, by arm
  int64_t from_time = 0;              // kEventTime: microseconds since 1970
  bool by_record = false;             // the unit that draws is the record, not the key
  std::map<std::string, int64_t> at;  // "TOPIC/PARTITION" → where it begins there; others: at the next batch
  int step = 0;                       // of the rollout in the topology file, from 1; 0: it is no step of one
  std::string rollout;                // the deployment that began the rollout; empty: none

  // The version that this generation brings: the candidate where there are two.
  const Arm& newest() const { return arms.back(); }
  // The version that answers, but for what a candidate gets: the one that a later deployment finds.
  const Arm& serving() const { return rule == ArmRule::kEventTime ? arms.back() : arms.front(); }
  // Records draw between several arms, so that these can be compared.
  bool draws() const { return arms.size() > 1 && rule != ArmRule::kEventTime; }
};

}  // namespace anabranch

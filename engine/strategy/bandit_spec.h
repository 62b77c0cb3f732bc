#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/strategy/bandit.h"

namespace anabranch {

// A model whose versions are drawn, and drawn more often the more they earn: `bandit` of a model in the topology file,
// checked. Immutable.
struct BanditSpec {
  std::vector<std::string> arms;  // versions; the first one answers the rows that another one fails
  BanditPolicy policy;
  bool by_record = false;             // the record draws, not its key
  int64_t update_ms = 1000;           // at most so often the probabilities change
  std::optional<StopRule> stop_when;  // nothing: it goes on for good
};

}  // namespace anabranch

#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace anabranch {

// oracles.json, which tests/setup/make_strategy_oracles.py writes.
inline const nlohmann::json& Oracle(const std::string& part) {
  static const nlohmann::json all =
      nlohmann::json::parse(std::ifstream(ANABRANCH_ROOT "/tests/engine/strategy/oracles.json"));
  return all.at(part);
}

// Whether `value` is `expected` to within `relative` of it, or of 1 for small numbers.
inline bool IsNear(double value, double expected, double relative = 1e-9) {
  return std::abs(value - expected) <= relative * std::max(1.0, std::abs(expected));
}

}  // namespace anabranch

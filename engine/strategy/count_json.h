#pragma once

#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <vector>

namespace anabranch {

// Reading counts of texts that may be damaged. What cannot be read is thrown, as the JSON library does for missing
// members; whoever parses catches std::exception.
struct Damaged : std::exception {};

inline void Need(bool fits) {
  if (!fits) throw Damaged();
}

// More than a stream has, and little enough that a thousand of them can be added.
inline constexpr int64_t kMostCounted = int64_t{1} << 53;

inline int64_t CountFrom(const nlohmann::json& json) {
  Need(json.is_number_integer() && json >= 0 && json <= kMostCounted);
  return json.get<int64_t>();
}

inline std::vector<int64_t> CountsFrom(const nlohmann::json& json, size_t size) {
  Need(json.is_array() && json.size() == size);
  std::vector<int64_t> counts;
  for (const nlohmann::json& each : json) counts.push_back(CountFrom(each));
  return counts;
}

}  // namespace anabranch

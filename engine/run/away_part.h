#pragma once

#include <cstdint>
#include <string>

namespace anabranch {

// A source or target that a run cannot use now.
struct AwayPart {
  enum class Kind : uint8_t { kSource, kTarget };
  Kind kind = Kind::kSource;
  std::string id;
  std::string why;

  bool Same(const AwayPart& other) const { return kind == other.kind && id == other.id; }
};

}  // namespace anabranch

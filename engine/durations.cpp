#include "engine/durations.h"

#include <charconv>
#include <system_error>

namespace anabranch {
namespace {

struct LengthUnit {
  std::string_view name;
  int64_t us;
};
// The largest first.
constexpr LengthUnit kLengthUnits[] = {
    {"d", 86'400'000'000}, {"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}};

}  // namespace

std::optional<int64_t> ParseLengthUs(std::string_view text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view name(rest, static_cast<size_t>(end - rest));
  for (const LengthUnit& unit : kLengthUnits) {
    if (unit.name != name) continue;
    if (number > static_cast<uint64_t>(kLongestLengthUs / unit.us)) return std::nullopt;
    return static_cast<int64_t>(number) * unit.us;
  }
  return std::nullopt;
}

std::string LengthText(int64_t us) {
  if (us == 0) return "0s";
  for (const LengthUnit& unit : kLengthUnits) {
    if (us % unit.us == 0) return std::to_string(us / unit.us) + std::string(unit.name);
  }
  return std::to_string(us) + "us";
}

}  // namespace anabranch

#include "engine/record_id.h"

#include <vector>

#include "engine/whole_number.h"

namespace anabranch {
namespace {

template <typename T>
bool ReadPlace(std::string_view text, T* number) {
  return ReadWholeNumber(text, number) && *number >= 0;
}

}  // namespace

std::optional<ParsedRecordId> ParseRecordId(std::string_view id) {
  std::vector<std::string_view> parts;
  for (size_t slash = id.find('/'); slash != std::string_view::npos; slash = id.find('/')) {
    parts.push_back(id.substr(0, slash));
    id.remove_prefix(slash + 1);
  }
  parts.push_back(id);
  if (parts.size() < 3 || parts.size() > 4) return std::nullopt;
  for (const std::string_view part : parts) {
    if (part.empty()) return std::nullopt;
  }
  ParsedRecordId parsed;
  if (!ReadPlace(parts[1], &parsed.from.partition) || !ReadPlace(parts[2], &parsed.offset)) return std::nullopt;
  parsed.from.topic = parts[0];
  if (parts.size() == 4) parsed.node = parts[3];
  return parsed;
}

}  // namespace anabranch

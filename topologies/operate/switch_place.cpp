#include "topologies/operate/switch_place.h"

#include <charconv>
#include <string_view>

#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

constexpr std::string_view kOffsets = "offsets:", kEventTimeAt = "event-time:";
constexpr int64_t kLastMs = 253'402'300'799'999;  // of the year 9999

// A whole number that is not negative, and nothing else.
std::optional<int64_t> WholeIn(std::string_view digits) {
  int64_t number = -1;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool good = read.ec == std::errc() && read.ptr == digits.data() + digits.size() && number >= 0;
  return good ? std::optional(number) : std::nullopt;
}

Status WrongPlace(const std::string& text, const std::string& why, const std::string& cure) {
  return {Code::kInvalid, "--at \"" + text + "\": " + why + "; write " + cure};
}

Status ParseOffsetPlaces(const std::string& text, std::map<std::string, int64_t>* offsets) {
  std::string_view rest = std::string_view(text).substr(kOffsets.size());
  for (size_t comma = 0; comma != std::string_view::npos;) {
    comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    if (comma != std::string_view::npos) rest.remove_prefix(comma + 1);
    const size_t equals = item.rfind('=');
    const bool whole = equals != std::string_view::npos && equals > 0;
    const auto offset = whole ? WholeIn(item.substr(equals + 1)) : std::nullopt;
    if (!offset) {
      return WrongPlace(text, "\"" + std::string(item) + "\" is no partition with an offset",
                        "offsets:TOPIC/PARTITION=OFFSET with a comma between two");
    }
    (*offsets)[std::string(item.substr(0, equals))] = *offset;
  }
  return Status::Ok();
}

// Microseconds since 1970.
Result<int64_t> ParseEventTime(const std::string& text) {
  const std::string_view time = std::string_view(text).substr(kEventTimeAt.size());
  const auto ms = WholeIn(time);
  if (ms && *ms <= kLastMs) return *ms * 1000;
  int64_t micros = 0;
  if (!ms && ParseTimestamp(time, &micros) && micros >= 0) return micros;
  return WrongPlace(text, "\"" + std::string(time) + "\" is no time from 1970 to 9999 with its time zone",
                    "event-time:2026-01-31T12:00:00Z, or milliseconds since 1970, event-time:1769860800000");
}

}  // namespace

Result<SwitchPlace> ParseSwitchPlace(const std::string& text) {
  SwitchPlace place;
  if (text == "next") return place;
  if (text.starts_with(kOffsets)) {
    RETURN_IF_ERROR(ParseOffsetPlaces(text, &place.offsets));
    return place;
  }
  if (text.starts_with(kEventTimeAt)) {
    ASSIGN_OR_RETURN(place.from_time, ParseEventTime(text));
    return place;
  }
  return WrongPlace(text, "it is none of the three",
                    "next, offsets:TOPIC/PARTITION=OFFSET,…, or event-time:2026-01-31T12:00:00Z");
}

}  // namespace anabranch

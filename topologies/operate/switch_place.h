#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/status.h"

namespace anabranch {

// Where a deployed version begins to score. Nothing is set: at the next batch of each partition.
struct SwitchPlace {
  std::map<std::string, int64_t> offsets;  // GenerationRecord::at
  std::optional<int64_t> from_time;        // GenerationRecord::from_time
};

// "next", "offsets:TOPIC/PARTITION=OFFSET,…", "event-time:TIME". kInvalid: the message shows what can be written.
Result<SwitchPlace> ParseSwitchPlace(const std::string& text);

}  // namespace anabranch

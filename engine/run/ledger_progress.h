#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/run/ledger.h"

namespace anabranch {

// The stored form of a target's positions: one line "PARTITION NEXT TOPIC" each, in order.
std::string PrintProgress(const std::map<SourcePartition, int64_t>& next);
// Nothing when `text` is no such form.
std::optional<std::map<SourcePartition, int64_t>> ParseProgress(std::string_view text);

}  // namespace anabranch

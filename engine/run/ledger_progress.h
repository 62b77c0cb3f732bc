#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/run/ledger.h"

namespace anabranch {

// The stored form of a target's positions: one line "PARTITION NEXT TOPIC" each, in order, then for each that has a
// generation one line "PARTITION g=GENERATION;s=SINCE TOPIC". The length is stored beside it.
std::string PrintProgress(const StoredProgress& progress);
// Nothing when `text` is no such form.
std::optional<StoredProgress> ParseProgress(std::string_view text);

// The stored form of crash counts: one line "COUNT FIRST PARTITION STAGE TOPIC" each.
std::string PrintCrashes(const std::vector<Ledger::Crashes>& crashes);
// Nothing when `text` is no such form.
std::optional<std::vector<Ledger::Crashes>> ParseCrashes(const std::string& text);

}  // namespace anabranch

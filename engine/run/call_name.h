#pragma once

#include <string>
#include <string_view>

#include "engine/run/attempts.h"

namespace anabranch {

// Behind the name of a stage, in a slot and in the ledger: it does what no result shows (Node::AfterHandOver). No name
// of a node has a slash.
inline constexpr std::string_view kUnseenCall = "/candidate";

// Not longer than a slot holds.
inline std::string UnseenCallOf(std::string_view stage) {
  return std::string(stage.substr(0, AttemptSlots::kStageBytes - kUnseenCall.size())).append(kUnseenCall);
}

inline bool IsUnseenCall(std::string_view call) { return call.ends_with(kUnseenCall); }

inline std::string StageOfCall(std::string_view call) {
  return std::string(IsUnseenCall(call) ? call.substr(0, call.size() - kUnseenCall.size()) : call);
}

}  // namespace anabranch

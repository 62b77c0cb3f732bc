#include "engine/measure/measure_snapshot.h"

namespace anabranch {

const char* NameOf(LaneState state) {
  switch (state) {
    case LaneState::kStarved: return "starved";
    case LaneState::kBusy: return "busy";
    case LaneState::kBlocked: return "blocked";
    case LaneState::kCommitting: return "committing";
    case LaneState::kCrew: return "crew";
    case LaneState::kPaused: return "paused";
  }
  return "";
}

}  // namespace anabranch

#pragma once

#include <string>
#include <vector>

#include "engine/models/model_agent.h"

namespace anabranch {

// The gates of the package at `place` in a process of its own, `anabranch model check` with `arguments`.
ModelAgent::Verdict GatesInChild(const std::string& place, const std::vector<std::string>& arguments, int timeout_ms,
                                 const CancelToken* cancel);

}  // namespace anabranch

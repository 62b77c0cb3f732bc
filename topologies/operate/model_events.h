#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/models/control_state.h"

namespace anabranch {

// One line of the history of a model: a generation, or a deployment that did not become one.
struct ModelEvent {
  uint32_t generation = 0;  // 0: it did not become one
  std::string state;        // serves | replaced | abandoned | open
  std::string model, version, digest;
  std::string action, by, reason, approved_by, host;
  int64_t at_ms = 0;
  std::map<std::string, std::map<std::string, std::string>> gates;  // by instance; "": of the command
  std::vector<std::string> reasons;                                 // why it was abandoned
  // By partition: the rows [from, until) were scored by it; no `until`: the newest ones too.
  std::map<std::string, int64_t> from, until;
};

// Oldest first; of all models where `model` is empty.
std::vector<ModelEvent> ModelEvents(const ControlState& state, const std::string& model);
std::string ModelEventsText(const std::vector<ModelEvent>& events);
std::string ModelEventsJson(const std::vector<ModelEvent>& events);

// What scores now, for `status`.
std::string ModelsNowText(const ControlState& state);
std::string ModelsNowJson(const ControlState& state);

}  // namespace anabranch

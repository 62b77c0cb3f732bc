#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/models/control_state.h"
#include "engine/plan.h"

namespace anabranch {

// One line of the history of a model: a generation, a hold of one, or a deployment that did not become one.
struct ModelEvent {
  uint32_t generation = 0;             // 0: it did not become one, or is a hold
  std::string state;                   // serves | replaced | held | abandoned | open
  std::string model, version, digest;  // the version that it brings: of two, the candidate
  std::string serving;                 // the version that served before, where both score; else empty
  ArmRule rule = ArmRule::kOne;
  int64_t from_time = 0;                      // kEventTime: GenerationRecord::from_time
  double share = 0;                           // of the records, or keys, that the candidate gets
  int step = 0;                               // of a rollout, from 1; 0: it is none
  std::string scoring;                        // what scores, as a sentence; empty where one version scores all
  std::map<std::string, std::string> guards;  // of a step or hold: guard → its figures then
  std::string action, by, reason, approved_by, host;
  std::string file_start;  // by edit of the file, and of the first start: what it named as `start`; else empty
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

// The generation that a rollback goes back to; null: there is none. Without a version: what scored before the version
// of now was deployed, so that a second rollback goes one version further back, and not forward again.
const ControlState::Generation* GoesBackTo(const ControlState& state, const std::string& model,
                                           const std::string& version);

// What scores now, for `status`, with the rollouts of the plan's models that are under way.
std::string ModelsNowText(const ControlState& state, const Plan& plan);
std::string ModelsNowJson(const ControlState& state, const Plan& plan);

}  // namespace anabranch

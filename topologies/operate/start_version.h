#pragma once

#include <map>
#include <string>

#include "engine/models/model_agent.h"
#include "topologies/operate/model_change.h"

namespace anabranch {

// What a run does about the versions that its topology file names with `start`, before it begins. Both may take as long
// as gates do, and end early when `place.cancel` is raised.

// The gates of a version with which a model of the plan would begin: what they measured. kInvalid: every reason, as
// `model check --for` has them, one per line; kUnavailable: its files cannot be read; kCancelled.
Result<std::map<std::string, std::string>> GateStart(const ModelChangePlace& place, const ModelAgent::Model& model,
                                                     const std::string& version);

// Deploys what a file names that was edited since the log knew it (StartLook), and goes on with what was begun. What
// comes of it is told to `place.progress`, and stands in the history: a refusal stops no run. `models` has not begun.
void FollowStarts(const ModelChangePlace& place, ModelAgent& models);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <string>

#include "engine/models/control_state.h"

namespace anabranch {

// What the `start` of a topology file means for a model that has run before: the history decides which version scores,
// and an edit of `start` is an order to deploy. A pure function of the log, so that instances agree.
//
// An edit goes from the newest value that the log knows to another one. It is one if no file had this value before, or
// if the file of this very instance has had the newest value before. Any other file is one that lags behind, and must
// not undo what a newer file ordered.
struct StartLook {
  enum class Kind : uint8_t {
    kNothing,  // the model never ran, or the file says what the newest edit said, and the log knows so
    kSeen,     // it says what the newest edit said: to be noted for this instance
    kBehind,   // it says what was replaced by an edit: nothing is to be done
    kNoted,    // an edit to what scores already: to be noted, and nothing else
    kEdited,   // an edit: to be deployed
    kBegun,    // the deployment of the edit was begun, and is not finished
  };
  Kind kind = Kind::kNothing;
  ControlState::FileStart before;  // but for kNothing: the newest value, with the entry that an edit has to name
};

// `start`: what the file of `instance` says now.
StartLook LookAtStart(const ControlState& state, const std::string& model, const std::string& start,
                      const std::string& instance);

// The deployment that an edit to `start` began, if it is the newest edit; null: there was none.
const ControlState::Deployment* DeploymentOfEdit(const ControlState& state, const std::string& model,
                                                 const std::string& start);

}  // namespace anabranch

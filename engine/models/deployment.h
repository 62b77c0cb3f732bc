#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/models/control_log.h"
#include "engine/models/control_state.h"

namespace anabranch {

// A deployment as the command that wants it drives it: prepare, the answers of all instances, then active; or
// abandoned, with what each instance has to say. Nothing but the log is kept: a command that dies leaves the deployment
// open, and another one goes on with it.
struct DeploymentWish {
  // generation, action, by, reason, approved_by, host, gates, and `after`: the generation that it was made from. With
  // another one by now it would undo that one, so nothing is done. 0: whatever it is. With `edited` it is ordered by
  // `instance`, which starts: it is not asked, and does not wait until the partitions have switched.
  ControlEntry prepare;
  int64_t timeout_ms = 120'000;
  bool in_place = false;  // instances load the version once it is active: that is waited for as well
  // The instances at work, where the log cannot tell.
  std::function<Result<std::vector<std::string>>()> members;
  std::function<void(const std::string&)> progress = [](const std::string&) {};
  const CancelToken* cancel = nullptr;
};

struct DeploymentEnd {
  enum class Kind : uint8_t {
    kActive,
    kAlready,    // that generation scored before, or the rollout of that version is under way
    kAbandoned,  // nothing changed, or what did was taken back: `reasons`
  };
  Kind kind = Kind::kActive;
  uint32_t generation = 0;
  std::vector<std::string> instances;  // that were asked; empty: none was at work
  std::vector<std::string> reasons;
  std::vector<std::string>
      waiting;  // kActive: partitions that switch at their next batch and had not done so at the end of the wait
};

// Names a deployment, and the rollout that it begins (GenerationRecord::rollout); unique.
std::string NewDeploymentId();

// kRetry: another deployment of the model is open or was faster, or the wait was cancelled; kUnavailable: the log
// cannot be reached.
Result<DeploymentEnd> Deploy(ControlLog& log, const DeploymentWish& wish);

// One step of a rollout: appends wish.prepare, a kStep, and waits until the partitions have switched. Nobody is asked:
// the instances have its versions. So it does not need to know who is at work: where that is not known, those are
// waited for that switched a partition last. kRetry: another change of the model was faster, so it had no effect.
Result<DeploymentEnd> AppendStep(ControlLog& log, const DeploymentWish& wish);

// Everything that stands in the log now.
Result<ControlState> ReadControlState(ControlLog& log);
// Ends an open deployment without effect, if it is still open.
Status Abandon(ControlLog& log, const ControlState::Deployment& open, const ControlEntry& by,
               const std::vector<std::string>& reasons);

// The fields of an entry of a command: time, host.
ControlEntry CommandEntry(ControlEntry::Kind kind);
// The first generation of a model, as the topology file says it. It counts if the model has none yet.
ControlEntry StartEntry(GenerationRecord first);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/models/model_agent.h"
#include "engine/plan.h"
#include "engine/status.h"

namespace anabranch {

// What a person orders about the versions of a model, with `model deploy` and its like or on the page. One home for
// both.
struct ModelChangeWish {
  enum class Action : uint8_t { kDeploy, kPromote, kHold, kRollBack };
  Action action = Action::kDeploy;
  std::string model = {};    // its name in the topology
  std::string version = {};  // kDeploy: which, empty: the bandit of the file begins; kRollBack: the one to go back to,
                             // empty: the one before
  bool now = false;          // kDeploy: all rows at once, without the rollout of the topology
  bool resume = false;       // kDeploy: only go on with what was begun
  bool to_end = false;       // kPromote: to the last step, not to the next one
  std::string at = "next";   // kDeploy: ParseSwitchPlace()
  uint32_t edited = 0;       // kDeploy of what the file has as `start` by now, by the instance that starts with it:
                        // ControlEntry::edited. Returns when the version is active, not when the partitions switched
  uint32_t seen = 0;  // not kDeploy: the newest generation that the person knew of; with another one nothing is done
                      // and the result is kFailed, kRetry. 0: whatever it is
  std::string by = {}, reason = {}, approved_by = {};
  int timeout_s = 120;  // for the gates, and for the answers of the instances
};

// Where it is ordered.
struct ModelChangePlace {
  // The gates of the package at `place`, with these further arguments of `model check`; waits at most `timeout_ms`, and
  // not on when `cancel` (may be null) is raised.
  using Gates = std::function<ModelAgent::Verdict(const std::string& place, const std::vector<std::string>& arguments,
                                                  int timeout_ms, const CancelToken* cancel)>;
  const Plan& plan;  // of the topology's file as it is now
  std::vector<std::string> allow_paths;
  std::string state_dir, instance;
  Gates gates;
  std::function<void(const std::string&)> progress = [](const std::string&) {};  // one line for people
  const CancelToken* cancel = nullptr;
};

struct ModelChangeResult {
  enum class Kind : uint8_t {
    kActive,   // a new generation scores: `generation`
    kAlready,  // it did before, or nothing was to be done
    kHeld,     // the rollout makes no step by itself any more
    kRefused,  // nothing changed: `reasons`
    kWrong,    // the wish cannot be meant for this topology: `status`
    kFailed,   // `status`; kRetry: another change was faster, or is not finished
  };
  Kind kind = Kind::kFailed;
  Status status;
  std::string model, version, digest;  // the version that the change is about
  uint32_t generation = 0;
  int step = 0, steps = 0;             // of a rollout that `generation` is a step of; 0: it is none
  std::vector<std::string> instances;  // that were asked
  std::vector<std::string> waiting;    // partitions that switch at their next batch
  std::vector<std::string> reasons;    // kRefused
  std::string text;                    // one sentence: what scores now; kRefused and after: why nothing changed
  std::vector<std::string> remarks;    // further lines for people
};
const char* NameOf(ModelChangeWish::Action action);  // "deploy", "promote", "hold", "rollback"
// "active", "already", "held", "refused", "failed" (kWrong too).
const char* NameOf(ModelChangeResult::Kind kind);
// {"result": …, "model", "version", "digest", "generation", "instances", "waiting"}, or with "reasons" or "message".
std::string ModelChangeJson(const ModelChangeResult& result);

// Does it, and waits until the partitions that are known have switched. May take minutes (gates, instances that load);
// ends early when `place.cancel` is raised. Of two changes at the same time one gets kFailed with kRetry.
ModelChangeResult ChangeModel(const ModelChangeWish& wish, const ModelChangePlace& place);

}  // namespace anabranch

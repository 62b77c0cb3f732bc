#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/models/control_state.h"
#include "engine/rollout_spec.h"
#include "engine/strategy/arm_counts.h"
#include "engine/strategy/rollout.h"

namespace anabranch {

// Where the rollout of a model stands, and what comes next. Pure functions of the log, the counts and the time: the
// instances, the commands and the page say the same.

// Counts of one generation by node.
using CountsByNode = std::map<std::string, ArmCounts>;

// Counts of an entry of the kind kCounts. kInvalid: damaged.
Result<CountsByNode> CountsIn(const ControlEntry& entry);
// kInvalid: counts of other outputs or guards, which are omitted.
Status AddTo(CountsByNode* sum, const CountsByNode& more);
// The sum of what the instances have in the log. kInvalid: damaged, or of other outputs. With `spec`, entries that were
// counted by other guards than these are omitted: the file was edited.
Result<CountsByNode> SumOf(const std::map<std::string, ControlEntry>& by_instance, const RolloutSpec* spec = nullptr);

struct RolloutStatus {
  enum class State : uint8_t {
    kRunning,
    kHeld,          // by a person, or because the rollout says "hold"
    kAwaitsPerson,  // passed, and the next step needs an approval
    kInconclusive,  // max_rows came first, and it holds
    kBreached,      // a guard says no, and it holds
  };
  std::string model;
  uint32_t generation = 0;
  State state = State::kRunning;
  GenerationRecord record;               // of the step: arms (serving, candidate), rule, share
  size_t step = 1, steps = 1;            // from 1
  int64_t since_ms = 0;                  // when the step began
  StepVerdict verdict;                   // by guard of the spec
  std::vector<std::string> guard_texts;  // "errors 0.004 of 0.01, e = 0.02, 8,120 rows"
  int64_t rows = 0, paired = 0;          // of the step: scored, and scored by both; a record in two nodes is two
  std::vector<int64_t> answered;         // rows by arm
  bool is_held = false;                  // no step by itself, by an entry of the log
  std::string held_by;                   // the person who held it; empty: nobody, or the rollout itself
  std::string deploying;                 // "version 9", of an open deployment; a promotion by itself waits for its end
  std::string text;                      // one sentence for people: where it stands and what it waits for
};
// Whether a generation is a step of a rollout that is not at its end.
bool IsUnderWay(const GenerationRecord& record);

// What the file says of rollouts of a model. Where it says nothing, and one is under way: its last step alone, and
// nothing moves by itself.
const RolloutSpec& SpecOrHeld(const std::shared_ptr<const RolloutSpec>& of_file);
// The events that the guards of a rollout count, without their limits, and the segment: counts by others cannot be
// added.
std::string CountedAs(const RolloutSpec& spec);
// The name under which it stands in ControlEntry::guards of kCounts.
inline constexpr const char* kCountedAs = "counted as";
const char* NameOf(RolloutStatus::State state);  // "running", "held", "awaits_person", "inconclusive", "breached"

// Nothing: no rollout of the model is under way. `counts`: of its newest generation. `instances`: that judge by
// themselves, at least 1.
std::optional<RolloutStatus> RolloutOf(const ControlState& state, const std::string& model, const RolloutSpec& spec,
                                       const CountsByNode& counts, int instances, int64_t now_ms);

// The same in two parts, for a reader that others wait for meanwhile: what the log says, and the rest.
struct RolloutPlace {
  ControlState::Generation newest;
  std::optional<ControlEntry> hold;
  std::string deploying;
};
std::optional<RolloutPlace> RolloutPlaceOf(const ControlState& state, const std::string& model);
RolloutStatus RolloutAt(const RolloutPlace& place, const RolloutSpec& spec, const CountsByNode& counts, int instances,
                        int64_t now_ms);

// The entry that a rollout which moves by itself asks for now: kStep with the action "promote" or "rollback"; kHold for
// what the file wants held (a breach, an inconclusive step), so that it stays so; nothing: none. Fields of the writer
// (instance, host, at_ms) are the caller's.
std::optional<ControlEntry> NextMove(const RolloutStatus& status, const RolloutSpec& spec);

// What a person orders. The generation of the next step (or of the last one, `to_end`); of the serving version alone.
ControlEntry PromoteEntry(const RolloutStatus& status, const RolloutSpec& spec, bool to_end);
ControlEntry RollBackEntry(const ControlState::Generation& current);
ControlEntry HoldEntry(const ControlState::Generation& current);
// The generation with which a deployment of `candidate` beside `serving` begins.
GenerationRecord FirstStep(const RolloutSpec& spec, const std::string& model, const GenerationRecord::Arm& serving,
                           const GenerationRecord::Arm& candidate, const std::string& deployment);

}  // namespace anabranch

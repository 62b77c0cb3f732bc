#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/generation_record.h"
#include "engine/status.h"

namespace anabranch {

// One entry of the control log. Entries are appended, never changed: they are also the history of the models.
struct ControlEntry {
  enum class Kind : uint8_t {
    kPrepare,    // load `generation` and say whether you can: every instance answers. With `after`: if the newest
                 // generation of its model is still that one
    kReady,      // `instance` can score with deployment `deployment`
    kRefused,    // it cannot: `reasons`
    kActive,     // the deployment scores from now on: the number of this entry is the generation
    kAbandoned,  // the deployment ends without effect: `reasons`
    kServes,     // `generation_number` scores `partition` from `position` on: that is committed
    kStep,       // a rollout goes on, ends or goes back: `generation` scores from now on, if the newest generation of
                 // its model is still `after`. Its arms are arms of that one, so they are loaded everywhere. The number
                 // of this entry is the generation
    kHold,       // generation `after` makes no step by itself any more
    kCounts,     // what `instance` has counted of generation `generation_number` in all; replaces its entry before
    kRewards,    // the rewards of `model` below `position` of `partition`, a partition of a source of rewards, in all;
                 // replaces the entry before of the same model and partition
    kFile,       // `start` is what the topology file of `instance` says of `model`. With `edited` that is an edit which
            // needs no deployment; without, it is what the newest edit said, and replaces the entry before of the same
            // model and instance
    kUnreadable,  // not ours, or of a newer anabranch: has no effect; `reasons`. Never written
  };
  uint32_t number = 0;  // by the log, from 1, growing; gaps are possible
  Kind kind = Kind::kPrepare;
  int64_t at_ms = 0;       // since 1970
  std::string deployment;  // names what belongs together: kPrepare … kActive or kAbandoned
  std::string action;      // "start", "deploy", "rollback", "promote", "hold"
  std::string by, reason, approved_by, host;
  std::string instance;                      // who wrote it; empty: a command
  GenerationRecord generation;               // kPrepare, kActive
  std::vector<std::string> reasons;          // kRefused, kAbandoned, kStep "abandon"
  std::map<std::string, std::string> gates;  // kReady, kActive: gate → what it measured, for people
  std::string partition;                     // kServes, kRewards: "TOPIC/PARTITION"
  int64_t position = 0;                      // kServes, kRewards
  uint32_t generation_number = 0;            // kServes, kCounts
  uint32_t after = 0;  // kStep, kHold: the generation that it is about; kPrepare: that it was made from, or 0
  // kStep: the version ends the process, or cannot be loaded, so it counts although the rollout is held
  bool is_crash = false;
  std::map<std::string, std::string> counts;  // kCounts: node → ArmCounts::Print()
  // kStep, kHold: guard → its figures when that was decided, for people; kCounts: by which guards it is counted
  std::map<std::string, std::string> guards;
  std::string model;    // kRewards, kFile
  uint32_t era = 0;     // kRewards: how often an operator has set the position
  std::string rewards;  // kRewards: RewardTotals::Print()
  // What the topology file names as `start`: kFile; kActive with the action "start"; kPrepare and kAbandoned of a
  // deployment by an edit of the file
  std::string start;
  uint32_t edited = 0;  // with `start`, of an edit: the entry that says what the file had before; 0: it is no edit
};

// Of the entries with one such key a log need only keep the newest. Empty: it is kept for good.
std::string ReplacedBy(const ControlEntry& entry);

const char* NameOf(ArmRule rule);  // "one", "shadow", "canary", "bandit", "event_time"
// One JSON object per entry, without its number.
std::string PrintControlEntry(const ControlEntry& entry);
Result<ControlEntry> ParseControlEntry(std::string_view json);
// The same of an entry that stands in a log at `place`, for people. What cannot be read becomes kUnreadable, so that
// one such entry stops nobody; but for a generation: without it the instances do not agree.
Result<ControlEntry> ReadControlEntry(std::string_view json, const std::string& place);

// Where the instances of a topology agree on generations, and where their history stands: a one-partition topic, or,
// for one instance, a file of its state folder. Every reader sees the same entries in the same order. Thread-safe.
// Every wait is bounded; kUnavailable names what cannot be reached.
class ControlLog {
 public:
  virtual ~ControlLog() = default;
  // Durable when it returns: the number of the entry. Of kCounts the log need not keep an entry that was replaced.
  virtual Result<uint32_t> Append(const ControlEntry& entry) = 0;
  // The entries behind `after`, in order, up to what is there now. Waits up to `wait_ms` for the first.
  virtual Result<std::vector<ControlEntry>> Read(uint32_t after, int wait_ms) = 0;
  // The instances that work on the topology now, where the log can tell (members of the group); nullopt: it cannot.
  virtual Result<std::optional<std::vector<std::string>>> Members() = 0;
  // Instances on other machines may write it too. False: it is this instance's own, and nobody else's.
  virtual bool shared() const { return true; }
  // For people: "topic fraud.control", "models.db in …".
  virtual std::string Describe() const = 0;
};

// The log in STATE_DIR/models.db (as durable as the ledger). Several processes may have it open: the running one
// and commands.
Result<std::unique_ptr<ControlLog>> OpenLocalControlLog(const std::string& state_dir);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/models/control_log.h"

namespace anabranch {

// What the entries of a control log come to, read in order. Two readers of the same entries agree: what an entry means
// depends on those before it alone, never on a clock.
//
//   kPrepare    opens a deployment; it has no effect if the model has an open one already, or if there is a generation
//               behind `after` (0: any) that is not just learned: it was made from one that is gone
//   kActive     ends the open deployment that it names, and its number is a generation; with the action "start" it also
//               counts without one, for a model that has no generation yet
//   kAbandoned  ends the open deployment that it names without effect; with a generation it also stands for a
//               deployment of its own, which was refused before any instance was asked
//   kStep       counts if the newest generation of the model is `after`: of several that instances or commands append
//               at the same time, the first one does. One of an instance does not count behind a kHold of `after`, but
//               for a crash. Ends an open deployment of the model without effect; but with the action "learn" it is the
//               one without effect. With the action "abandon" the version of `after` could not be loaded in the place
//               of the one before: that deployment is abandoned after all
//   kHold       counts as long as the newest generation of its model is `after`
//   kCounts     the newest one of each instance and generation counts
//   kRewards    of those of one model and partition the one with the highest era and position counts
//   kFile       an edit of `start` counts if what it names as the one before (`edited`) is still the newest: of several
//               instances that see it at the same time the first one counts. That holds for those of kPrepare and
//               kAbandoned, too: without it they have no effect. Without `edited` it counts if it says what the newest
//               edit said
//   kServes     counts unless the partition is scored by a newer generation already: it came late
class ControlState {
 public:
  struct Deployment {
    enum class State : uint8_t { kOpen, kActive, kAbandoned, kIgnored };
    State state = State::kOpen;
    ControlEntry prepare;
    std::map<std::string, ControlEntry> answers;  // by instance: kReady or kRefused, the newest one
    ControlEntry end;                             // kActive, kAbandoned
  };
  struct Generation {
    uint32_t number = 0;
    ControlEntry active;
    const GenerationRecord& record() const { return active.generation; }
    const GenerationRecord::Arm& serving() const { return record().serving(); }
  };
  struct Served {
    uint32_t number = 0;        // of the generation
    int64_t since = 0;          // position
    std::string instance = {};  // that said so last; not compared
    bool operator==(const Served& other) const { return number == other.number && since == other.since; }
  };

  // What the topology file has named as `start` of a model, from one edit to the next.
  struct FileStart {
    uint32_t number = 0;  // of the entry that says so
    std::string version, instance;
    int64_t at_ms = 0;
  };

  void Apply(const ControlEntry& entry);

  uint32_t last() const { return last_; }  // entry applied last
  const std::vector<Generation>& generations() const { return generations_; }
  const std::vector<Deployment>& deployments() const { return deployments_; }
  // By partition, in the order of the entries.
  const std::map<std::string, std::vector<Served>>& served() const { return served_; }

  // The newest generation of a model, or the newest that is not newer than `number`; null: it has none.
  const Generation* Newest(const std::string& model, uint32_t number = UINT32_MAX) const;
  // The newest generation of a model behind `after`, but for those with the action "learn"; null: there is none.
  const Generation* ChangedSince(const std::string& model, uint32_t after) const;
  // The generation with this very number; null: none has it.
  const Generation* At(uint32_t number) const;
  // What scores as of `number`, in short: two logs that mean the same by it have the same check. 0: no generation has
  // this number.
  uint32_t Check(uint32_t number) const;
  // No step by itself.
  bool IsHeld(uint32_t generation) const { return HoldOf(generation) != nullptr; }
  // The first kHold of a generation; null: none.
  const ControlEntry* HoldOf(uint32_t generation) const;
  // kCounts of a generation by instance; null: none.
  const std::map<std::string, ControlEntry>* CountsOf(uint32_t generation) const;
  // kRewards of a model by partition; null: none.
  const std::map<std::string, ControlEntry>* RewardsOf(const std::string& model) const;
  // Oldest first; empty: the model never ran.
  const std::vector<FileStart>& StartsOf(const std::string& model) const;
  // Whether the file of the instance has had the newest of them.
  bool HasSeenStart(const std::string& model, const std::string& instance) const;
  const Deployment* Open(const std::string& model) const;
  const Deployment* Find(const std::string& deployment) const;

 private:
  bool CanOpen(const ControlEntry& prepare) const;
  void ApplyStep(const ControlEntry& entry);
  void ApplyRewards(const ControlEntry& entry);
  void ApplyFile(const ControlEntry& entry);
  bool FollowsStart(const std::string& model, const ControlEntry& entry) const;
  void AddStart(const std::string& model, const std::string& version, const ControlEntry& entry);
  Deployment* FindOpen(const std::string& deployment);

  uint32_t last_ = 0;
  std::vector<Generation> generations_;  // by number
  std::vector<Deployment> deployments_;  // by number of kPrepare
  std::map<std::string, std::vector<Served>> served_;
  std::map<uint32_t, ControlEntry> holds_;                              // by generation
  std::map<uint32_t, std::map<std::string, ControlEntry>> counts_;      // by generation, instance
  std::map<std::string, std::map<std::string, ControlEntry>> rewards_;  // by model, partition
  std::map<std::string, std::vector<FileStart>> starts_;                // by model
  std::map<std::string, std::map<std::string, uint32_t>> seen_;         // by model, instance: the entry that says so
};

}  // namespace anabranch

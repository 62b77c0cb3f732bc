#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/keep/kept_store.h"
#include "engine/plan.h"

namespace anabranch {

// Compares kept frames with the plan that is to restore them: which stages they hold, whether those results still match
// the plan, and what is missing. Entries and plan must outlive it.
class KeptMatch {
 public:
  // The id under which a stage's results would have been kept.
  using KeptId = std::function<std::string(StageId)>;
  KeptMatch(const Plan& plan, const std::vector<KeptStore::Entry>& kept, const KeptId& kept_id);

  // A frame that counts: a later one of the same batch replaces an earlier one.
  struct Frame {
    const KeptHeader* header = nullptr;
    StageId source = kNoStage;                     // kNoStage: the plan has no such source
    std::vector<const KeptHeader::Stage*> stages;  // by StageId; null: not finished when it was kept
  };
  const std::vector<Frame>& frames() const { return frames_; }
  const std::string& kept_id(StageId stage) const { return kept_ids_[stage]; }

  // Some frame holds its results / holds results of it from another plan / all of them have this closure.
  bool Held(StageId stage) const;
  bool Changed(StageId stage) const;
  bool AllHave(StageId stage, const std::string& closure) const;

  // By StageId: whether rows of some frame run the stage. `reused` (by StageId) says whose kept results are used.
  std::vector<bool> Running(const std::vector<bool>& reused) const;
  // Why the frames cannot be restored like this: one text per reason, without the remedy.
  std::vector<std::string> Lacks(const std::vector<bool>& reused) const;
  std::map<std::string, std::string> Reuse(const std::vector<bool>& reused) const;
  bool InFrame(const Frame& frame, StageId stage) const;

 private:
  std::vector<bool> Restored(const Frame& frame, const std::vector<bool>& reused) const;
  StageId ReaderOf(const Frame& frame, const std::vector<bool>& restored, ColumnId column) const;
  void LacksOfRows(const Frame& frame, const std::vector<bool>& reused, std::vector<std::string>* lacks) const;
  void LacksOfOutputs(const Frame& frame, const std::vector<bool>& reused, std::vector<std::string>* lacks) const;

  const Plan& plan_;
  std::vector<std::string> kept_ids_;  // by StageId
  std::vector<Frame> frames_;
};

}  // namespace anabranch

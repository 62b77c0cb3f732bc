#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/keep/kept_store.h"
#include "engine/plan.h"

namespace anabranch {

// Kept frames beside the plan that is to take them up: which stages they hold, whether those results are still the
// plan's, and what is missing. Entries and plan must outlive it.
class KeptMatch {
 public:
  // The id under which a stage's results would have been kept.
  using KeptId = std::function<std::string(StageId)>;
  KeptMatch(const Plan& plan, const std::vector<KeptStore::Entry>& kept, const KeptId& kept_id);

  // A frame that counts: a later one of the same batch stands for the earlier.
  struct Frame {
    const KeptHeader* header = nullptr;
    StageId source = kNoStage;                     // kNoStage: the plan has no such source
    std::vector<const KeptHeader::Stage*> stages;  // by StageId; null: not finished when it was kept
  };
  const std::vector<Frame>& frames() const { return frames_; }
  const std::string& kept_id(StageId stage) const { return kept_ids_[stage]; }

  // Some frame holds its results / holds such that another plan made / all of them have this closure.
  bool Held(StageId stage) const;
  bool Changed(StageId stage) const;
  bool AllHave(StageId stage, const std::string& closure) const;

  // By StageId: some frame's rows run it, when `reused` (by StageId) says whose kept results are used.
  std::vector<bool> Running(const std::vector<bool>& reused) const;
  // Why the frames cannot be taken up so, one text each, without the cure.
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

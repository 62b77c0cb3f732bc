#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/restart/failure.h"

namespace anabranch {

// What became of a plan that is remembered: stage by stage, "was" followed. Both must outlive it.
class PlanChanges {
 public:
  PlanChanges(const PlanFacts& before, const Plan& plan, const std::string& identity);

  // The stage as it was, or null: it is new.
  const StageFacts* Before(StageId stage) const { return before_[stage]; }
  // The stage itself: configuration, model or inputs; not what lies above it.
  bool Edited(StageId stage) const;
  // Stages that the plan has no more.
  const std::vector<const StageFacts*>& gone() const { return gone_; }
  // One line per stage that is new, gone, renamed, edited, or reads or writes elsewhere.
  std::vector<std::string> Lines() const;
  // What would make stored positions or a target's rows those of another pipeline, one text each.
  std::vector<std::string> Moved() const;

 private:
  const StageFacts* Find(const std::string& id) const;
  std::vector<std::string> InputsThen(StageId stage) const;
  std::string Line(StageId stage) const;

  const PlanFacts& facts_;
  const Plan& plan_;
  const PlanFacts now_;
  std::vector<const StageFacts*> before_;  // by StageId
  std::vector<const StageFacts*> gone_;
};

}  // namespace anabranch

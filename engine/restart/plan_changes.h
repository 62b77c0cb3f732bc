#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/restart/failure.h"

namespace anabranch {

// Compares a stored plan with the present one, stage by stage, following "was". Both must outlive it.
class PlanChanges {
 public:
  PlanChanges(const PlanFacts& before, const Plan& plan, const std::string& identity);

  // The stage as it was, or null if it is new.
  const StageFacts* Before(StageId stage) const { return before_[stage]; }
  // Whether the stage itself changed: configuration, model or inputs; stages above it do not count.
  bool Edited(StageId stage) const;
  // Stages that the plan no longer has.
  const std::vector<const StageFacts*>& gone() const { return gone_; }
  // One line per stage that is new, gone, renamed, edited, or reads or writes elsewhere.
  std::vector<std::string> Lines() const;
  // Changes that would make stored positions or a target's rows those of another pipeline: one text each.
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

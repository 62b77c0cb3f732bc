#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"

namespace anabranch {

// What differs between two plans, before any record is run. "Before" is the first, "after" the second.

enum class NodeChange : uint8_t {
  kSame,   // it and all above it
  kAbove,  // it is the same, something above it is not
  kEdited,
  kNew,
  kGone,
};

struct NodeReport {
  std::string id, kind;  // after; before, where it is gone
  std::string was;       // its id before, where that was another
  NodeChange change = NodeChange::kSame;
  std::string fingerprint_before, fingerprint_after;  // empty: not there
};

// A field that a target's rows have, or had.
struct WrittenFieldChange {
  std::string target, field;
  std::string before, after;  // types, with "?" where it may be null; empty: not written
};

struct PlansReport {
  bool same = false;                 // every node, every source and the way of delivery
  std::vector<NodeReport> nodes;     // sources first, in plan order; then those that are gone
  std::vector<std::string> changes;  // one line for each change (engine/restart/plan_changes.h)
  std::vector<std::string> moved;    // changes for which a restart needs a new identity
  // Nodes whose kept results a restart with the second plan uses, and those that it runs again, in plan order.
  std::vector<std::string> reused, run_again;
  std::vector<WrittenFieldChange> fields;
};

PlansReport ComparePlans(const Plan& before, const Plan& after);

// By StageId of `after`: the stage that it was, under the same id or under its "was"; kNoStage: it is new.
std::vector<StageId> StagesBefore(const Plan& before, const Plan& after);

}  // namespace anabranch

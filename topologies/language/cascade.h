#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "engine/fault.h"

namespace anabranch {

// Tells faults of their own from mere consequences, for nodes below a faulty one. Such a node is bound
// into a sink of its own, and only what does not hang on the missing columns is passed on.
class CascadeFilter {
 public:
  CascadeFilter(const std::string& file_text, FaultSink& faults) : text_(file_text), faults_(faults) {}

  // Every name in a faulty entry may be a column that it would have made.
  void AddFaulty(const ConfigValue& entry);
  void AddFaulty(const std::string& column) { names_.insert(column); }
  // `blind`: not even the names of the missing columns are known.
  void PassOn(const FaultSink& found, bool blind);

 private:
  bool IsConsequence(const Fault& fault, bool blind) const;

  const std::string& text_;
  FaultSink& faults_;
  std::unordered_set<std::string> names_;
};

// Drops what only follows from another fault of the list: the value of a variable that is not set, an entry that is
// unused because its reader misspells it, two columns of one name below the fault that says so, a node that finds
// nothing to do with a faulty schema. Keeps the order.
std::vector<Fault> WithoutConsequences(std::vector<Fault> faults);

}  // namespace anabranch

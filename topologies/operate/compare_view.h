#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/models/rollout_judge.h"
#include "engine/plan.h"

namespace anabranch {

// How two versions of a model answered the same rows, for `model compare` and the page.
struct ModelComparison {
  std::string model;
  uint32_t generation = 0;
  GenerationRecord record;  // of the generation: its arms are what is compared
  CountsByNode counts;
  std::vector<std::string> omitted;  // counts that do not fit the newest ones (of other outputs), or are damaged
};

// The comparison of `generation`, or (0) of the newest one with two arms; its counts are those of the log, of all
// instances, without those of guards. kInvalid: there is none; the text says what there is.
Result<ModelComparison> ComparisonIn(const ControlState& state, const std::string& model, uint32_t generation = 0);

// What viewers do not see. Counts may be older than the plan: where anything of it is sensitive, what the plan does not
// know as open is hidden. The mask without a plan hides nothing.
struct CompareMask {
  bool is_sensitive = false;                                  // something of the plan is
  std::map<std::string, std::set<std::string>> open_outputs;  // by node
  std::set<std::string> open_columns;                         // of all scopes, by name
  bool values = false;                                        // of rows and segments: hides all of them

  bool Hides(const std::string& node, const std::string& output) const;  // "p[0]": an element of "p"
  bool HidesSegment(const std::string& node, const std::string& column) const;
};
CompareMask OpenIn(const Plan& plan);

struct CompareChoice {
  std::optional<std::string> segment;  // only this one
  bool by_segment = false;             // each; in JSON they are all there unless one is chosen
};

// {"model", "generation", "serving", "candidate", "rule", "share", "nodes": […]}; the segment with the value null is
// the total.
std::string CompareJson(const ModelComparison& comparison, const CompareChoice& choice, const CompareMask& mask);
std::string CompareText(const ModelComparison& comparison, const CompareChoice& choice, const CompareMask& mask);

}  // namespace anabranch

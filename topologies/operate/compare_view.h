#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "engine/models/rollout_judge.h"
#include "engine/plan.h"

namespace anabranch {

// How two versions of a model answered the same rows, for `model compare` and the page.
struct ModelComparison {
  std::string model;
  uint32_t generation = 0;
  GenerationRecord record;  // of the generation: its arms are what is compared
  CountsByNode counts;
};

// The comparison of `generation`, or (0) of the newest one with two arms; its counts are those of the log, of all
// instances. kInvalid: there is none; the text says what there is.
Result<ModelComparison> ComparisonIn(const ControlState& state, const std::string& model, uint32_t generation = 0);

// What viewers do not see: made from the plan's sensitive columns.
struct CompareMask {
  std::map<std::string, std::set<std::string>> columns;  // by node: of the compared outputs
  bool segments = false;                                 // the values of the segment column
  bool rows = false;                                     // the rows that differ most, whatever their columns

  bool Hides(const std::string& node, const std::string& output) const;  // "p[0]": an element of "p"
};
CompareMask SensitiveIn(const Plan& plan, const std::string& model);

struct CompareChoice {
  std::optional<std::string> segment;  // only this one
  bool by_segment = false;             // each; in JSON they are all there unless one is chosen
};

// {"model", "generation", "serving", "candidate", "rule", "share", "nodes": […]}; the segment with the value null is
// the total.
std::string CompareJson(const ModelComparison& comparison, const CompareChoice& choice, const CompareMask& mask);
std::string CompareText(const ModelComparison& comparison, const CompareChoice& choice, const CompareMask& mask);

}  // namespace anabranch

#pragma once

#include <cstddef>
#include <vector>

#include "engine/strategy/compare.h"
#include "nodes/infer/program.h"

namespace anabranch {

// The values of a node that are compared between arms, as indices into InferPlan::values: all but lists of numbers
// that are no floats, and those longer than this.
inline constexpr int64_t kMostComparedElements = 100;
std::vector<size_t> ComparedValues(const InferPlan& plan);

// Adds the same as outputs of a comparison; a vector is one for each of its elements. `columns`: of the version that
// the columns were made for. `version`: the one whose package says the bins and the classes.
void AddComparedOutputs(const InferPlan& columns, const InferPlan& version, CompareSpec* spec);

}  // namespace anabranch

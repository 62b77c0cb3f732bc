#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/plan.h"

namespace anabranch {

// The one place that decides what viewers do not see unless they may and ask for it: values that a schema calls
// x-sensitive, and what carries them on.
inline constexpr char kMasked[] = "***";

// By ColumnId: fields that are sensitive, and texts, lists and JSON made by a node that reads a hidden column, since
// they may hold it word for word. Numbers and flags that are computed from hidden columns are shown.
std::vector<bool> HiddenColumns(const Plan& plan);
// By StageId of the sources: a key that is taken from a hidden column.
std::vector<bool> HiddenKeys(const Plan& plan);
// A source with sensitive fields: messages of its faulty records quote values.
bool HidesMessages(const PlanSource& source);

// The value of a record with its sensitive parts replaced: by stars, or (`stand_ins`) by values of the same type that
// are the same for the same value. A value that is no JSON object is replaced as a whole.
std::string MaskRecord(const PlanSource& source, std::string_view value, bool stand_ins = false);

}  // namespace anabranch

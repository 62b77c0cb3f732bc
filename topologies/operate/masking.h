#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan.h"
#include "engine/restart/failure.h"

namespace anabranch {

// The one place that decides what viewers do not see unless they may and ask for it: values that a schema calls
// x-sensitive, and what carries them on.
inline constexpr char kMasked[] = "***";

// By ColumnId: fields that are sensitive; texts, lists and JSON made by a node that reads a hidden column, since they
// may hold it word for word; and what is a hidden column under another name, or one function of it (`-pin`,
// `float(pin)`). Other numbers and flags that are computed from hidden columns are shown.
std::vector<bool> HiddenColumns(const Plan& plan);
// By StageId of the sources: a key that is taken from a hidden column.
std::vector<bool> HiddenKeys(const Plan& plan);
// A source with sensitive fields: messages of its faulty records quote values.
bool HidesMessages(const PlanSource& source);
// The message of such a failure quotes values of a record.
bool TellsOfARecord(ErrorClass error_class);
// Whether the message may quote what is sensitive.
bool HidesMessage(const Plan& plan, const Failure& failure);
// The failure as viewers see it.
Failure Masked(const Plan& plan, Failure failure);

// The value of a record with its sensitive parts replaced: by stars, or (`stand_ins`) by values of the same type that
// are the same for the same value. A value that is no JSON object, or nested deeper than the source takes, is replaced
// as a whole.
std::string MaskRecord(const PlanSource& source, std::string_view value, bool stand_ins = false);

// The sensitive values of one record, where they come again as its key or in its headers.
class HiddenValues {
 public:
  HiddenValues(const PlanSource& source, std::string_view value);
  // False: the value is no JSON object that the source takes, so nobody knows what is sensitive in it.
  bool known() const { return known_; }
  bool Hold(std::string_view text) const { return texts_.contains(text); }

 private:
  bool known_ = true;
  std::set<std::string, std::less<>> texts_;
};

}  // namespace anabranch

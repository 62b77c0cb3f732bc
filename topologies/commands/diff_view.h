#pragma once

#include <optional>
#include <string>
#include <vector>

#include "topologies/trial/compare_plans.h"
#include "topologies/trial/compare_rows.h"

namespace anabranch {

// What `diff` found, as it is shown. Pure functions: texts end with a line feed, JSON is one line without one.
struct DiffReport {
  std::string before, after;  // the two versions, by name
  PlansReport plans;
  std::optional<RowsReport> rows;  // none: no records were compared
  std::string records_from;        // "kafka topic payments"
  double max_changed = 0;

  // No record was run, or none came through on either side: equal results say nothing then.
  bool nothing_compared() const;
  bool within() const { return rows && !nothing_compared() && rows->share() <= max_changed; }
};

std::string DiffText(const DiffReport& report);
std::string DiffJson(const DiffReport& report);

}  // namespace anabranch

#pragma once

#include <set>
#include <string>
#include <vector>

#include "topologies/trial/test_case.h"

namespace anabranch {

// The parts of BindTestCase. Each reports its faults and fills its members of the case.

// What binding one case has to share.
struct TestBinding {
  const Plan& plan;
  const PathJudge& paths;
  FaultSink& faults;
  TestCase& test;
  std::set<std::string> codes = {};  // with which mocks let records fail
};

// Whether an unknown key, which is reported, may stand for what is missing in `at`.
bool MayBeMisspelt(const ConfigValue& at, const std::vector<std::string>& known);

void BindGiven(const ConfigValue& given, TestBinding& binding);
void BindMocks(const ConfigValue& mocks, TestBinding& binding);
void BindExpect(ConfigValue& expect, TestBinding& binding);

// The stage with this id; a fault with a suggestion and nullopt when there is none. `sources`: whether it may be one.
std::optional<StageId> FindStage(const ConfigValue& at, const std::string& id, bool sources, TestBinding& binding);
// Whether `only` leaves the stage out, so that nothing can be said of it; a fault if so.
bool IsLeftOut(const ConfigValue& at, StageId stage, TestBinding& binding);
// Of the columns that `stage` made, the one with this name; a fault with a suggestion and nullopt when there is none.
std::optional<ColumnId> FindColumn(const ConfigValue& at, StageId stage, TestBinding& binding);
// Whether the value of "headers" is an object; a fault when it is not.
bool AreHeaders(const ConfigValue& headers, TestBinding& binding);
// The columns that a stage made.
std::vector<ColumnId> ColumnsOf(const Plan& plan, StageId stage);
// Milliseconds since 1970 of an instant, given as text or as a number; a fault and nullopt when it is none.
std::optional<int64_t> InstantOf(const ConfigValue& at, FaultSink& faults);

}  // namespace anabranch

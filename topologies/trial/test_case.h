#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/fault.h"
#include "engine/plan.h"
#include "topologies/language/paths.h"
#include "topologies/trial/tolerance.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// A condition of a field, {"$expr": TEXT}, compiled against the fields of its row.
struct FieldCondition {
  const ConfigValue* at = nullptr;
  std::shared_ptr<const Expression> expression;
};

// What one target must receive.
struct ExpectedRows {
  TargetId target;
  const ConfigValue* at = nullptr;         // the list, or the object with the count
  std::optional<int64_t> count;            // set: only this is judged
  std::vector<const ConfigValue*> rows;    // objects {"value", "key", …}
  std::vector<FieldCondition> conditions;  // of all rows
};

struct ExpectedLetters {
  const ConfigValue* at = nullptr;  // null: there may be none
  std::optional<int64_t> count;
  std::vector<const ConfigValue*> letters;
};

struct ExpectedCell {
  size_t given = 0;  // index into TestCase::given
  ColumnId column;
  const ConfigValue* value = nullptr;
};

struct ExpectedCount {
  StageId stage;
  const ConfigValue* value = nullptr;  // its name is the count's
};

// A test case, checked against a plan and ready to run. Refers to its tree and its plan, which outlive it.
struct TestCase {
  // A record as the case gives it. `row` of an expectation is an index into all of them.
  struct Given {
    StageId source;
    size_t index = 0;              // among the records of its source: its offset
    std::optional<size_t> record;  // index into `records`; none: a record without a value, which no source hands over
  };

  const ConfigValue* at = nullptr;
  std::string name;
  const Plan* plan = nullptr;
  std::vector<Given> given;
  std::vector<TrialRecord> records;
  std::vector<size_t> given_of;  // by record: index into `given`
  TrialOptions options;          // mocks, failing commits, the clock
  std::set<StageId> mocked;      // nodes with a mock
  std::set<StageId> idle;        // nodes that `only` leaves out
  std::vector<ExpectedRows> rows;
  ExpectedLetters letters;
  std::vector<ExpectedCell> cells;
  std::vector<ExpectedCount> counts;
  std::vector<std::string> secrets;  // texts in the case that no message may show
  bool any_order = false;
  bool contains = false;
  Tolerance tolerance;

  // Index into `given` of a record of a trial.
  size_t GivenOf(size_t record) const { return given_of[record]; }
};

// Checks the case `at`, whose structure is checked, against the plan: every fault at once, each with its place. Null
// when there was one. `paths` judges the files that it reads.
std::unique_ptr<TestCase> BindTestCase(ConfigValue& at, const Plan& plan, const PathJudge& paths, FaultSink& faults);

}  // namespace anabranch

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "topologies/trial/test_case.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// What came out, as a test file writes it: one JSON text, or a list with an item per line.
struct RecordedValue {
  std::string text;
  std::vector<std::string> items;
  bool list = false;
};

// An edit of a test file after which it expects what came out. Its place is Difference::at.
struct Recorded {
  enum class Edit : uint8_t {
    kNone,     // nothing in the file would help
    kReplace,  // the value `at` becomes `value`
    kRemove,   // the item or the member `at` goes
    kItem,     // the list `at` gets the item `value`, behind its item `behind`
    kMember,   // the object `at` gets the member `name`
  };
  Edit edit = Edit::kNone;
  RecordedValue value;
  std::string name;
  const ConfigValue* behind = nullptr;  // null: before all others
};

// One way in which a trial is not what its case expects.
struct Difference {
  const ConfigValue* at = nullptr;  // the expectation, or the case where it says nothing of this
  std::string where;                // "out[0].value.score"
  std::string expected, actual;     // what a message shows; a sentence in `expected` alone where the two say nothing
  std::optional<size_t> record;     // of the trial, that it is about
  Recorded recorded;
};

// Compares what came out with what the case expects; empty: it passes. Dead letters that no case expects are
// differences, and so is a stage that stopped. Rows and dead letters are paired first (pair_rows.h), so that one that
// is missing is one difference.
std::vector<Difference> JudgeTrial(const TestCase& test, const TrialResult& result);

// What a case without expectations could expect of this trial: members of `expect`, a list per target that `only` does
// not leave out, and the dead letters if there are any.
std::vector<Recorded> RecordAll(const TestCase& test, const TrialResult& result);

// The id of a given record in messages: "payments[0]".
std::string GivenName(const TestCase& test, size_t given);
// What each stage did with a record, in one line: "check ok, gbt 0.68, nn mocked 0.9, vote ok".
std::string WayOf(const TestCase& test, const TrialResult& result, size_t record);

}  // namespace anabranch

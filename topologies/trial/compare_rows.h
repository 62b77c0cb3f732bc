#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "topologies/trial/compare_fields.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// What differs between the rows that two plans write for the same records. "Before" is the first plan, "after" the
// second.

// Rows of a target that only one side wrote.
struct OneSidedRows {
  int64_t rows = 0;
  std::map<std::string, int64_t> why;  // what became of their records on the other side
  std::vector<std::string> examples;   // record ids, the first ones
};

struct TargetReport {
  std::string id;   // of the node that writes it; of the one before, where there is none after
  std::string was;  // of the node before, where it had another id
  bool added = false, removed = false;
  int64_t rows_before = 0, rows_after = 0;
  int64_t both = 0;     // records with a row on both sides
  int64_t changed = 0;  // of them: with a value that changed, or that is gone
  OneSidedRows only_before, only_after;
  std::vector<FieldReport> fields;    // in the order of the second plan; then those that it does not write
  std::vector<FieldReport> envelope;  // "key", "header NAME", and "value" of rows without fields: those that changed
};

struct LetterCount {
  std::string node, code;  // the node by its id after
  int64_t before = 0, after = 0;
};

struct RowsReport {
  int64_t records = 0;
  // Records with a result that changed: a row on one side only, a value that changed or is gone, or another dead
  // letter. What only the second plan writes, a target or a field, is no change: a reader of the first finds all that
  // it knows.
  int64_t changed = 0;
  std::vector<TargetReport> targets;
  std::vector<LetterCount> letters;

  double share() const { return records == 0 ? 0 : static_cast<double>(changed) / static_cast<double>(records); }
};

// Takes the trials of the same records by two plans, part by part, and keeps counts, not rows. `stages_before`: by
// StageId of `after`, the stage that it was (compare_plans.h). The plans outlive the object.
class RowsComparison {
 public:
  RowsComparison(const Plan& before, const Plan& after, const std::vector<StageId>& stages_before,
                 const Tolerance& tolerance);
  ~RowsComparison();
  RowsComparison(const RowsComparison&) = delete;
  RowsComparison& operator=(const RowsComparison&) = delete;

  // Both results are those of `records`, in this order, and complete.
  void Add(std::span<const TrialRecord> records, const TrialResult& before, const TrialResult& after);
  RowsReport Report() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anabranch

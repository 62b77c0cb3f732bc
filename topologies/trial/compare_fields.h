#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/type.h"
#include "topologies/trial/tolerance.h"

namespace anabranch {

// A value that changed, and where.
struct ValueChange {
  std::string record;         // id, topic/partition/offset
  std::string before, after;  // JSON text
  std::optional<double> delta;
};

// How often one value became another.
struct Flip {
  std::string before, after;  // JSON text; "a number" where numbers became null, or the other way round
  int64_t count = 0;
};

// What became of one field of a target.
struct FieldReport {
  std::string name;
  std::string type_before, type_after;  // empty: that side does not write the field
  int64_t equal = 0;                    // rows whose values are the same, or differ by no more than the tolerance
  int64_t near = 0;                     // of them: not the same
  int64_t changed = 0;
  // Of |after - before|, where both are numbers or lists of them (then the largest of the list): the largest, and the
  // one that 99 % of these rows do not exceed. `numbers`: how many rows these are.
  int64_t numbers = 0;
  double max_delta = 0, p99_delta = 0;
  std::vector<Flip> flips;            // the most frequent first, at most FieldComparison::kMostFlips
  int64_t other_flips = 0;            // changes of the same kind that are not in `flips`
  std::vector<ValueChange> examples;  // the largest deltas, else the first; at most FieldComparison::kMostExamples

  bool added() const { return type_before.empty(); }
  bool removed() const { return type_after.empty(); }
};

// Compares the values of one field, row by row. Floats are compared within the tolerance, alone and in lists;
// everything else exactly. Keeps every delta that is not 0, so that p99 is exact: 8 bytes each.
class FieldComparison {
 public:
  static constexpr size_t kMostFlips = 5, kMostExamples = 3;
  static constexpr size_t kMostPairs = 1000;      // of values, whose flips are counted apart
  static constexpr size_t kMostValueBytes = 200;  // longer texts are cut

  // Types of the field on both sides; none: the side does not write it.
  FieldComparison(std::string name, const std::optional<Type>& before, const std::optional<Type>& after,
                  const Tolerance& tolerance);

  // One row that both sides wrote. False: the values differ by more than the tolerance.
  bool Add(const std::string& record, const nlohmann::json& before, const nlohmann::json& after);
  FieldReport Report() const;

 private:
  void Count(const nlohmann::json& before, const nlohmann::json& after);
  void Show(const std::string& record, const nlohmann::json& before, const nlohmann::json& after,
            std::optional<double> delta);

  FieldReport report_;
  const Tolerance tolerance_;
  bool numeric_ = false;        // both sides write numbers, or lists of them
  bool floats_ = false;         // and at least one side floats
  std::vector<double> deltas_;  // that are not 0
  std::map<std::pair<std::string, std::string>, int64_t> flips_;
};

}  // namespace anabranch

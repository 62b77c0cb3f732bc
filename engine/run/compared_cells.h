#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/column.h"
#include "engine/strategy/compare.h"

namespace anabranch {

// The cells of one row as the values of a comparison: one for a scalar, one per element for a tensor. Keeps its memory
// from row to row; the values are valid until the next Begin().
class ComparedCells {
 public:
  // Of `outputs`: CompareSpec::outputs.
  void Begin(std::span<const CompareSpec::Output> outputs);
  // The next column. A list has no values.
  void Add(const Column& column, uint32_t row);
  std::span<const ComparedValue> values() const { return values_; }

  // How many outputs a column is.
  static size_t OutputsOf(const Type& type);
  // The value of a cell as the name of a segment. A null, a list and a tensor have none: "(null)".
  static void AppendText(const Column& column, uint32_t row, std::string* text);

 private:
  std::string_view TextOf(int64_t number);

  std::span<const CompareSpec::Output> outputs_;
  std::vector<ComparedValue> values_;
  std::vector<std::array<char, 24>> digits_;  // of labels that are numbers, by output
};

}  // namespace anabranch

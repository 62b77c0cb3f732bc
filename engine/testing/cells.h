#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

#include "engine/column.h"

namespace anabranch {

// One value of a column as tests write and compare it: null (nullptr), bool, integer (int64 and timestamps in
// microseconds), number (float32 and float64), text, or a vector of cells (lists; tensors flat, row-major).
// Two NaN are equal.
struct Cell {
  Cell() = default;
  Cell(std::nullptr_t) {}
  // Defined elsewhere: inlined, they make gcc 12 warn of members of the variant that are not the current one.
  Cell(bool v);
  Cell(int v);
  Cell(int64_t v);
  Cell(double v);
  Cell(const char* v);
  Cell(std::string v);
  Cell(std::vector<Cell> v);

  bool is_null() const { return value.index() == 0; }
  bool operator==(const Cell& other) const;

  std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<Cell>> value;
};

std::ostream& operator<<(std::ostream& out, const Cell& cell);

// Resets `column` to `type` and writes one cell per row. Integers are taken as numbers where the column holds
// floats; any other cell that does not fit the type aborts.
void FillColumn(Column* column, const Type& type, const std::vector<Cell>& cells);
Cell ReadCell(const Column& column, uint32_t row);
std::vector<Cell> ReadCells(const Column& column);

}  // namespace anabranch

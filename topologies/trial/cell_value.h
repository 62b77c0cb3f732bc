#pragma once

#include <string>
#include <vector>

#include "engine/column.h"
#include "engine/config.h"
#include "engine/type.h"

namespace anabranch {

// Values of a JSON tree as cells of columns.

// Whether a cell of `type` can hold the value: null fits everywhere, a whole number a float, a text of the form
// "2026-01-01T00:00:00Z" a timestamp, nested arrays a tensor of their shape.
bool FitsCell(const ConfigValue& value, const Type& type);
// How to write a value of `type` in place of one that does not fit.
std::string CellHint(const ConfigValue& value, const Type& type);
// Fills the whole column: one value per row, each fitting; null pointers are nulls.
void FillCells(const std::vector<const ConfigValue*>& values, const Type& type, Column* column);

}  // namespace anabranch

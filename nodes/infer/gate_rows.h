#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/column.h"
#include "engine/models/package.h"
#include "engine/type.h"

namespace anabranch {

// One line of a test set of a package.
struct GateRow {
  std::string place;  // "tests/always.jsonl:3"
  std::shared_ptr<const nlohmann::ordered_json> json;
};

// The rows of a set; none when the package has no such file. Lines that are no objects are faults, "test_row": of many,
// the first ones.
std::vector<GateRow> ReadGateRows(const ModelPackage& package, const std::string& file,
                                  std::vector<PackageFault>* faults);

// "p['fraud'] > 0.4" with the class's place: expressions index by number. `output` is that of the `classes`.
std::string WithClassNumbers(std::string text, const std::string& output, const std::vector<std::string>& classes);

// Fills one cell per row from `inputs` of the row: null where the member is absent or null. A value that does not fit
// the type is a fault, "test_row".
void FillGateColumn(const std::vector<GateRow>& rows, const std::string& name, const Type& type, Column* column,
                    std::vector<PackageFault>* faults);

// The cell as JSON: a number, a text, a flag, or a flat list of numbers. It is valid.
nlohmann::ordered_json GateCell(const Column& column, uint32_t row);

}  // namespace anabranch

#pragma once

#include <string>
#include <vector>

#include "engine/testing/node_runner.h"

namespace anabranch {

// One model of tests/models with its rows and the answers of the library that made it.
struct ModelCase {
  struct Value {
    std::string name;
    std::string type;            // "float", "string", "seq(map(string,tensor(float)))", …
    std::vector<int64_t> shape;  // without the row dimension
    std::vector<Cell> cells;     // one per row; maps are omitted
    std::vector<std::pair<std::string, std::vector<Cell>>> classes;  // of maps: class → one cell per row
  };
  std::string name;
  double tolerance = 0;
  std::vector<Value> inputs;
  std::vector<Value> outputs;
  size_t rows = 0;
};

// All of tests/models/expected.json.
const std::vector<ModelCase>& ModelCases();
const ModelCase& FindModelCase(const std::string& name);

// A runner with the case's model under the name "m" and a column for each feature, and the node's configuration with
// every output, whole and in parts: {"kind": "infer", "model": "m", …}.
ConfigValue SetUpCase(const ModelCase& model, NodeRunner* runner);
// Adds `"batch": {"max_rows": n}`.
void SetMaxRows(int64_t rows, ConfigValue* config);
// Appends the case's rows [first, first + count), starting again at its end.
void FillCase(const ModelCase& model, size_t first, size_t count, NodeRunner* runner);
// Expects the results of SetUpCase's node to be the case's, within its tolerance.
void ExpectCase(const ModelCase& model, size_t first, size_t count, NodeRunner* runner);

// The runner's result cells, all columns, row by row.
std::vector<std::vector<Cell>> Results(NodeRunner* runner);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/node.h"
#include "nodes/infer/model.h"

namespace anabranch {

// One column that feeds a model input.
struct FeatureColumn {
  ColumnId id;
  std::string name;
  int64_t elements = 1;  // values per row
};

// One input of the model and the columns that feed it: their values side by side make a row.
struct ModelInput {
  std::string name;
  Element element = Element::kFloat32;
  std::vector<int64_t> row_shape;  // without the row dimension; no free dimension remains
  int64_t width = 1;               // values per row
  std::vector<FeatureColumn> columns;
};

// One output that the node uses.
struct ModelOutput {
  std::string name;
  ValueInfo::Form form = ValueInfo::Form::kTensor;
  Element element = Element::kFloat32;
  std::vector<int64_t> row_shape;  // as declared
  int64_t width = -1;              // values per row; -1 = not declared
};

// One column that the node makes: a part of an output's row.
struct MadeValue {
  std::string reference;  // "probabilities[1]"
  ColumnId id;
  Type type;
  size_t output = 0;  // index into InferPlan::outputs
  int64_t first = 0;  // values [first, first + count) of the row
  int64_t count = 1;
  std::string class_name;            // maps: the key
  std::vector<std::string> classes;  // whole maps: the keys, in the order of the vector
};

// What an infer node does, compiled. Immutable.
struct InferPlan {
  std::string node;
  std::string model_name;
  std::string label;  // "gbt@7": name and version, or the digest's first 8 digits
  std::shared_ptr<const ModelFile> model;
  std::vector<ModelInput> inputs;
  std::vector<ModelOutput> outputs;
  std::vector<MadeValue> values;
  uint32_t fixed_rows = 0;  // rows of every call, when the file fixes them; 0 = free
  uint32_t max_rows = 0;    // requested rows per call; 0 = calibrate
  bool null_is_nan = false;
  bool allow_nan = false;
  bool nondeterministic = false;             // may give other results for the same row
  int64_t call_limit_ns = 30'000'000'000;    // for one call, if its node has no deadline
  int64_t warmup_limit_ns = 60'000'000'000;  // for Open()
};

// Checks an infer node against its columns and its model. Null when there was a fault.
std::shared_ptr<const InferPlan> BindInfer(BindContext& context, ModelCache& models);

// The program that runs `plan`.
std::shared_ptr<const NodeProgram> MakeInferProgram(std::shared_ptr<const InferPlan> plan);

}  // namespace anabranch

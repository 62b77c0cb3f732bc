#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/models/package.h"
#include "engine/node.h"
#include "nodes/infer/model.h"

namespace anabranch {

// A feature of a package: an expression over the columns that the node may read. Its column stays inside the node.
struct OwnFeature {
  std::string name;
  std::shared_ptr<const Expression> expression;
  std::shared_ptr<const Type> storage;  // of an expression that narrows, for an input that takes float32; or null
};

// One column that feeds a model input.
struct FeatureColumn {
  ColumnId id;
  int own = -1;  // index into InferPlan::own; -1: the column `id` of the batch
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
  std::vector<int64_t> row_shape;    // as declared
  int64_t width = -1;                // values per row; -1 = not declared
  std::vector<std::string> classes;  // of its values, where the file or the package names them
};

// One column that the node makes: a part of an output's row.
struct MadeValue {
  std::string name;
  std::string reference;  // "probabilities[1]"
  ColumnId id;
  Type type;
  size_t output = 0;  // index into InferPlan::outputs
  int64_t first = 0;  // values [first, first + count) of the row
  int64_t count = 1;
  std::string class_name;            // maps: the key
  std::vector<std::string> classes;  // whole maps: the keys, in the order of the vector
  std::vector<int64_t> order;        // where each value lies in the row, if not side by side from `first` on
};

// One column that shows a feature of the package.
struct ShownFeature {
  std::string name;
  ColumnId id;
  Type type;
  size_t own = 0;  // index into InferPlan::own
};

// One column that says how a row was scored.
struct RowStamp {
  enum class What : uint8_t {
    kVersion,     // that answered
    kGeneration,  // its number
    kArm,         // the version that the row drew
    kPropensity,  // the probability with which it drew that one
  };
  std::string name;
  What what = What::kVersion;
  ColumnId id;

  Type type() const {
    if (what == What::kGeneration) return Type::Scalar(Kind::kInt64);
    return Type::Scalar(what == What::kPropensity ? Kind::kFloat64 : Kind::kString);
  }
};

// What an infer node does, compiled. Immutable.
struct InferPlan {
  std::string node;
  std::string model_name;
  std::string label;  // "gbt@7": name and version, or the digest's first 8 digits
  std::shared_ptr<const ModelFile> model;
  std::shared_ptr<const ModelPackage> package;  // that the model lies in; null: the file names the model itself
  std::vector<OwnFeature> own;
  std::vector<ModelInput> inputs;
  std::vector<ModelOutput> outputs;
  std::vector<MadeValue> values;
  std::vector<ShownFeature> shown;
  std::vector<RowStamp> stamps;
  // As messages name the model.
  const std::string& called() const { return package == nullptr ? model_name : label; }

  uint32_t fixed_rows = 0;  // rows of every call, when the file fixes them; 0 = free
  uint32_t max_rows = 0;    // requested rows per call; 0 = calibrate
  bool null_is_nan = false;
  bool allow_nan = false;
  bool in_place = false;                     // there is memory for one version only
  bool nondeterministic = false;             // may give other results for the same row
  int64_t call_limit_ns = 30'000'000'000;    // for one call, if its node has no deadline
  int64_t warmup_limit_ns = 60'000'000'000;  // for Open()
};

// Checks an infer node against its columns and its model. Null when there was a fault.
std::shared_ptr<const InferPlan> BindInfer(BindContext& context, ModelCache& models);

// The same for another version of the model of `serving`, which was bound in these surroundings: it must get by with
// their columns and make those of `serving`, of the same types and classes. Classes in another order are put into that
// of `serving`. kInvalid: it does not fit, all reasons, one per line. kStage: its model cannot be used at all.
Result<std::shared_ptr<const InferPlan>> BindVersion(const class Surroundings& surroundings, const InferPlan& serving,
                                                     std::shared_ptr<const ModelPackage> package);

// The program that runs `plan`. With a package, versions of its model come and go while it runs: `context` is the one
// that the plan was bound with, and is not kept.
std::shared_ptr<const NodeProgram> MakeInferProgram(std::shared_ptr<const InferPlan> plan);
std::shared_ptr<const NodeProgram> MakeManagedProgram(std::shared_ptr<const InferPlan> plan,
                                                      const BindContext& context);

}  // namespace anabranch

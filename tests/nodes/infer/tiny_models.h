#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace anabranch {

// Models of a few operators, made as text of ONNX files, for what no library exports: refusing, hanging, mixing.
// Each has one input X int64[N] and one output Y.

// Y = table[X], float32[N], of the four values 10, 20, 30, 40: refuses X outside [-4, 3].
std::string LookupModel();
// The same of four other values.
std::string TableModel(std::initializer_list<float> table);
// Y = table[X], float32[N,W]: rows of `width` values.
std::string VectorModel(const std::vector<float>& table, int64_t width);
// Y = table[X], int64[N], of the values 10, 20, 30, 40.
std::string IntegerTableModel();
// LookupModel after adding 100 to X: refuses everything.
std::string RefusingModel();
// Y = A - B, int64[N]: has two inputs.
std::string DifferenceModel();
// Y = X, int64[N], after max(X) idle turns of a loop.
std::string LoopModel();
// Y = X + sum of all X in the call, int64[N]: a record's result varies with its neighbours.
std::string MixingModel();
// Y = sum of all X, int64[]: no result per record.
std::string SummingModel();
// Never ends.
std::string EndlessModel();
// Y = a random number for each X, float32[N].
std::string RandomModel();
// Y = X in another type; both by number (TensorProto.DataType).
std::string CastModel(int in, int out);
// LookupModel with its table in another file, from byte `offset` on where that is given.
std::string ExternalModel(const std::string& location = "table.bin", const std::string& offset = "");

// A folder that goes with the object, with one file in it.
class ModelFolder {
 public:
  ModelFolder(const std::string& file, const std::string& bytes);
  ~ModelFolder();
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace anabranch

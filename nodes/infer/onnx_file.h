#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

// What the runtime does not tell about a model file, read from the file's own text (protocol buffers).
struct OnnxFileFacts {
  // Weights kept in files beside the model: the first such file's name, or empty.
  std::string external_data;
  // Output name → its classes, for outputs made by a ZipMap operator.
  std::map<std::string, std::vector<std::string>> classes;
};

// Never fails: bytes that are no ONNX model give no facts.
OnnxFileFacts ReadOnnxFileFacts(std::string_view bytes);

}  // namespace anabranch

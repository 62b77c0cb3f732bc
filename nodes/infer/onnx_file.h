#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// A part of a data file that holds the values of one tensor.
struct ExternalTensor {
  std::string tensor;    // its name, or ""
  std::string location;  // as written: relative to the model's folder
  uint64_t offset = 0;
  int64_t length = -1;  // in bytes; -1 = to the end of the file
};

// Facts that the runtime does not report about a model file, read from the file itself (protocol buffers).
struct OnnxFileFacts {
  int64_t ir_version = 0;
  // Tensors anywhere in the file whose values lie in other files: of graphs, subgraphs, functions, attributes, sparse
  // ones too.
  std::vector<ExternalTensor> external;
  // Output name → its classes, for outputs made by a ZipMap operator.
  std::map<std::string, std::vector<std::string>> classes;
  // An operator anywhere in the file that draws random numbers, as messages name it; or empty.
  std::string random;
};

// Reads the whole file, at any depth that the runtime would follow (100 messages). kInvalid: not a protocol buffer,
// nested deeper than that, ambiguous (a part that may occur once occurs twice), or a data file described wrongly.
Result<OnnxFileFacts> ReadOnnxFileFacts(std::string_view bytes);

// The model with the content of its data files (by location) in place of each reference to them, so that a runtime that
// reads the result opens no file. `bytes` has been read by ReadOnnxFileFacts. kInvalid: a tensor lies outside its
// file, or the result would be longer than 2 GiB. Every location must have its content; anything else is a program bug.
Result<std::string> WithExternalData(std::string_view bytes, const std::map<std::string, std::string>& files);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// The part of a model's outputs that a column gets: "label", "probabilities[1]", "Y[1][2]", "scores['spam']".
struct OutputReference {
  std::string output;
  std::vector<int64_t> indices;  // of tensors
  std::string class_name;        // of maps
  bool has_class = false;
};

// Reads a reference. `outputs` are the model's names, which may contain brackets themselves. kInvalid when malformed.
Result<OutputReference> ParseOutputReference(std::string_view text, const std::vector<std::string>& outputs);

}  // namespace anabranch

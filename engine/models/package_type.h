#pragma once

#include <optional>
#include <string_view>

#include "engine/type.h"

namespace anabranch {

// The type of a column as messages and manifests write it: "float64", "list<string>", "tensor<float32>[8,8]"
// (Type::ToString). Nothing when the text is no type.
std::optional<Type> ParseTypeText(std::string_view text);

}  // namespace anabranch

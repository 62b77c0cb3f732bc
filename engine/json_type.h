#pragma once

#include "engine/type.h"

namespace anabranch {

// The type of JSON text that is handed on as it is ("json" in messages): stored like a string, but nothing reads it.
// It differs from the type of strings by its element, which other scalars do not use.
inline Type JsonType() { return {Kind::kString, Kind::kList, {}}; }
inline bool IsJson(const Type& type) { return type.kind == Kind::kString && type.element == Kind::kList; }

}  // namespace anabranch

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "engine/fault.h"

namespace anabranch {

// Which schemas a keyword of JSON Schema draft-07 belongs to.
enum class SchemaScope : uint8_t {
  kNumber = 1,
  kString = 2,
  kArray = 4,
  kObject = 8,
  kBoolean = 16,
  kTime = 32,
  kDecoded = 64
};

// true: viewers see the value only if they may and ask for it. On an object: all of it.
inline constexpr char kSensitiveKeyword[] = "x-sensitive";

// Checks the members of one schema object against what can be enforced for a value of `scope`: keywords that are
// unknown, not supported or out of place are faults, as are values of the wrong shape. Annotations pass.
void CheckKeywords(const ConfigValue& schema, SchemaScope scope, FaultSink& faults);

// Says nothing about values: title, description, default, examples, $id …
bool IsSchemaAnnotation(std::string_view keyword);

}  // namespace anabranch

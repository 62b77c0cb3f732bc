#pragma once

#include <span>

#include "engine/config.h"
#include "engine/expression/expression.h"
#include "engine/fault.h"
#include "engine/scope.h"
#include "engine/target.h"
#include "engine/type.h"

namespace anabranch {

// Matchers stand in the place of an expected value:
//   {"$near": 0.83, "abs": 1e-3, "rel": 1e-4}   a number close to it
//   {"$any": true}                             any value, null too
//   {"$absent": true}                          no such field
//   {"$expr": "score > 0.8"}                   a row whose fields make this true

// An object with a key that begins with "$".
bool IsMatcher(const ConfigValue& value);
// The same of any value inside.
bool HoldsMatcher(const ConfigValue& value);
// Reports what is wrong with a matcher of a value of `type`. True: it is sound.
bool CheckMatcher(const ConfigValue& value, const Type& type, FaultSink& faults);

// The columns that "$expr" may read: the fields of a row, in their order.
Scope ScopeOfFields(std::span<const TargetField> fields);
// Whether `expression`, compiled against ScopeOfFields(fields), is true for the row `value` (an object).
bool IsTrueFor(const Expression& expression, std::span<const TargetField> fields, const ConfigValue& value);

}  // namespace anabranch

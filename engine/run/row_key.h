#pragma once

#include "engine/plan.h"
#include "engine/record_batch.h"

namespace anabranch {

// Gives every live row of a decoded batch its key by the source's rule; the record's own key moves to
// `record_key`. A row without one (no key, null field, no such header) fails at the source, code "key".
void ApplyKeyRule(const KeyRule& rule, RecordBatch& batch);

}  // namespace anabranch

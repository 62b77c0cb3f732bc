#pragma once

#include <string>

#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/letter.h"

namespace anabranch {

// Whether some record of the plan has values that its schema calls x-sensitive.
bool HasSensitive(const Plan& plan);
// The value of a letter as JSON, with "***" for what the schema of its record's source calls x-sensitive: the whole
// value where it is no JSON, or where that source is not known while some source has such values.
std::string MaskedValueJson(const Plan& plan, const DeadLetter& letter, std::string_view value);
// LetterJson (dlq_view.h) for somebody who may not see such values: its message, key, headers and results may hold them
// too, so these are hidden where the plan has any.
std::string MaskedLetterJson(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter);

}  // namespace anabranch

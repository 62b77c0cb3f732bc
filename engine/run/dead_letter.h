#pragma once

#include <string_view>

#include "engine/plan.h"
#include "engine/record_batch.h"

namespace anabranch {

// Appends one dead letter for a failed row: the record's key, value, timestamp and headers byte for
// byte, then the anabranch.error.* headers (topology.md §4). Each header is at most 1 KiB.
void AppendDeadLetter(const Plan& plan, const RecordBatch& batch, StageId stage, const RowError& error,
                      std::string_view failed_at, EncodedRows* out);

}  // namespace anabranch

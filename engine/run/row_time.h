#pragma once

#include <cstdint>

#include "engine/plan.h"
#include "engine/record_batch.h"

namespace anabranch {

// Gives every live row of a decoded batch its event time by the source's rule (RecordBatch::time_us). A row without one
// (no timestamp, null field) fails at the source, code "time"; one whose time is more than `max_ahead` later than
// `wall_ms`, milliseconds since 1970, fails with "time_ahead". Neither has a good time, nor has a row that failed
// before. The second judgement depends on when it is made: computed again, the row may pass.
void ApplyTimeRule(const Plan& plan, const TimeRule& rule, int64_t wall_ms, RecordBatch& batch);

}  // namespace anabranch

#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/generation.h"
#include "engine/restart/failure.h"
#include "engine/run/attempts.h"
#include "engine/run/ledger.h"

namespace anabranch {

// Crashes of one stage at one place after which it counts as failed: a restart by a supervisor would only repeat it.
inline constexpr int kMostCrashes = 3;

// The process before this one died: counts its calls in the ledger. A failure (without plan and time) when
// a stage died kMostCrashes times in a row over records that begin at the same position; before that, `warn` gets a
// line for each call that the process died in.
//
// Where the model of a stage has a candidate, that is given up at kMostCrashes, and the stage counts from 0. What only
// the candidate does (engine/run/call_name.h) counts wherever it was in the input, apart from the other calls.
// `generations` may be null. kUnavailable: the candidate cannot be given up now.
Result<std::optional<Failure>> BlameCrash(const AttemptSlots& slots, Ledger& ledger, Generations* generations,
                                          const std::function<void(const std::string&)>& warn);

}  // namespace anabranch

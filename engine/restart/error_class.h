#pragma once

#include <cstdint>
#include <string_view>

#include "engine/status.h"

namespace anabranch {

// What kind of failure stopped a stage.
enum class ErrorClass : uint8_t {
  kNone,
  kStage,         // every row would fail, or too many to single out the bad ones
  kTransient,     // a temporary failure, after the last retry
  kTimeout,       // it took longer than `timeout_ms`, after the last retry
  kBreaker,       // too many rows failed
  kContract,      // a row failed, and its node's "on_error" is "stop"
  kCrash,         // the process died in it again and again
  kTarget,        // the target refused, or is gone
  kSource,        // the source refused, or is gone
  kLostPosition,  // records at a stored position cannot be read any more: the remedy is a restart that accepts the loss
};

// The word in the ledger, in dead letters and in `status`: "stage", "lost_position"; empty for kNone.
std::string_view TextOf(ErrorClass error_class);
// kInvalid: the word is unknown.
Result<ErrorClass> ErrorClassFrom(std::string_view text);

}  // namespace anabranch

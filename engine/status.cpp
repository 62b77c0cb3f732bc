#include "engine/status.h"

namespace anabranch {

int ExitCode(Code code) {
  switch (code) {
    case Code::kOk:
    case Code::kCancelled: return 0;
    case Code::kInvalid: return 78;
    case Code::kUnavailable: return 69;
    case Code::kRetry:
    case Code::kFenced: return 75;
    case Code::kStage:
    case Code::kTimedOut:
    case Code::kAborted: return 1;
    case Code::kInternal: return 70;
  }
  return 70;
}

Status Status::WithContext(const std::string& context) const {
  if (ok()) return *this;
  return {code_, context + ": " + message_};
}

}  // namespace anabranch

#include "engine/restart/error_class.h"

#include <array>
#include <string>

namespace anabranch {
namespace {

constexpr std::array<std::string_view, 10> kTexts = {"",         "stage", "transient", "timeout", "breaker",
                                                     "contract", "crash", "target",    "source",  "lost_position"};
static_assert(kTexts.size() == static_cast<size_t>(ErrorClass::kLostPosition) + 1);

}  // namespace

std::string_view TextOf(ErrorClass error_class) { return kTexts[static_cast<size_t>(error_class)]; }

Result<ErrorClass> ErrorClassFrom(std::string_view text) {
  for (size_t i = 0; i < kTexts.size(); ++i) {
    if (kTexts[i] == text) return static_cast<ErrorClass>(i);
  }
  return Status(Code::kInvalid, "\"" + std::string(text) + "\" is not a class of failures");
}

}  // namespace anabranch

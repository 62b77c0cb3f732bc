#pragma once

#include <string>

namespace anabranch {

// Why a mutation ("name POINTER" or "value POINTER = JSON") that is not reported at its place does no harm; null when
// nothing says so.
const char* HarmlessReason(const std::string& mutation);

}  // namespace anabranch

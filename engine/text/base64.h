#pragma once

#include <string>
#include <string_view>

#include "engine/status.h"

namespace anabranch {

// The standard alphabet with padding (RFC 4648, section 4). FromBase64: kInvalid for any other text.
std::string Base64(std::string_view bytes);
Result<std::string> FromBase64(std::string_view text);

}  // namespace anabranch

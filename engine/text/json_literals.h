#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anabranch {

// Appends one JSON string or number to `out`. A number has the fewest digits that read back as the same value, without
// an exponent from 1e-6 up to 1e21. A string has only the escapes that JSON demands; it must be UTF-8.
void AppendJsonString(std::string* out, std::string_view text);
void AppendJsonNumber(std::string* out, double value);  // not finite: null
void AppendJsonNumber(std::string* out, float value);
void AppendJsonNumber(std::string* out, int64_t value);

}  // namespace anabranch

#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace anabranch {

// Reads an integer that is all of `text`, in decimal digits, perhaps behind a '-'. False: it is none, or does not fit.
template <typename T>
bool ReadWholeNumber(std::string_view text, T* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace anabranch

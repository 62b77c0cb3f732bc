#pragma once

#include <cstddef>
#include <string_view>

namespace anabranch {

// True when `text` is valid UTF-8.
bool IsUtf8(std::string_view text);

// Where the first byte stands that is not UTF-8, within three bytes. `text` is not valid UTF-8.
size_t FirstBadUtf8(std::string_view text);

// The longest beginning of a UTF-8 text that has at most `bytes` bytes and does not end inside a character.
inline std::string_view CutText(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

}  // namespace anabranch

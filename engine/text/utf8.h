#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace anabranch {

// True when `text` is valid UTF-8.
bool IsUtf8(std::string_view text);

// Where the first byte stands that is not UTF-8, within three bytes. `text` is not valid UTF-8.
size_t FirstBadUtf8(std::string_view text);

// Whether a byte of UTF-8 goes on with a character that began before it.
inline bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// How many characters (code points) a UTF-8 text has.
inline int64_t CodePoints(std::string_view text) {
  int64_t count = 0;
  for (char c : text) count += !IsContinuation(c);
  return count;
}

// The longest beginning of a UTF-8 text that has at most `bytes` bytes and does not end inside a character.
inline std::string_view CutText(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && IsContinuation(text[bytes])) --bytes;
  return text.substr(0, bytes);
}

}  // namespace anabranch

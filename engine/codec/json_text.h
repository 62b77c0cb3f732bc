#pragma once

#include <cstddef>
#include <string_view>

#include "engine/column.h"

namespace anabranch {

// Unescapes the inside of a JSON string (without its quotes, proven UTF-8 and closed) into `out`, which has room for
// text.size() bytes. False for an escape that JSON does not have and for half of a surrogate pair.
bool UnescapeJson(std::string_view text, char* out, size_t* length);

// The same into `arena`, for a text that holds an escape; a zero byte follows what `out` views.
inline bool UnescapeJson(std::string_view text, Arena* arena, std::string_view* out) {
  char* bytes = arena->Allocate(text.size());
  size_t length = 0;
  if (!UnescapeJson(text, bytes, &length)) return false;
  bytes[length] = '\0';
  *out = {bytes, length};
  return true;
}

// True when every escape inside the string is one that UnescapeJson takes.
bool EscapesAreValid(std::string_view text);

// Valid JSON without the white space between its tokens, so that it fits on one line; nothing else is changed. Without
// any it is `text` itself, else it is in `arena`.
std::string_view CompactJson(std::string_view text, Arena* arena);

}  // namespace anabranch

#pragma once

#include <string>
#include <string_view>

#include "engine/config.h"

namespace anabranch {

// Walks over JSON text token by token and says where each stands: the positions that the JSON
// library does not tell. It trusts the library to judge the grammar; on malformed text it only ends
// somewhere inside the text. Views `text`, which must outlive it.
class Scanner {
 public:
  explicit Scanner(std::string_view text);

  // The next bracket, string, number or word; commas, colons, white space and comments are passed over.
  Place Next();

  // For messages about a fault: passes over white space and comments, and stands on what follows.
  // False when a comment is never closed; then it stands on its beginning.
  bool SkipBlank();
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  // One byte, or the token that begins here.
  Place Here(size_t length = 1) const;
  Place TakeByte();
  Place TakeToken();
  std::string_view Text(const Place& place) const { return text_.substr(place.begin, place.end - place.begin); }

 private:
  void Advance(size_t to);

  std::string_view text_;
  size_t at_ = 0;
  size_t line_begin_ = 0;
  uint32_t line_ = 1;
};

// The place of the bytes [begin, end) of `text`; counts lines from the start.
Place PlaceAt(std::string_view text, size_t begin, size_t end);

// Offset of the first byte that is no UTF-8, or npos.
size_t FindInvalidUtf8(std::string_view text);

}  // namespace anabranch

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace anabranch {

// Where the tokens of one JSON text begin: every brace, bracket, colon, comma, opening quote and first byte of a
// literal, found in one pass that also proves UTF-8 and that strings are closed. Grammar is the reader's to check.
// Owns its memory and keeps it from text to text; not thread-safe.
class JsonIndex {
 public:
  enum class Fault : uint8_t { kNone, kEmpty, kUtf8, kOpenString, kControlCharacter, kTooLarge, kOther };

  JsonIndex();
  ~JsonIndex();

  // Indexes `text`; begin() and end() are valid until the next call. No padding behind the text is needed.
  Fault Build(std::string_view text);
  // Ascending byte offsets; *end() is the length of the text.
  const uint32_t* begin() const { return begin_; }
  const uint32_t* end() const { return end_; }

 private:
  struct Engine;
  std::unique_ptr<Engine> engine_;
  size_t capacity_ = 0;
  const uint32_t* begin_ = nullptr;
  const uint32_t* end_ = nullptr;
};

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/codec/json_index.h"
#include "engine/text/number.h"

namespace anabranch {

// A cursor over the tokens of one JSON text that proves the grammar of all it passes, wanted or not. Methods return
// false once the text is at fault; code() and message() then say how. Every access stays inside the text: the last
// token is the closing brace of the root, and only after a closed container can the cursor be behind it.
class JsonWalk {
 public:
  explicit JsonWalk(size_t max_depth) : max_depth_(max_depth) { open_.resize(max_depth + 1); }

  // Indexes the text; false unless it is UTF-8 and looks like one object from first to last byte.
  bool Begin(std::string_view text);
  // After the root object: nothing may follow.
  bool End() { return at_ == end_ || Broken("more text after the object"); }

  char Peek() const { return at_ == end_ ? '\0' : base_[*at_]; }
  char Token() const { return base_[*at_]; }
  const char* pointer() const { return base_ + *at_; }
  const uint32_t* position() const { return at_; }
  void Return(const uint32_t* position) { at_ = position; }
  void Advance() { ++at_; }
  char Take() { return at_ == end_ ? '\0' : base_[*at_++]; }

  // The key at the cursor and the colon; `raw` is what stands between the quotes.
  bool Key(std::string_view* raw);
  const char* wide() const { return wide_; }
  bool has_escapes() const { return has_escapes_; }

  // Scalars at the cursor, which moves behind them. False without a fault when there is another value.
  bool TryNumber(ScannedNumber* number) {
    if (!NumberAt(at_, number)) return false;
    ++at_;
    return true;
  }
  // An array of `count` numbers at the cursor, each handed to `store(number, index)`. False, with the cursor anywhere,
  // when there is another value or `store` gave false.
  template <typename Store>
  bool TryNumbers(int64_t count, Store store) {
    if (Token() != '[' || end_ - at_ <= 2 * count) return false;
    const uint32_t* at = at_ + 1;
    for (int64_t i = 0; i < count; ++i, at += 2) {
      ScannedNumber number;
      if (!NumberAt(at, &number) || base_[at[1]] != (i + 1 == count ? ']' : ',') || !store(number, i)) return false;
    }
    at_ = at;
    return true;
  }
  bool TryString(std::string_view* raw) {
    if (Token() != '"') return false;
    *raw = Inside();
    ++at_;
    return true;
  }
  bool TryLiteral(std::string_view word);

  // Passes any value.
  bool Skip();
  // What was passed since `start`, without the blanks behind it.
  std::string_view Since(const uint32_t* start) const;

  bool Enter() { return depth_ < max_depth_ ? (++depth_, true) : TooDeep(); }
  void Leave() { --depth_; }

  bool Broken(const char* what);
  bool BadEscape();
  bool Fail(const char* code, std::string message);
  const char* code() const { return code_; }
  std::string& message() { return message_; }

 private:
  // The number whose token is *at: behind it stand blanks up to the next token.
  [[gnu::always_inline]] bool NumberAt(const uint32_t* at, ScannedNumber* number) const {
    if (at[1] >= 16 && ScanShort(base_ + at[0], base_ + at[1], number)) return true;
    *number = LongNumberAt(at);
    return number->end != nullptr;
  }
  // By value, so that the numbers of the other way stay in registers. No end: there is none.
  ScannedNumber LongNumberAt(const uint32_t* at) const;
  bool Blank(const char* p, uint32_t next) const {
    const char* end = base_ + next;
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) ++p;
    return p == end;
  }
  // Between an opening quote and the next token stand the string and blanks only.
  std::string_view Inside() const {
    const uint32_t begin = *at_ + 1;
    uint32_t close = at_[1] - 1;
    while (base_[close] != '"') --close;
    return {base_ + begin, close - begin};
  }
  bool TooDeep();
  bool SkipScalar();
  bool SkipKey();
  bool IndexFault(JsonIndex::Fault fault, std::string_view text);
  bool RootFault(std::string_view text);

  JsonIndex index_;
  const char* base_ = nullptr;
  const uint32_t* at_ = nullptr;
  const uint32_t* end_ = nullptr;
  size_t size_ = 0;
  const char* wide_ = nullptr;  // the last place where eight bytes can be read
  size_t depth_ = 0;
  const size_t max_depth_;
  bool has_escapes_ = false;
  std::vector<char> open_;  // the containers open inside Skip
  const char* code_ = "";
  std::string message_;
};

}  // namespace anabranch

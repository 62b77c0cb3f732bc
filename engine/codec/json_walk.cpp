#include "engine/codec/json_walk.h"

#include <cstring>

#include "engine/codec/json_text.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr char kBadEscape[] = "an escape that JSON does not have, or half of a surrogate pair,";

}  // namespace

bool JsonWalk::Begin(std::string_view text) {
  base_ = text.data();
  size_ = text.size();
  wide_ = size_ < 8 ? nullptr : base_ + size_ - 8;
  depth_ = 0;
  const JsonIndex::Fault fault = index_.Build(text);
  at_ = index_.begin();
  end_ = index_.end();
  if (fault != JsonIndex::Fault::kNone) return IndexFault(fault, text);
  if (Token() != '{' || base_[end_[-1]] != '}' || !Blank(base_ + end_[-1] + 1, static_cast<uint32_t>(size_))) {
    return RootFault(text);
  }
  has_escapes_ = std::memchr(base_, '\\', size_) != nullptr;
  return true;
}

bool JsonWalk::IndexFault(JsonIndex::Fault fault, std::string_view text) {
  switch (fault) {
    case JsonIndex::Fault::kEmpty: return Fail("json", text.empty() ? "the value is empty" : "the value is blank");
    case JsonIndex::Fault::kUtf8:
      return Fail("utf8", "the value is not UTF-8 (near byte " + std::to_string(FirstBadUtf8(text)) + ")");
    case JsonIndex::Fault::kOpenString: return Fail("json", "not JSON: cut off inside a string");
    case JsonIndex::Fault::kControlCharacter: return Fail("json", "not JSON: a control character inside a string");
    case JsonIndex::Fault::kTooLarge:
      return Fail("too_large", "the value has " + std::to_string(text.size()) + " bytes, too many to index");
    default: return Fail("json", "not JSON");
  }
}

bool JsonWalk::RootFault(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) return Fail("json", "not JSON: begins with a byte-order mark");
  if (Token() != '{') {
    const char c = Token();
    const char* what = c == '[' ? "an array" : c == '"' ? "a string" : "no object";
    return Fail("json", std::string("the value is ") + what + "; wanted a JSON object");
  }
  return Fail("json", "not JSON: cut off, or text after the object (" + std::to_string(size_) + " bytes)");
}

bool JsonWalk::Fail(const char* code, std::string message) {
  code_ = code;
  message_ = std::move(message);
  return false;
}

bool JsonWalk::Broken(const char* what) {
  const size_t byte = at_ == end_ ? size_ : *at_;
  return Fail("json", std::string("not JSON: ") + what + " at byte " + std::to_string(byte));
}

bool JsonWalk::TooDeep() {
  return Fail("depth", "nested deeper than " + std::to_string(max_depth_) + " levels at byte " + std::to_string(*at_));
}

bool JsonWalk::Key(std::string_view* raw) {
  if (Peek() != '"') return Broken("no key");
  if (base_[at_[1]] != ':') return Broken("a key without a colon");
  *raw = Inside();
  at_ += 2;
  return true;
}

bool JsonWalk::TryLiteral(std::string_view word) {
  const char* p = pointer();
  const uint32_t next = at_[1];
  if (next - *at_ < word.size() || std::memcmp(p, word.data(), word.size()) != 0) return false;
  if (!Blank(p + word.size(), next)) return false;
  ++at_;
  return true;
}

ScannedNumber JsonWalk::LongNumberAt(const uint32_t* at) const {
  ScannedNumber number;
  if (!ScanNumber(base_ + at[0], &number, wide_) || !Blank(number.end, at[1])) number.end = nullptr;
  return number;
}

bool JsonWalk::SkipScalar() {
  switch (Token()) {
    case '"':
      if (has_escapes_ && !EscapesAreValid(Inside())) return BadEscape();
      ++at_;
      return true;
    case 't': return TryLiteral("true") || Broken("an unknown word");
    case 'f': return TryLiteral("false") || Broken("an unknown word");
    case 'n': return TryLiteral("null") || Broken("an unknown word");
    default: {
      ScannedNumber number;
      return TryNumber(&number) || Broken("no value");
    }
  }
}

bool JsonWalk::SkipKey() {
  std::string_view key;
  return Key(&key) && (!has_escapes_ || EscapesAreValid(key) || BadEscape());
}

bool JsonWalk::BadEscape() { return Broken(kBadEscape); }

bool JsonWalk::Skip() {
  const size_t floor = depth_;
  size_t depth = depth_;
  while (true) {
    const char token = Peek();
    if (token == '{' || token == '[') {
      if (depth == max_depth_) return TooDeep();
      open_[++depth] = token;
      ++at_;
      const bool empty = Peek() == (token == '{' ? '}' : ']');
      if (!empty) {
        if (token == '{' && !SkipKey()) return false;
        continue;
      }
    } else if (token == '\0' || token == '}' || token == ']' || token == ',' || token == ':') {
      return Broken("no value");
    } else if (!SkipScalar()) {
      return false;
    }
    while (true) {  // behind a value, or at the end of an empty container
      if (depth == floor) return true;
      const char behind = Peek();
      if (behind == (open_[depth] == '{' ? '}' : ']')) {
        ++at_;
        --depth;
        continue;
      }
      if (behind != ',') return Broken("neither a comma nor the end of what is open");
      ++at_;
      if (open_[depth] == '{' && !SkipKey()) return false;
      break;
    }
  }
}

std::string_view JsonWalk::Since(const uint32_t* start) const {
  const char* begin = base_ + *start;
  const char* end = base_ + (at_ == end_ ? size_ : *at_);
  while (end > begin && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\n' || end[-1] == '\r')) --end;
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace anabranch

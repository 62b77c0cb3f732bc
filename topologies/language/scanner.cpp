#include "topologies/language/scanner.h"

#include <algorithm>

namespace anabranch {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool EndsWord(char c) {
  return IsBlank(c) || c == ',' || c == ':' || c == '[' || c == ']' || c == '{' || c == '}' || c == '"' || c == '/';
}

// End of the string literal that begins at `at`: behind its closing quote, or at its line's end.
size_t EndOfString(std::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    } else if (text[at] == '\n') {
      return at;
    }
  }
  return text.size();
}

// Length of the UTF-8 sequence that begins with `lead` and its least code point; 0 = no lead byte.
size_t SequenceLength(unsigned char lead, uint32_t* least) {
  if (lead < 0x80) return *least = 0, 1;
  if (lead >= 0xC2 && lead < 0xE0) return *least = 0x80, 2;
  if (lead >= 0xE0 && lead < 0xF0) return *least = 0x800, 3;
  if (lead >= 0xF0 && lead < 0xF5) return *least = 0x10000, 4;
  return 0;
}

}  // namespace

Scanner::Scanner(std::string_view text) : text_(text) {
  if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) at_ = line_begin_ = kByteOrderMark.size();
}

void Scanner::Advance(size_t to) {
  to = std::min(to, text_.size());
  for (; at_ < to; ++at_) {
    if (text_[at_] == '\n') {
      ++line_;
      line_begin_ = at_ + 1;
    }
  }
}

bool Scanner::SkipBlank() {
  while (!at_end()) {
    if (IsBlank(text_[at_])) {
      Advance(at_ + 1);
    } else if (text_.substr(at_, 2) == "//") {
      Advance(text_.find('\n', at_));
    } else if (text_.substr(at_, 2) == "/*") {
      const size_t end = text_.find("*/", at_ + 2);
      if (end == std::string_view::npos) return false;
      Advance(end + 2);
    } else {
      break;
    }
  }
  return true;
}

Place Scanner::Here(size_t length) const {
  Place place;
  place.line = line_;
  place.column = static_cast<uint32_t>(at_ - line_begin_ + 1);
  place.begin = static_cast<uint32_t>(at_);
  place.end = static_cast<uint32_t>(std::min(at_ + length, text_.size()));
  return place;
}

Place Scanner::TakeByte() {
  const Place place = Here();
  Advance(at_ + 1);
  return place;
}

Place Scanner::TakeToken() {
  if (at_end()) return Here();
  const char c = text_[at_];
  size_t end = at_ + 1;
  if (c == '"') {
    end = EndOfString(text_, at_);
  } else if (!EndsWord(c)) {
    while (end < text_.size() && !EndsWord(text_[end])) ++end;
  }
  const Place place = Here(end - at_);
  Advance(end);
  return place;
}

Place Scanner::Next() {
  while (SkipBlank() && (peek() == ',' || peek() == ':')) Advance(at_ + 1);
  return TakeToken();
}

Place PlaceAt(std::string_view text, size_t begin, size_t end) {
  begin = std::min(begin, text.size());
  const std::string_view before = text.substr(0, begin);
  const size_t newline = before.rfind('\n');
  Place place;
  place.line = static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n') + 1);
  place.column = static_cast<uint32_t>(newline == std::string_view::npos ? begin + 1 : begin - newline);
  place.begin = static_cast<uint32_t>(begin);
  place.end = static_cast<uint32_t>(std::min(end, text.size()));
  return place;
}

size_t FindInvalidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    uint32_t least = 0;
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t length = SequenceLength(lead, &least);
    if (length == 0 || at + length > text.size()) return at;
    uint32_t code = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      if ((next & 0xC0) != 0x80) return at;
      code = code << 6 | (next & 0x3F);
    }
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return at;
    at += length;
  }
  return std::string_view::npos;
}

}  // namespace anabranch

#include "engine/codec/json_text.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace anabranch {
namespace {

constexpr uint32_t kNoHex = 0xFFFFFFFF;

uint32_t Hex4(const char* p, const char* end) {
  if (end - p < 4) return kNoHex;
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    value <<= 4;
    if (c >= '0' && c <= '9') {
      value |= static_cast<uint32_t>(c - '0');
    } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
      value |= static_cast<uint32_t>((c | 32) - 'a' + 10);
    } else {
      return kNoHex;
    }
  }
  return value;
}

char* PutUtf8(uint32_t point, char* out) {
  if (point < 0x80) {
    *out++ = static_cast<char>(point);
  } else if (point < 0x800) {
    *out++ = static_cast<char>(0xC0 | (point >> 6));
    *out++ = static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    *out++ = static_cast<char>(0xE0 | (point >> 12));
    *out++ = static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (point & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | (point >> 18));
    *out++ = static_cast<char>(0x80 | ((point >> 12) & 0x3F));
    *out++ = static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (point & 0x3F));
  }
  return out;
}

// The code point of the \u escape whose digits begin at *p; *p moves behind it.
uint32_t CodePoint(const char** p, const char* end) {
  const uint32_t high = Hex4(*p, end);
  if (high == kNoHex || (high >= 0xDC00 && high <= 0xDFFF)) return kNoHex;
  *p += 4;
  if (high < 0xD800 || high > 0xDBFF) return high;
  if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u') return kNoHex;
  const uint32_t low = Hex4(*p + 2, end);
  if (low == kNoHex || low < 0xDC00 || low > 0xDFFF) return kNoHex;
  *p += 6;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

char SimpleEscape(char c) {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '/': return '/';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

}  // namespace

bool UnescapeJson(std::string_view text, char* out, size_t* length) {
  const char* p = text.data();
  const char* end = p + text.size();
  char* const begin = out;
  while (p < end) {
    const auto* slash = static_cast<const char*>(std::memchr(p, '\\', static_cast<size_t>(end - p)));
    const size_t plain = static_cast<size_t>((slash == nullptr ? end : slash) - p);
    if (plain != 0) std::memcpy(out, p, plain);
    out += plain;
    p += plain;
    if (p == end) break;
    if (end - p < 2) return false;
    const char kind = p[1];
    p += 2;
    if (kind == 'u') {
      const uint32_t point = CodePoint(&p, end);
      if (point == kNoHex) return false;
      out = PutUtf8(point, out);
    } else {
      const char plain_char = SimpleEscape(kind);
      if (plain_char == 0) return false;
      *out++ = plain_char;
    }
  }
  *length = static_cast<size_t>(out - begin);
  return true;
}

bool EscapesAreValid(std::string_view text) {
  const char* p = text.data();
  const char* end = p + text.size();
  while (p < end) {
    p = static_cast<const char*>(std::memchr(p, '\\', static_cast<size_t>(end - p)));
    if (p == nullptr) return true;
    if (end - p < 2) return false;
    const char kind = p[1];
    p += 2;
    if (kind == 'u' ? CodePoint(&p, end) == kNoHex : SimpleEscape(kind) == 0) return false;
  }
  return true;
}

namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Where the token at `p` ends: behind a text, else behind one byte.
const char* BehindToken(const char* p, const char* end) {
  if (*p++ != '"') return p;
  while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
  return p < end ? p + 1 : end;
}

}  // namespace

std::string_view CompactJson(std::string_view text, Arena* arena) {
  const char* const end = text.data() + text.size();
  const char* p = text.data();
  while (p < end && !IsBlank(*p)) p = BehindToken(p, end);
  if (p >= end) return text;
  char* const begin = arena->Allocate(text.size());
  char* out = std::copy(text.data(), p, begin);
  while (p < end) {
    if (IsBlank(*p)) {
      ++p;
      continue;
    }
    const char* const behind = BehindToken(p, end);
    out = std::copy(p, behind, out);
    p = behind;
  }
  return {begin, static_cast<size_t>(out - begin)};
}

}  // namespace anabranch

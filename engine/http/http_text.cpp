#include "engine/http/http_text.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr size_t kMostPairs = 64;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

bool IsToken(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool HasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return IsControl(c) && c != '\t'; });
}

// Where the bytes between `from` and `to` are `ends` NULs and then nothing but blanks.
bool Adjoins(std::string_view from, const char* to, ptrdiff_t ends) {
  const char* const after = from.data() + from.size();
  if (to - after < ends || to - after > ends + 256) return false;
  return std::all_of(after, after + ends, [](char c) { return c == '\0'; }) &&
         std::all_of(after + ends, to, [](char c) { return c == ' ' || c == '\t'; });
}

bool IsWhole(const RequestHead& head) {
  constexpr ptrdiff_t kLineEnd = 2;
  if (head.target.data() != head.method.data() + head.method.size() + 1) return false;
  if (head.version.data() != head.target.data() + head.target.size() + 1) return false;
  std::string_view before = head.version;
  for (const RequestHead::Header& header : head.headers) {
    if (header.name.data() != before.data() + before.size() + kLineEnd) return false;
    if (!Adjoins(header.name, header.value.data(), 1)) return false;
    before = header.value;
  }
  return head.end == before.data() + before.size() + 2 * kLineEnd;
}

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool Decode(std::string_view text, bool plus, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (IsControl(c)) return false;
    if (c == '%') {
      if (i + 2 >= text.size()) return false;
      const int high = Digit(text[i + 1]), low = Digit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    *out += c;
  }
  return IsUtf8(*out);
}

bool IsPlain(const std::string& path) {
  if (path.empty() || path[0] != '/') return false;
  if (std::ranges::any_of(path, [](char c) { return IsControl(c) || c == '\\'; })) return false;
  const std::string closed = path + "/";
  if (path != "/" && path.find("//") != std::string::npos) return false;
  return closed.find("/../") == std::string::npos && closed.find("/./") == std::string::npos;
}

}  // namespace

const char* FaultIn(const RequestHead& head) {
  if (!IsWhole(head)) return "the head of the request is malformed";
  std::set<std::string> seen;
  bool length = false, coding = false;
  for (const RequestHead::Header& header : head.headers) {
    if (!IsToken(header.name)) return "the name of a header is no token";
    if (HasControl(header.value)) return "the value of a header has a control character";
    const std::string name = Lower(header.name);
    if (name == "transfer-encoding" && Lower(header.value) != "chunked") return "only \"chunked\" is known as a coding";
    length |= name == "content-length";
    coding |= name == "transfer-encoding";
    const bool single = name == "host" || name == "content-length" || name == "transfer-encoding";
    if (!seen.insert(name).second && single) return "a header that may be given once is there twice";
  }
  return length && coding ? "Content-Length and Transfer-Encoding exclude each other" : nullptr;
}

bool ParseTarget(std::string_view target, std::string* path, std::map<std::string, std::string>* query) {
  const size_t mark = target.find('?');
  if (!Decode(target.substr(0, mark), false, path) || !IsPlain(*path)) return false;
  if (mark == std::string_view::npos) return true;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    std::string key, value;
    if (!Decode(pair.substr(0, equals), true, &key)) return false;
    if (equals < pair.size() && !Decode(pair.substr(equals + 1), true, &value)) return false;
    if (query->size() == kMostPairs || !query->emplace(std::move(key), std::move(value)).second) return false;
  }
  return true;
}

}  // namespace anabranch

#include "topologies/language/syntax.h"

#include <cctype>
#include <cstdio>

namespace anabranch {

namespace {

std::string Quoted(std::string_view token) {
  constexpr size_t kShown = 40;
  std::string text = "'";
  for (const char c : token.substr(0, kShown)) {
    if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(c));
      text += escape;
    } else {
      text += c;
    }
  }
  return text + (token.size() > kShown ? "…'" : "'");
}

// A string literal that the library refused.
SyntaxFault BadString(Scanner& scanner) {
  const Place place = scanner.TakeToken();
  const std::string_view text = scanner.Text(place);
  if (text.size() < 2 || text.back() != '"') {
    return {place, "the string is not closed on its line", "end it with '\"'; a line break inside is written \\n"};
  }
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    const bool control = static_cast<unsigned char>(text[i]) < 0x20;
    const bool escape = text[i] == '\\';
    if (!control && !escape) continue;
    if (escape && std::string_view("\"\\/bfnrt").find(text[i + 1]) != std::string_view::npos) {
      ++i;
      continue;
    }
    Place inside = place;
    inside.begin += static_cast<uint32_t>(i);
    inside.column += static_cast<uint32_t>(i);
    inside.end = inside.begin + (control ? 1 : 2);
    if (escape && text[i + 1] == 'u') {
      size_t digits = 0;
      while (digits < 4 && i + 2 + digits < text.size() &&
             std::isxdigit(static_cast<unsigned char>(text[i + 2 + digits]))) {
        ++digits;
      }
      if (digits == 4 && (text[i + 2] != 'd' && text[i + 2] != 'D')) {
        i += 5;
        continue;
      }
      return {inside, "\\u needs four hexadecimal digits, and halves of a pair stand together", {}};
    }
    if (control) return {inside, "a control character stands inside of a string", "write it as \\t, \\n or \\u00XX"};
    return {inside, "unknown escape " + Quoted(text.substr(i, 2)), "known: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"};
  }
  return {place, "the string is not valid JSON", {}};
}

std::string HintForWord(std::string_view word) {
  if (word == "True" || word == "False" || word == "TRUE" || word == "FALSE") return "JSON writes true and false";
  if (word == "None" || word == "nil" || word == "undefined" || word == "NULL") return "JSON writes null";
  if (word == "NaN" || word == "Infinity" || word == "-Infinity") return "JSON has no such number";
  if (word.front() == '\'') return "JSON strings stand in double quotes";
  if (word.front() == '+' || word.front() == '.') return "JSON numbers begin with a digit or '-'";
  return {};
}

SyntaxFault BadToken(Scanner& scanner, const std::string& expected) {
  if (scanner.at_end()) return {scanner.Here(0), "the file ends here; expected " + expected, {}};
  if (scanner.peek() == '"') return BadString(scanner);
  const Place place = scanner.TakeToken();
  const std::string_view token = scanner.Text(place);
  const bool number = std::isdigit(static_cast<unsigned char>(token[0])) || token[0] == '-';
  if (number) return {place, Quoted(token) + " is not a JSON number; expected " + expected, HintForWord(token)};
  return {place, "unexpected " + Quoted(token) + "; expected " + expected, HintForWord(token)};
}

SyntaxFault AfterValue(Scanner& scanner, char closing, const char* what) {
  const std::string expected = std::string("',' or '") + closing + "'";
  if (scanner.peek() != ',') {
    const bool begins_next = scanner.peek() == '"' || scanner.peek() == '{' || scanner.peek() == '[';
    if (!begins_next) return BadToken(scanner, expected);
    return {scanner.Here(), std::string("unexpected '") + scanner.peek() + "'; expected " + expected,
            "a comma is missing before this"};
  }
  const Place comma = scanner.TakeByte();
  if (!scanner.SkipBlank()) return {scanner.Here(2), "the comment is never closed", "end it with */"};
  if (scanner.peek() == closing) {
    return {comma, std::string("trailing comma before '") + closing + "'", "remove the comma"};
  }
  return BadToken(scanner, what);
}

}  // namespace

bool IsWholeScalar(std::string_view token) {
  if (token == "true" || token == "false" || token == "null") return true;
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < token.size() && std::isdigit(static_cast<unsigned char>(token[at]))) ++at;
    return at - begin;
  };
  if (at < token.size() && token[at] == '-') ++at;
  const size_t first = at;
  const size_t whole = digits();
  if (whole == 0 || (whole > 1 && token[first] == '0')) return false;
  if (at < token.size() && token[at] == '.' && (++at, digits() == 0)) return false;
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == token.size();
}

SyntaxFault DescribeScalar(const Place& place, std::string_view token) {
  const bool number = std::isdigit(static_cast<unsigned char>(token[0])) || token[0] == '-';
  return {place, Quoted(token) + (number ? " is not a JSON number" : " is not a JSON value"), HintForWord(token)};
}

SyntaxFault DescribeSyntax(Scanner scanner, Expecting expecting) {
  if (!scanner.SkipBlank()) return {scanner.Here(2), "the comment is never closed", "end it with */"};
  switch (expecting) {
    case Expecting::kRoot: return BadToken(scanner, "an object: {\"anabranch\": 1, …}");
    case Expecting::kFirstMember: return BadToken(scanner, "a key in double quotes, or '}'");
    case Expecting::kFirstItem: return BadToken(scanner, "a value, or ']'");
    case Expecting::kNextMember: return AfterValue(scanner, '}', "a key in double quotes");
    case Expecting::kNextItem: return AfterValue(scanner, ']', "a value");
    case Expecting::kEnd: return BadToken(scanner, "the end of the file: one file is one topology");
    case Expecting::kColon: break;
  }
  if (scanner.peek() != ':') {
    const Place here = scanner.Here();
    return {here,
            (scanner.at_end() ? "the file ends here" : "unexpected " + Quoted(scanner.Text(here))) +
                "; expected ':' after the key",
            {}};
  }
  scanner.TakeByte();
  if (!scanner.SkipBlank()) return {scanner.Here(2), "the comment is never closed", "end it with */"};
  return BadToken(scanner, "a value");
}

}  // namespace anabranch

#include "engine/expression/lexer.h"

#include <algorithm>
#include <charconv>

#include "engine/printable.h"

namespace anabranch::expression {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (static_cast<unsigned char>(c) & 0x80);
}
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }

struct Slip {
  std::string_view written;
  std::string_view meant;  // the token that replaces it
  const char* hint;
};

constexpr Slip kWordSlips[] = {{"and", "&&", "write &&"}, {"or", "||", "write ||"}, {"not", "!", "write !"}};
constexpr Slip kSymbolSlips[] = {
    {"===", "==", "write =="}, {"!==", "!=", "write !="}, {"<>", "!=", "write !="}, {"**", "**", "write pow(x, y)"},
    {"=", "==", "write =="},   {"&", "&&", "write &&"},   {"|", "||", "write ||"},  {"^", "**", "write pow(x, y)"},
};
constexpr std::string_view kOperators[] = {"||", "&&", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/",
                                           "%",  "!",  "?",  ":",  "(",  ")",  "[", "]", "{", "}", ","};

class Lexer {
 public:
  Lexer(std::string_view text, std::vector<ExpressionFault>* faults) : text_(text), faults_(faults) {}

  std::vector<Token> Run(bool* whole) {
    while (Next()) {
    }
    Begin(TokenKind::kEnd);
    *whole = !failed_;
    return std::move(tokens_);
  }

 private:
  // False at the end.
  bool Next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
    if (at_ == text_.size()) return false;
    const char c = text_[at_];
    if (IsDigit(c) || (c == '.' && at_ + 1 < text_.size() && IsDigit(text_[at_ + 1]))) {
      Number();
    } else if (IsNameStart(c)) {
      Name();
    } else if (c == '`') {
      QuotedName();
    } else if (c == '\'' || c == '"') {
      String();
    } else {
      Operator();
    }
    return true;
  }

  Token& Begin(TokenKind kind) {
    tokens_.push_back({});
    tokens_.back().kind = kind;
    tokens_.back().offset = at_;
    return tokens_.back();
  }

  void Advance(Token& token, size_t length) {
    token.length = length;
    at_ += length;
  }

  void Fail(size_t offset, size_t length, std::string message, std::string hint = {}) {
    length = std::min(length, text_.size() - offset);
    faults_->push_back({FaultCode::kExpressionSyntax, offset, length, std::move(message), std::move(hint)});
    failed_ = true;
  }

  // The same for a value of this length, which a token replaces.
  void FailValue(size_t length, std::string message, std::string hint = {}) {
    Fail(at_, length, std::move(message), std::move(hint));
    Advance(Begin(TokenKind::kFaulty), std::min(length, text_.size() - at_));
  }

  void Number() {
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    double number = 0;
    const auto parsed = std::from_chars(begin, end, number);
    const size_t length = static_cast<size_t>(parsed.ptr - begin);
    const std::string written(begin, length);
    if (parsed.ec != std::errc() || length == 0) return FailValue(length, "number " + written + " is out of range");
    if (parsed.ptr != end && IsNamePart(*parsed.ptr)) {
      return FailValue(length + 1, "\"" + written + *parsed.ptr + "\" is neither a number nor a name",
                       "put names that begin with a digit in back-quotes");
    }
    const bool whole = written.find_first_of(".eE") == std::string::npos;
    int64_t integer = 0;
    if (whole && std::from_chars(begin, parsed.ptr, integer).ec != std::errc()) {
      return FailValue(length, "integer " + written + " does not fit int64", "write " + written + ".0 for a float64");
    }
    Token& token = Begin(whole ? TokenKind::kInteger : TokenKind::kNumber);
    token.number = number;
    token.integer = integer;
    Advance(token, length);
  }

  // a, a.b: a dotted path is one column name.
  void Name() {
    size_t end = at_;
    while (true) {
      while (end < text_.size() && IsNamePart(text_[end])) ++end;
      if (end + 1 >= text_.size() || text_[end] != '.' || !IsNameStart(text_[end + 1])) break;
      ++end;
    }
    Token& token = Begin(TokenKind::kName);
    token.text = text_.substr(at_, end - at_);
    if (token.text == "true") token.kind = TokenKind::kTrue;
    if (token.text == "false") token.kind = TokenKind::kFalse;
    if (token.text == "null") token.kind = TokenKind::kNull;
    if (token.text == "in") token.kind = TokenKind::kIn;
    for (const Slip& slip : kWordSlips) {
      if (token.text == slip.written) Replace(token, slip);
    }
    Advance(token, end - at_);
  }

  void Replace(Token& token, const Slip& slip) {
    const std::string written(slip.written);
    faults_->push_back({FaultCode::kExpressionSyntax, token.offset, written.size(),
                        "\"" + written + "\" is not an operator of this language", slip.hint});
    token.kind = TokenKind::kOperator;
    token.text = slip.meant;
  }

  void QuotedName() {
    const size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) return FailValue(text_.size() - at_, "a back-quoted name is not closed");
    if (end == at_ + 1) return FailValue(2, "a back-quoted name is empty");
    Token& token = Begin(TokenKind::kName);
    token.text = text_.substr(at_ + 1, end - at_ - 1);
    token.quoted = true;
    Advance(token, end + 1 - at_);
  }

  void String() {
    const char quote = text_[at_];
    std::string value;
    bool sound = true;
    size_t i = at_ + 1;
    for (; i < text_.size() && text_[i] != quote; ++i) {
      if (text_[i] != '\\') {
        value += text_[i];
      } else {
        sound = Escape(&i, &value) && sound;
      }
    }
    if (i >= text_.size()) {
      return sound ? FailValue(text_.size() - at_, "a string is not closed", "close it with a quote")
                   : Advance(Begin(TokenKind::kFaulty), text_.size() - at_);
    }
    Token& token = Begin(sound ? TokenKind::kString : TokenKind::kFaulty);
    token.text = std::move(value);
    Advance(token, i + 1 - at_);
  }

  // text_[*i] is the backslash; leaves *i at the last byte of the escape.
  bool Escape(size_t* i, std::string* value) {
    const size_t begin = *i;
    const char c = ++*i < text_.size() ? text_[*i] : '\0';
    switch (c) {
      case 'n': *value += '\n'; return true;
      case 't': *value += '\t'; return true;
      case 'r': *value += '\r'; return true;
      case '\\':
      case '\'':
      case '"':
      case '/': *value += c; return true;
      case 'u': return CodePoint(i, value);
      default: break;
    }
    Fail(begin, 2, "unknown escape in a string", "known: \\n \\t \\r \\\\ \\' \\\" \\uXXXX");
    return false;
  }

  bool CodePoint(size_t* i, std::string* value) {
    unsigned code = 0;
    const char* digits = text_.data() + *i + 1;
    if (*i + 4 >= text_.size() || std::from_chars(digits, digits + 4, code, 16).ptr != digits + 4 ||
        (code >= 0xD800 && code < 0xE000)) {
      Fail(*i - 1, 2, "\\u needs four hexadecimal digits of one character", "write other characters directly");
      return false;
    }
    *i += 4;
    if (code < 0x80) {
      *value += static_cast<char>(code);
    } else if (code < 0x800) {
      *value += static_cast<char>(0xC0 | (code >> 6));
      *value += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      *value += static_cast<char>(0xE0 | (code >> 12));
      *value += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      *value += static_cast<char>(0x80 | (code & 0x3F));
    }
    return true;
  }

  void Operator() {
    const std::string_view rest = text_.substr(at_);
    for (const Slip& slip : kSymbolSlips) {
      if (!rest.starts_with(slip.written) || IsRealOperator(rest, slip.written)) continue;
      Replace(Begin(TokenKind::kOperator), slip);
      Advance(tokens_.back(), slip.written.size());
      return;
    }
    for (std::string_view op : kOperators) {
      if (!rest.starts_with(op)) continue;
      Token& token = Begin(TokenKind::kOperator);
      token.text = op;
      Advance(token, op.size());
      return;
    }
    Fail(at_, 1, "unexpected character \"" + Printable(rest.substr(0, 1)) + "\"");
    ++at_;
  }

  // "==" begins with the slip "=", and "&&" with "&": the longer, real operator wins.
  static bool IsRealOperator(std::string_view rest, std::string_view slip) {
    for (std::string_view op : kOperators) {
      if (op.size() > slip.size() && rest.starts_with(op) && op.starts_with(slip)) return true;
    }
    return false;
  }

  std::string_view text_;
  std::vector<ExpressionFault>* faults_;
  size_t at_ = 0;
  bool failed_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> Tokenise(std::string_view text, std::vector<ExpressionFault>* faults, bool* whole) {
  return Lexer(text, faults).Run(whole);
}

}  // namespace anabranch::expression

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/expression/expression.h"

namespace anabranch::expression {

enum class TokenKind : uint8_t {
  kEnd,
  kName,  // text: the column or function name, without back-quotes
  kInteger,
  kNumber,
  kString,    // text: the value, escapes resolved
  kOperator,  // text: the operator or bracket
  kTrue,
  kFalse,
  kNull,
  kIn,
  kFaulty,  // a value that cannot be read; its fault is reported
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;  // bytes into the expression
  size_t length = 0;
  std::string text;
  int64_t integer = 0;
  double number = 0;
  bool quoted = false;  // a name in back-quotes
};

// Splits an expression into tokens, the last of kind kEnd. Every fault is reported, and reading continues: slips with
// one clear meaning (`and`, `or`, `not`, `=`) become the intended operator, and `**` and `^` become the operator "**".
// After any other fault *whole is false, because syntax faults may then follow from this one.
std::vector<Token> Tokenise(std::string_view text, std::vector<ExpressionFault>* faults, bool* whole);

}  // namespace anabranch::expression

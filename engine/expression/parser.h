#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/expression/expression.h"

namespace anabranch::expression {

// Limits that keep hostile texts from exhausting stack or memory.
inline constexpr size_t kMaxTextBytes = 32768;
inline constexpr int kMaxDepth = 200;      // nesting of brackets, unary operators and branches
inline constexpr size_t kMaxNodes = 2000;  // a chain of operators is a tree as deep as it is long

struct Ast {
  enum class Kind : uint8_t {
    kNull,
    kBool,
    kInteger,
    kNumber,
    kString,
    kName,    // text
    kCall,    // text(args…)
    kUnary,   // text: - or !
    kBinary,  // text: the operator, or "in"
    kSelect,  // args: condition, then, else
    kIndex,   // args: sequence, index
    kList,    // args: items
    kTable,   // {key: value, …}; args: keys and values in turn
    kFaulty,  // a value whose fault is reported
  };
  struct Node {
    Kind kind;
    size_t offset = 0;  // of the name, literal or operator
    size_t length = 0;
    std::string text;
    bool boolean = false;
    int64_t integer = 0;
    double number = 0;
    std::vector<uint32_t> args;
  };
  std::vector<Node> nodes;  // children stand before their parents
  uint32_t root = 0;
  // The text cannot be read as a whole: `root` is not set. Its faults of syntax are reported; what could be read is in
  // `parts`, for the faults that those have of their own.
  bool broken = false;
  std::vector<uint32_t> parts;
};

// Null when the text is too long. Reports the first fault of syntax; further ones may follow from it.
std::optional<Ast> Parse(std::string_view text, std::vector<ExpressionFault>* faults);

}  // namespace anabranch::expression

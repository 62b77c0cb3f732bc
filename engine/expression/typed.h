#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/expression/kernels.h"

namespace anabranch::expression {

// An expression after the type check: every node knows its type and the kernel that computes it.
struct Typed {
  enum class Form : uint8_t {
    kFaulty,  // a fault was reported; type is meaningful where `known`
    kNull,    // the literal null, before it takes the type of its neighbour
    kLiteral,
    kColumn,
    kCall,      // kernel over all args
    kAnd,       // args: left, right; the right one counts only if the left is not false
    kOr,        // … only if the left is not true
    kSelect,    // args: condition, then, else
    kCoalesce,  // args: first, second
  };
  Form form = Form::kFaulty;
  Type type;
  bool known = true;
  bool nullable = true;
  bool lazy = false;  // some instruction below raises errors or is expensive
  size_t offset = 0;
  size_t length = 0;
  std::vector<uint32_t> args;
  Kernel kernel = nullptr;
  std::shared_ptr<const KernelData> data;
  Literal literal;
  ColumnId column;
};

struct TypedTree {
  std::deque<Typed> nodes;
  uint32_t root = 0;
};

// Writes `literal` into all rows of `column`.
void FillLiteral(const Literal& literal, uint32_t rows, Column* column);

// The value of a call over literals; false when it raises an error (the rows then report it).
bool Fold(const TypedTree& tree, const Typed& call, Literal* value);

// Turns a tree without faults into instructions.
std::shared_ptr<const ExpressionProgram> Generate(const TypedTree& tree);

}  // namespace anabranch::expression

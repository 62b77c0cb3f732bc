#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/expression/kernels.h"

namespace anabranch::expression {

// One way to call a function whose result depends only on the kinds of its arguments. int64 arguments are converted to
// float64 if no overload takes int64.
struct Overload {
  std::string_view name;
  std::vector<Kind> args;
  Kind result;
  Kernel kernel;          // null: the argument itself
  bool nullable = false;  // may give null for arguments that are not null
  bool lazy = false;      // raises row errors or is expensive: worth skipping rows that do not need it
};

// A function as users see it.
struct FunctionDoc {
  std::string_view name;
  std::string_view usage;  // "log1p(x) → float64"
  std::string_view about;
};

const std::vector<Overload>& Overloads();
const std::vector<FunctionDoc>& FunctionDocs();
std::vector<std::string> FunctionNames();
bool IsFunction(std::string_view name);
// What to write instead of an unknown function: its name here, the nearest name, or where all functions are listed.
std::string FunctionHint(std::string_view unknown);

}  // namespace anabranch::expression

#include "engine/text/json_nesting.h"

#include <algorithm>

namespace anabranch {

JsonNesting NestingOf(std::string_view json) {
  JsonNesting nesting;
  size_t depth = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (nesting.in_string) {
      if (c == '\\') ++i;
      nesting.in_string = c != '"';
    } else if (c == '"') {
      nesting.in_string = true;
    } else if (c == '[' || c == '{') {
      ++nesting.balance;
      nesting.deepest = std::max(nesting.deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --nesting.balance;
      if (depth > 0) --depth;
    }
  }
  return nesting;
}

}  // namespace anabranch

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace anabranch {

// How objects and arrays of a JSON text stand in one another, without parsing it: what reads a text takes a frame of
// the stack for each level, and anybody may write thousands. The text may be cut or wrong.
struct JsonNesting {
  size_t deepest = 0;      // levels; a bracket that closes nothing hides none
  int64_t balance = 0;     // brackets that open less those that close
  bool in_string = false;  // it ends inside a string
};
JsonNesting NestingOf(std::string_view json);

}  // namespace anabranch

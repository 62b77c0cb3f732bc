#pragma once

#include <cstdint>
#include <string_view>

namespace anabranch {

// What is wrong with a text that should be a list of numbers.
enum class ListFault : uint8_t {
  kNone,
  kNoNumber,    // an item is none, or for int64 no integer
  kOutOfRange,  // an item is too large for the type
  kTooFew,
  kTooMany,
};

struct NumberListResult {
  ListFault fault = ListFault::kNone;
  int64_t read = 0;        // numbers before the fault
  std::string_view found;  // the text at the fault up to the next comma, without blanks around it
};

// Without the spaces and tabs around it.
std::string_view TrimBlanks(std::string_view text);

// Reads `text`, exactly `count` numbers with commas between, into `out`: float, double or int64_t, each exact as
// number.h says. Spaces and tabs may stand around a number and one comma behind the last. Numbers are those of JSON and
// what other tools write: ".5", "5.", "+1"; infinity and NaN are none. Bytes outside `text` are not read.
template <typename T>
NumberListResult ReadNumberList(std::string_view text, T* out, int64_t count);

}  // namespace anabranch

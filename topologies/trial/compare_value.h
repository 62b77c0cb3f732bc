#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/target.h"
#include "topologies/trial/test_case.h"

namespace anabranch {

// Whether values of this type are floats, or hold them: only these may differ within a tolerance.
bool HoldsFloats(const Type& type);

// One place where a value differs.
struct ValueDifference {
  const ConfigValue* at = nullptr;      // in the expected tree
  std::string path;                     // ".score", ".pixels[3]"
  std::string expected;                 // as a message shows it
  const ConfigValue* actual = nullptr;  // null: there is none
  std::string actual_text;              // as a message shows it, where that is not the value itself
  bool extra = false;                   // `actual` is a member that the object `at` does not have
};

// Compares an actual value with an expected one that may hold matchers; "$expr" is judged elsewhere. `floats`: numbers
// may differ within `tolerance`. Lists of other lengths are one difference, and so are lists with more than three
// values that differ.
void CompareValue(const ConfigValue& expected, const ConfigValue* actual, bool floats, const Tolerance& tolerance,
                  const std::string& path, std::vector<ValueDifference>* out);

}  // namespace anabranch

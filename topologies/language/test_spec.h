#pragma once

#include <string>
#include <vector>

#include "engine/spec.h"

namespace anabranch {

// The keys of a test case: one entry of `tests`.
std::vector<FieldSpec> TestCaseFields();
// The keys of `expect` where the topology has these targets (node ids).
std::vector<FieldSpec> TestExpectFields(const std::vector<std::string>& targets);
// The keys of a file of test cases, *.tests.json.
std::vector<FieldSpec> TestFileFields();

}  // namespace anabranch

#pragma once

#include <string>

#include "engine/fault.h"

namespace anabranch {

// One fault as a block of text with its excerpt and a caret, ending in a newline. `file_text` is the
// file's text; empty = no excerpt. Long lines are cut around the caret.
//
//   error[AB203]: node "score" reads column "amout", which nothing above it makes
//     --> fraud.json:31:22   /nodes/score/features/0
//      31 |   "features": ["amout", "age"]
//         |                ^^^^^^^ did you mean "amount"?
std::string RenderText(const Fault& fault, const std::string& file_text, bool colour);

}  // namespace anabranch

#pragma once

#include <string>
#include <vector>

#include "engine/fault.h"

namespace anabranch {

// One fault as a block of text with its excerpt and a caret, ending in a newline. `file_text` is the
// file's text; empty = no excerpt. Long lines are cut around the caret. What is not printable is escaped, and `secrets`
// (see secrets.h), places in `file_text` in ascending order, are shown as ***.
//
//   error[AB203]: node "score" reads column "amout", which nothing above it makes
//     --> fraud.json:31:22   /nodes/score/features/0
//      31 |   "features": ["amout", "age"]
//         |                ^^^^^^^ did you mean "amount"?
std::string RenderText(const Fault& fault, const std::string& file_text, bool colour,
                       const std::vector<Place>& secrets = {});

}  // namespace anabranch

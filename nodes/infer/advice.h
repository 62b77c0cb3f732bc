#pragma once

#include <string>
#include <string_view>

namespace anabranch {

// The format of a file that is not ONNX, in words ("a Python pickle"), and how to make an ONNX model of it. Empty if
// its first bytes match no known format.
struct ForeignFile {
  std::string what;
  std::string cure;
};
ForeignFile RecogniseForeignFile(std::string_view bytes);

// The runtime's text without the references to its own source files.
std::string WithoutSourcePlace(std::string_view text);

// What to change in the export of a model that the runtime refused with this text; empty if no advice is known.
std::string AdviceOnLoad(std::string_view text);

}  // namespace anabranch

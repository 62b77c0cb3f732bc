#pragma once

#include <string>
#include <string_view>

namespace anabranch {

// A file of another format, as a message calls it ("a Python pickle"), and how an ONNX model is made of it. Empty where
// its first bytes tell nothing.
struct ForeignFile {
  std::string what;
  std::string cure;
};
ForeignFile RecogniseForeignFile(std::string_view bytes);

// The runtime's text without the place in its own sources.
std::string WithoutSourcePlace(std::string_view text);

// What to change in the export of a model that the runtime refused with this text; empty where nothing is known.
std::string AdviceOnLoad(std::string_view text);

}  // namespace anabranch

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/format.h"
#include "engine/registry.h"

namespace anabranch {

// One format under the rules that every format keeps (engine/format.h).
struct FormatCase {
  std::string name;
  RowLayout layout;  // its header is replaced by the suite's fields where the format needs one
  // Writes a payload. Each field is a name and its value as JSON writes it (`"text"`, `1.5`, `true`); none: null.
  using Field = std::pair<std::string, std::optional<std::string>>;
  std::function<std::string(const std::vector<Field>&)> encode;
  std::vector<std::string> bad;  // payloads that cannot be read at all
};

void CheckFormatSpec(const Format& format);
// Texts, numbers and flags come back as they were encoded; null differs from every value.
void CheckRoundTrip(const Format& format, const FormatCase& tested);
// A bad payload, and every payload cut short, fails its own row with a code and a message, or is read; the rows around
// it are not affected.
void CheckBadInput(const Format& format, const FormatCase& tested);
// The same rows give the same cells in one batch, one by one, and after other batches.
void CheckBatches(const Format& format, const FormatCase& tested);

}  // namespace anabranch

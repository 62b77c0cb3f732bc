#include "engine/text/utf8.h"

#include <simdjson.h>

namespace anabranch {

bool IsUtf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

size_t FirstBadUtf8(std::string_view text) {
  size_t good = 0;
  size_t bad = text.size();
  while (bad - good > 4) {
    const size_t middle = good + (bad - good) / 2;
    // A prefix may end inside a character: one of four neighbours does not.
    bool valid = false;
    for (size_t back = 0; back < 4 && !valid && middle - back > good; ++back)
      valid = IsUtf8(text.substr(0, middle - back));
    (valid ? good : bad) = middle;
  }
  return good;
}

}  // namespace anabranch

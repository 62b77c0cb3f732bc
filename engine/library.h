#pragma once

#include <string>

#include "engine/status.h"

namespace anabranch {

// A library of others that this program uses, as `doctor` prints it.
struct Library {
  std::string name;     // "simdjson"
  std::string version;  // empty: it does not say
  std::string file;     // how the file name of its shared object begins: "libsimdjson.so"
  Status status;        // not OK: it is missing or cannot be used; the text names the cure
};

}  // namespace anabranch

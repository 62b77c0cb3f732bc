#pragma once

#include <string>
#include <string_view>

#include "engine/status.h"

namespace anabranch {

// A SHA-256 that is computed piece by piece. For one thread.
class Sha256Sum {
 public:
  Sha256Sum();
  ~Sha256Sum();
  Sha256Sum(const Sha256Sum&) = delete;
  Sha256Sum& operator=(const Sha256Sum&) = delete;
  void Add(std::string_view bytes);
  // 64 lower-case hexadecimal digits; call it once. kInternal when the system's libcrypto has no SHA-256.
  Result<std::string> Finish();

 private:
  void* context_ = nullptr;  // null: it failed
};

// The same of bytes that are there.
Result<std::string> Sha256(std::string_view bytes);

}  // namespace anabranch

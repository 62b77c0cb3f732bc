#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anabranch {

// What the caller of a check decides.
struct CheckOptions {
  std::vector<std::string> allow_paths;  // --allow-path
  // Environment look-up; tests pass their own. Default: getenv.
  std::function<std::optional<std::string>(const std::string&)> env;
};

}  // namespace anabranch

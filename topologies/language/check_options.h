#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anabranch {

// --set PATH=VALUE: one value of the file is another one.
struct TopologyEdit {
  std::string path;   // keys with dots between them, "models.gbt.path", or a JSON pointer, "/models/gbt/path"
  std::string value;  // JSON, or else text; null takes a key away (as in RFC 7396)
};

// What the caller of a check decides.
struct CheckOptions {
  std::vector<std::string> allow_paths;  // --allow-path
  std::vector<TopologyEdit> edits = {};  // made before anything is checked; the file stays as it is
  // Whether the cases in "tests" are checked too. A caller that checks each of them by itself says no.
  bool checks_tests = true;
  // Environment look-up; tests pass their own. Default: getenv.
  std::function<std::optional<std::string>(const std::string&)> env;
};

}  // namespace anabranch

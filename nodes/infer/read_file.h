#pragma once

#include <string>

#include "engine/status.h"

namespace anabranch {

// A whole regular file of at most 2 GiB, read through one descriptor. `path` may be absolute or relative to the working
// directory. kUnavailable names the file and the reason.
Result<std::string> ReadWholeFile(const std::string& path);

// The same for a path that must stay in `folder`: links are followed only below it.
// kInvalid: the path leads out of the folder.
Result<std::string> ReadWholeFileBelow(const std::string& folder, const std::string& path);

}  // namespace anabranch

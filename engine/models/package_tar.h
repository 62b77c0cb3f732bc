#pragma once

#include <string>
#include <vector>

#include "engine/models/package.h"
#include "engine/status.h"

namespace anabranch {

// Unpacks a tar (ustar; the extended headers of other writers are read as far as they change no path and no size) to an
// existing empty folder. Paths that leave it, links and truncated files are faults; nothing is written outside.
void UnpackPackageTar(const std::string& tar, const std::string& folder, std::vector<PackageFault>* faults);

// The first file of that name in a tar, without unpacking it. kInvalid, kUnavailable.
Result<std::string> ReadFromPackageTar(const std::string& tar, const std::string& path);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/models/package.h"
#include "engine/status.h"

namespace anabranch {

// The files of a package's folder. Nothing here follows a link.

inline constexpr const char* kManifestFile = "model.json";
inline constexpr size_t kMostPackageFiles = 10'000;
inline constexpr const char* kSignatureFile = "model.sig";  // signs model.json, which therefore cannot list it

// Empty: the path may stand in a package. Else what is wrong with it, as messages go on: "has the part \"..\"".
std::string WrongPackagePath(const std::string& path);

// Whether objects and lists stand in one another more than 64 deep: what reads such a text, or writes it again, could
// run out of stack.
bool IsDeepJson(std::string_view text);

// All files below a folder, by path; what is neither a regular file nor a folder is a fault.
Result<std::vector<std::string>> ListPackageFiles(const std::string& folder, std::vector<PackageFault>* faults);

// Size and SHA-256. kInvalid, kUnavailable as ReadPackageFile.
Result<PackageFile> MeasurePackageFile(const std::string& folder, const std::string& path);

// A whole file of at most `most` bytes below `folder`. kInvalid: a part of the path is a link, it is no regular file,
// or it is too long. kUnavailable: it cannot be read.
Result<std::string> ReadPackageFile(const std::string& folder, const std::string& path, int64_t most);

// Copies a file below `from` to the same path below `to`, whose folders are made; its bytes are on the disk when this
// returns.
Status CopyPackageFile(const std::string& from, const std::string& to, const std::string& path);

// Writes a file and its bytes to the disk, under another name first. Replaces what is there.
Status WriteDurably(const std::string& path, const std::string& bytes);

}  // namespace anabranch

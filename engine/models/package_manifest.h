#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/models/package.h"
#include "engine/status.h"

namespace anabranch {

// What model.json and features.json say, and the digest. Internal to engine/models.

// Every fault of the text is reported, with the code "manifest"; the result holds what could be read.
PackageManifest ParseManifest(std::string_view json, std::vector<PackageFault>* faults);
// The same for features.json, with the code "features".
PackageFeatures ParseFeatures(std::string_view json, std::vector<PackageFault>* faults);
// The same for reference.json, with the code "reference".
PackageReference ParseReference(std::string_view json, std::vector<PackageFault>* faults);

// The digest of a package: the SHA-256 of one line per file, by path: "SHA256 BYTES PATH", and of a last line that
// holds what else `manifest_json` says, but for its digest, its approval and its "x-…" members: without white space,
// members sorted. So a limit cannot be changed behind a digest; an approval can be added.
Result<std::string> PackageDigest(const std::vector<PackageFile>& files, std::string_view manifest_json);

// `manifest_json` with this digest and these files, its other members as they stand.
Result<std::string> WithFiles(std::string_view manifest_json, const std::string& digest,
                              const std::vector<PackageFile>& files);

// Name, version and digest of a manifest, nothing else. kInvalid.
Result<RegistryEntry> ReadEntryText(std::string_view manifest_json);

}  // namespace anabranch

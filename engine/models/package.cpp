#include "engine/models/package.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "engine/fault.h"
#include "engine/models/package_files.h"
#include "engine/models/package_manifest.h"
#include "engine/models/package_tar.h"
#include "engine/printable.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostTextBytes = int64_t{16} << 20;  // of model.json and features.json
constexpr size_t kMostFaults = 200;
constexpr const char* kModelFile = "model.onnx";
constexpr const char* kFeaturesFile = "features.json";
constexpr const char* kReferenceFile = "reference.json";

using Faults = std::vector<PackageFault>;

void AddStatus(const Status& status, const std::string& file, Faults* faults) {
  faults->push_back({status.code() == Code::kInvalid ? "path" : "unreadable", file, status.message()});
}

const PackageFile* FindFile(const PackageManifest& manifest, const std::string& path) {
  const auto found = std::ranges::lower_bound(manifest.files, path, {}, &PackageFile::path);
  return found == manifest.files.end() || found->path != path ? nullptr : &*found;
}

// Sizes and checksums of the files that are listed and there.
void CheckContents(const ModelPackage& package, const std::vector<std::string>& there, Faults* faults) {
  for (const PackageFile& listed : package.manifest.files) {
    if (!std::ranges::binary_search(there, listed.path)) continue;
    const Result<PackageFile> measured = MeasurePackageFile(package.folder, listed.path);
    if (!measured.ok()) {
      AddStatus(measured.status(), listed.path, faults);
    } else if (measured->bytes != listed.bytes) {
      faults->push_back({"checksum", listed.path,
                         "\"" + listed.path + "\" has " + std::to_string(measured->bytes) + " bytes; model.json says " +
                             std::to_string(listed.bytes) +
                             ": copy the package again, or pack it if the change is wanted"});
    } else if (measured->sha256 != listed.sha256) {
      faults->push_back({"checksum", listed.path,
                         "\"" + listed.path + "\" has SHA-256 " + measured->sha256 + "; model.json says " +
                             Printable(listed.sha256, 80) +
                             ": copy the package again, or pack it if the change is wanted"});
    }
  }
}

void CheckList(const PackageManifest& manifest, const std::vector<std::string>& there, Faults* faults) {
  for (const PackageFile& listed : manifest.files) {
    const bool itself = listed.path == kManifestFile || listed.path == kSignatureFile;
    if (itself) {
      faults->push_back({"manifest", kManifestFile,
                         "\"files\" lists " + listed.path +
                             ", which cannot be listed; run "
                             "`anabranch model pack`"});
    } else if (!std::ranges::binary_search(there, listed.path)) {
      faults->push_back({"missing_file", listed.path,
                         "\"" + listed.path + "\" is listed in model.json and is not there: copy the package again"});
    }
  }
  for (const std::string& path : there) {
    if (path == kManifestFile || path == kSignatureFile || FindFile(manifest, path) != nullptr) continue;
    faults->push_back({"unlisted_file", path,
                       "\"" + path + "\" is not listed in model.json: remove it, or run `anabranch model pack`"});
  }
  if (FindFile(manifest, kModelFile) == nullptr) {
    faults->push_back({"missing_file", kModelFile, "the package has no model.onnx, which is the model"});
  }
}

}  // namespace

std::string UndeclaredText(const std::vector<std::string>& features, const std::vector<std::string>& known) {
  constexpr size_t kShown = 5;
  std::string names;
  for (size_t i = 0; i < std::min(features.size(), kShown); ++i) {
    names += (i == 0 ? "\"" : ", \"") + Printable(features[i]) + "\"";
  }
  if (features.size() > kShown) names += " and " + std::to_string(features.size() - kShown) + " more";
  const bool one = features.size() == 1;
  const std::string near = one ? Nearest(features[0], known) : "";
  const std::string cure = near.empty() ? "add \"inputs\": {\"" + Printable(features[0]) +
                                              "\": \"float64\"} to model.json, each with its type, and pack it again"
                                        : "did you mean \"" + near + "\"?";
  return (one ? "feature " : "features ") + names + (one ? " is" : " are") +
         " neither in \"inputs\" of model.json nor in \"set\" of features.json; " + cure;
}

namespace {

// What features.json and the manifest say about the features must agree.
void ReadFeatureList(ModelPackage* package, Faults* faults) {
  if (FindFile(package->manifest, kFeaturesFile) == nullptr) {
    package->features.order = package->manifest.features;
    return;
  }
  const Result<std::string> text = ReadPackageFile(package->folder, kFeaturesFile, kMostTextBytes);
  if (!text.ok()) return;  // reported as a missing or unreadable file
  package->features = ParseFeatures(*text, faults);
  const std::vector<std::string>& listed = package->manifest.features;
  if (!listed.empty() && !package->features.order.empty() && listed != package->features.order) {
    faults->push_back({"features", kFeaturesFile,
                       "its \"order\" differs from the \"features\" of model.json: they must be the same list"});
  }
  std::set<std::string> known;
  for (const auto& input : package->manifest.inputs) known.insert(input.name);
  for (const auto& [name, expression] : package->features.set) {
    if (known.contains(name)) {
      faults->push_back(
          {"features", kFeaturesFile, "\"set." + Printable(name) + "\" has the name of an input; rename it"});
    }
  }
  for (const auto& [name, expression] : package->features.set) known.insert(name);
  std::vector<std::string> undeclared;
  for (const std::string& name : package->features.order) {
    if (!known.contains(name)) undeclared.push_back(name);
  }
  if (!undeclared.empty()) {
    faults->push_back({"features", kFeaturesFile, UndeclaredText(undeclared, {known.begin(), known.end()})});
  }
}

void ReadReferenceFile(ModelPackage* package, Faults* faults) {
  if (FindFile(package->manifest, kReferenceFile) == nullptr) return;
  const Result<std::string> text = ReadPackageFile(package->folder, kReferenceFile, kMostTextBytes);
  if (text.ok()) package->reference = ParseReference(*text, faults);  // else reported as missing or unreadable
}

void VerifyFolder(ModelPackage* package, Faults* faults) {
  const auto there = ListPackageFiles(package->folder, faults);
  if (!there.ok()) return AddStatus(there.status(), "", faults);
  if (!std::ranges::binary_search(*there, kManifestFile)) {
    faults->push_back(
        {"missing_file", kManifestFile,
         package->place + " has no model.json at its top, so it is not a package: run `anabranch model pack`"});
    return;
  }
  const Result<std::string> text = ReadPackageFile(package->folder, kManifestFile, kMostTextBytes);
  if (!text.ok()) return AddStatus(text.status(), kManifestFile, faults);
  const size_t before = faults->size();
  package->manifest = ParseManifest(*text, faults);
  if (faults->size() > before && package->manifest.files.empty()) return;
  CheckList(package->manifest, *there, faults);
  CheckContents(*package, *there, faults);
  if (faults->size() == before) {
    const Result<std::string> digest = PackageDigest(package->manifest.files, *text);
    if (!digest.ok()) {
      AddStatus(digest.status(), kManifestFile, faults);
    } else if (*digest != package->manifest.digest) {
      faults->push_back({"digest", kManifestFile,
                         "the digest of model.json and its files is " + *digest + "; \"digest\" says " +
                             Printable(package->manifest.digest, 80) +
                             ": copy the package again, or pack it if the change is wanted"});
    }
  }
  ReadFeatureList(package, faults);
  ReadReferenceFile(package, faults);
}

}  // namespace

std::shared_ptr<const ModelPackage> ReadPackage(const std::string& place, const std::string& scratch,
                                                std::vector<PackageFault>* faults) {
  const size_t before = faults->size();
  auto package = std::make_shared<ModelPackage>();
  package->place = place;
  package->folder = place;
  std::error_code error;
  const fs::file_status status = fs::status(place, error);
  if (status.type() == fs::file_type::regular && scratch.empty()) {
    faults->push_back({"unreadable", "",
                       "no folder can be made for the files of the tar: let the variable TMPDIR name a folder that can "
                       "be written to"});
  } else if (status.type() == fs::file_type::regular) {
    package->folder = scratch;
    UnpackPackageTar(place, scratch, faults);
  } else if (status.type() != fs::file_type::directory) {
    faults->push_back({"unreadable", "",
                       "\"" + Printable(place) + "\" is neither a folder nor a tar" +
                           (error ? ": " + error.message() : std::string())});
  }
  if (faults->size() == before) VerifyFolder(package.get(), faults);
  if (faults->size() > before + kMostFaults) {
    const size_t more = faults->size() - before - kMostFaults;
    faults->resize(before + kMostFaults);
    faults->back().message += " (and " + std::to_string(more) + " more faults)";
  }
  if (faults->size() != before) return nullptr;
  return package;
}

Status PackFolder(const std::string& folder) {
  Faults faults;
  const auto joined = [&] {
    std::string text;
    for (const PackageFault& fault : faults) text += (text.empty() ? "" : "\n") + fault.message;
    return Status(Code::kInvalid, text);
  };
  ASSIGN_OR_RETURN(const std::vector<std::string> there, ListPackageFiles(folder, &faults));
  if (!faults.empty()) return joined();
  if (!std::ranges::binary_search(there, kManifestFile)) {
    return {Code::kInvalid, folder +
                                " has no model.json; write one: {\"anabranch_package\": 1, \"name\": \"NAME\", "
                                "\"version\": \"1\"}"};
  }
  ASSIGN_OR_RETURN(const std::string text, ReadPackageFile(folder, kManifestFile, kMostTextBytes));
  std::vector<PackageFile> files;
  for (const std::string& path : there) {
    if (path == kManifestFile || path == kSignatureFile) continue;
    ASSIGN_OR_RETURN(PackageFile file, MeasurePackageFile(folder, path));
    files.push_back(std::move(file));
  }
  ASSIGN_OR_RETURN(const std::string digest, PackageDigest(files, text));
  ASSIGN_OR_RETURN(const std::string packed, WithFiles(text, digest, files));
  ModelPackage package{folder, folder, ParseManifest(packed, &faults), {}, {}};
  CheckList(package.manifest, there, &faults);
  ReadFeatureList(&package, &faults);
  ReadReferenceFile(&package, &faults);
  if (!faults.empty()) return joined();
  if (packed == text) return Status::Ok();  // a signature stays valid
  return WriteDurably((fs::path(folder) / kManifestFile).string(), packed);
}

Result<std::vector<RegistryEntry>> ListRegistry(const std::string& folder, std::vector<std::string>* skipped) {
  std::vector<RegistryEntry> entries;
  std::vector<fs::directory_entry> found;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) found.push_back(*at);
  if (error) {
    return Status(Code::kUnavailable,
                  "the registry " + folder + " cannot be read: " + error.message() + "; it is a folder of packages");
  }
  std::ranges::sort(found);
  for (const fs::directory_entry& each : found) {
    const std::string place = each.path().string();
    std::error_code ignored;
    const bool tar = each.is_regular_file(ignored) && each.path().extension() == ".tar";
    if (!tar && !fs::exists(each.path() / kManifestFile, ignored)) continue;
    const Result<std::string> text =
        tar ? ReadFromPackageTar(place, kManifestFile) : ReadPackageFile(place, kManifestFile, kMostTextBytes);
    Result<RegistryEntry> entry = text.ok() ? ReadEntryText(*text) : Result<RegistryEntry>(text.status());
    if (!entry.ok()) {
      skipped->push_back(place + ": " + entry.status().message());
      continue;
    }
    entry->place = place;
    entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<RegistryEntry> FindInRegistry(const std::string& folder, const std::string& name, const std::string& version) {
  std::vector<std::string> skipped;
  ASSIGN_OR_RETURN(const std::vector<RegistryEntry> entries, ListRegistry(folder, &skipped));
  std::vector<std::string> versions;
  std::set<std::string> names;
  const RegistryEntry* found = nullptr;
  for (const RegistryEntry& entry : entries) {
    names.insert(entry.name);
    if (entry.name != name) continue;
    versions.push_back(entry.version);
    if (entry.version != version) continue;
    if (found != nullptr && found->digest != entry.digest) {
      return Status(Code::kInvalid, "model \"" + name + "\": two packages are version " + version + ": " +
                                        found->place + " and " + entry.place + "; give one another version");
    }
    if (found == nullptr) found = &entry;
  }
  if (found != nullptr) return *found;
  std::string text =
      "model \"" + name + "\": the registry " + folder + " has no package of version \"" + version + "\"; ";
  if (!versions.empty()) {
    text += Suggest(version, versions);
  } else if (names.empty()) {
    text += "put a package there: anabranch model pack (docs/model-packages.md)";
  } else {
    text += "it has no package of that name (" + Suggest(name, {names.begin(), names.end()}) +
            "): name the model here as its package is named";
  }
  for (const std::string& reason : skipped) text += "; omitted: " + reason;
  return Status(Code::kInvalid, text);
}

}  // namespace anabranch

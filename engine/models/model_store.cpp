#include "engine/models/model_store.h"

#include <fcntl.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "engine/disk.h"
#include "engine/models/package_files.h"
#include "engine/models/scratch_folder.h"
#include "engine/printable.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

// Folders that are not complete, or are being removed, have names that no digest has.
constexpr const char* kUnfinished = ".unfinished.";
constexpr auto kAbandonedAfter = std::chrono::hours(1);
constexpr auto kJustStored = std::chrono::minutes(10);

// Since its last change; 0 where that is not known.
fs::file_time_type::duration AgeOf(const fs::directory_entry& entry) {
  std::error_code error;
  const auto changed = entry.last_write_time(error);
  return error ? fs::file_time_type::duration::zero() : fs::file_time_type::clock::now() - changed;
}

bool IsDigest(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string FaultText(const std::vector<PackageFault>& faults) {
  std::string text;
  for (const PackageFault& fault : faults) text += (text.empty() ? "" : "; ") + fault.message;
  return text;
}

}  // namespace

ModelStore::ModelStore(std::string state_dir) : folder_(std::move(state_dir) + "/models") {}

Status ModelStore::Put(const ModelPackage& package) {
  const std::string& digest = package.manifest.digest;
  if (!IsDigest(digest)) return {Code::kInvalid, "\"" + Printable(digest, 80) + "\" is not the digest of a package"};
  if (Get(digest).ok()) return Status::Ok();
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return DiskFailure("make the folder", folder_, error.value());
  const ScratchFolder made(folder_ + "/" + kUnfinished);
  if (made.path().empty()) return DiskFailure("make a folder in", folder_, made.error());
  const std::string content = made.path() + "/" + digest;
  for (const PackageFile& file : package.manifest.files) {
    RETURN_IF_ERROR(CopyPackageFile(package.folder, content, file.path));
  }
  if (fs::exists(fs::path(package.folder) / kSignatureFile)) {
    RETURN_IF_ERROR(CopyPackageFile(package.folder, content, kSignatureFile));
  }
  RETURN_IF_ERROR(CopyPackageFile(package.folder, content, kManifestFile));
  std::vector<PackageFault> faults;
  const auto copy = ReadPackage(content, "", &faults);
  if (copy == nullptr || copy->manifest.digest != digest) {
    return {Code::kUnavailable, package.place + " changed while it was copied to the store" +
                                    (faults.empty() ? std::string() : ": " + FaultText(faults)) + "; try again"};
  }
  const std::string place = folder_ + "/" + digest;
  // What lies there is damaged: it goes with the scratch folder.
  if (fs::exists(place) && !Get(digest).ok()) std::rename(place.c_str(), (made.path() + "/damaged").c_str());
  if (std::rename(content.c_str(), place.c_str()) != 0) {
    // Another process was faster.
    const int failed = errno;
    return Get(digest).ok() ? Status::Ok() : DiskFailure("rename", content, failed);
  }
  return SyncFolder(folder_);
}

Result<std::shared_ptr<const ModelPackage>> ModelStore::Get(const std::string& digest) const {
  const std::string place = folder_ + "/" + digest;
  const std::string cure = "; put the package of this digest into the model's registry folder, or restore the folder";
  std::error_code ignored;
  if (!IsDigest(digest) || !fs::is_directory(place, ignored)) {
    return Status(Code::kUnavailable,
                  "the package with digest " + Printable(digest, 80) + " is not in the store " + folder_ + cure);
  }
  std::vector<PackageFault> faults;
  auto package = ReadPackage(place, "", &faults);
  if (package == nullptr) {
    return Status(Code::kUnavailable, "the package with digest " + digest + " in the store " + folder_ +
                                          " is damaged: " + FaultText(faults) + cure);
  }
  if (package->manifest.digest != digest) {
    return Status(Code::kUnavailable,
                  "the folder " + place + " holds the package with digest " + package->manifest.digest + cure);
  }
  return package;
}

Result<std::shared_ptr<const ModelPackage>> ModelStore::Find(const std::string& digest, const std::string& registry) {
  auto stored = Get(digest);
  if (stored.ok() || registry.empty()) return stored;
  std::vector<std::string> skipped;
  const auto entries = ListRegistry(registry, &skipped);
  if (!entries.ok()) return Status(Code::kUnavailable, stored.status().message() + "; " + entries.status().message());
  std::string why = stored.status().message() + "; the registry " + registry + " does not have it either";
  for (const RegistryEntry& entry : *entries) {
    if (entry.digest != digest) continue;
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) return DiskFailure("make the folder", folder_, error.value());
    const ScratchFolder scratch(folder_ + "/" + kUnfinished);
    if (scratch.path().empty()) return DiskFailure("make a folder in", folder_, scratch.error());
    std::vector<PackageFault> faults;
    const auto package = ReadPackage(entry.place, scratch.path(), &faults);
    if (package == nullptr) {
      why += "; " + entry.place + " is faulty: " + FaultText(faults);
      continue;
    }
    RETURN_IF_ERROR(Put(*package));
    return Get(digest);
  }
  return Status(Code::kUnavailable, why);
}

Status ModelStore::Keep(const std::vector<std::string>& digests) {
  std::error_code error;
  std::vector<fs::directory_entry> found;
  fs::directory_iterator at(folder_, error);
  if (error == std::errc::no_such_file_or_directory) return Status::Ok();
  for (; !error && at != fs::directory_iterator(); at.increment(error)) found.push_back(*at);
  if (error) return DiskFailure("read", folder_, error.value());
  bool removed = false;
  for (const fs::directory_entry& each : found) {
    const std::string name = each.path().filename().string();
    if (name.starts_with(kUnfinished)) {
      std::error_code ignored;
      if (AgeOf(each) > kAbandonedAfter) fs::remove_all(each.path(), ignored);
      continue;
    }
    if (!IsDigest(name) || std::ranges::count(digests, name) != 0 || AgeOf(each) < kJustStored) continue;
    // Renamed first: nobody finds half of it.
    const ScratchFolder gone(folder_ + "/" + kUnfinished);
    if (gone.path().empty()) return DiskFailure("make a folder in", folder_, gone.error());
    std::rename(each.path().c_str(), (gone.path() + "/" + name).c_str());
    removed = true;
  }
  return removed ? SyncFolder(folder_) : Status::Ok();
}

}  // namespace anabranch

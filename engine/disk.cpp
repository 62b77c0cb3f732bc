#include "engine/disk.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace anabranch {
namespace {

// 1234567 -> "1,234,567"
std::string WithCommas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

// Of the disk that holds `path` or would hold it.
bool ReadSpace(std::filesystem::path path, struct statvfs* space) {
  while (statvfs(path.c_str(), space) != 0) {
    if (errno != ENOENT || !path.has_relative_path()) return false;
    path = path.parent_path().empty() ? "." : path.parent_path();
  }
  return true;
}

}  // namespace

std::string FullDiskText(const std::string& path, int error, uint64_t needed) {
  if (error != ENOSPC && error != EDQUOT) return {};
  std::string text = "; ";
  struct statvfs space{};
  if (needed > 0) text += WithCommas(needed) + " bytes are needed";
  if (ReadSpace(path, &space)) {
    if (needed > 0) text += " and ";
    text += WithCommas(uint64_t{space.f_bavail} * space.f_frsize) + " of " +
            WithCommas(uint64_t{space.f_blocks} * space.f_frsize) + " bytes are free on its disk";
  }
  return text + ": free some space there";
}

Status DiskFailure(const std::string& what, const std::string& path, int error, uint64_t needed) {
  return {Code::kUnavailable,
          "cannot " + what + " " + path + ": " + std::strerror(error) + FullDiskText(path, error, needed)};
}

Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return DiskFailure("open", folder, errno);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? Status::Ok() : DiskFailure("sync", folder, error);
}

Status SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return SyncFolder(folder.empty() ? "." : folder);
}

}  // namespace anabranch

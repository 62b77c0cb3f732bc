#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "engine/status.h"

namespace anabranch {

// "cannot sync /state/results/x.seg: No space left on device", kUnavailable.
inline Status FileFailure(const char* what, const std::string& path, int error) {
  return {Code::kUnavailable, std::string("cannot ") + what + " " + path + ": " + std::strerror(error)};
}

inline Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileFailure("open", folder, errno);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? Status::Ok() : FileFailure("sync", folder, error);
}

inline Status SyncFolderOf(const std::string& path) {
  return SyncFolder(std::filesystem::path(path).parent_path().string());
}

}  // namespace anabranch

#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace anabranch {

// A new empty folder, removed with what is in it at the end of the object.
class ScratchFolder {
 public:
  // Below the one for temporary files.
  ScratchFolder() {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
    if (error) {
      error_ = error.value();
    } else {
      Make((parent / "anabranch-package.").string());
    }
  }
  // The path begins so.
  explicit ScratchFolder(const std::string& prefix) { Make(prefix); }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  // Empty: no folder can be made.
  const std::string& path() const { return path_; }
  int error() const { return error_; }  // errno, where none can be made

 private:
  void Make(const std::string& prefix) {
    std::string path = prefix + "XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
      error_ = errno;
    } else {
      path_ = path;
    }
  }

  std::string path_;
  int error_ = 0;
};

}  // namespace anabranch

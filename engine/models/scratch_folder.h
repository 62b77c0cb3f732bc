#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace anabranch {

// A new folder below the one for temporary files, as long as the object lives.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
    if (error) return;
    std::string path = (parent / "anabranch-package.XXXXXX").string();
    if (mkdtemp(path.data()) != nullptr) path_ = path;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  // Empty: no folder can be made.
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace anabranch

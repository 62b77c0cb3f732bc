#pragma once

#include <memory>
#include <string>

#include "engine/status.h"

namespace anabranch {

// The exclusive right to a state folder: a lock on STATE_DIR/lock that ends with the process, however it ends.
// The file holds the owner's pid, for messages only.
class StateLock {
 public:
  // The folder must exist. kRetry when another owner has it (also one in this process); kUnavailable.
  static Result<std::unique_ptr<StateLock>> Take(const std::string& state_dir);
  // The pid in the file while somebody holds the lock, else 0. Takes nothing.
  static Result<int64_t> Owner(const std::string& state_dir);
  ~StateLock();
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  int fd_;
};

// Makes the folder and what is missing above it, each with mode 0700. A folder that exists stays as it is.
Status MakePrivateFolder(const std::string& path);

}  // namespace anabranch

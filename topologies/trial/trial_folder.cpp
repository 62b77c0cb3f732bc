#include "topologies/trial/trial_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <vector>

namespace anabranch {
namespace {

constexpr std::string_view kPrefix = "anabranch-trial-";
constexpr time_t kMostSecondsWithoutLock = 60;  // between the making of a folder and of the lock in it

std::string LockOf(const std::string& folder) { return folder + "/lock"; }

// Where trials have their folders, the best place first.
std::vector<std::filesystem::path> Parents() {
  std::vector<std::filesystem::path> parents;
  std::error_code none;
  if (std::filesystem::is_directory("/dev/shm", none)) parents.emplace_back("/dev/shm");
  if (const auto temporary = std::filesystem::temp_directory_path(none); !none) parents.push_back(temporary);
  return parents;
}

// Whether no process uses the folder: nobody holds its lock, or it has been without one for long.
bool IsLeftBehind(const std::string& folder) {
  struct stat facts{};
  const bool own = lstat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == geteuid();
  if (!own) return false;
  const int lock = open(LockOf(folder).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (lock < 0) return std::time(nullptr) - facts.st_mtime > kMostSecondsWithoutLock;
  const bool free = flock(lock, LOCK_EX | LOCK_NB) == 0;
  close(lock);
  return free;
}

void RemoveLeftBehind() {
  std::error_code none;
  for (const std::filesystem::path& parent : Parents()) {
    for (const auto& entry : std::filesystem::directory_iterator(parent, none)) {
      const bool trial = entry.path().filename().string().starts_with(kPrefix);
      if (trial && IsLeftBehind(entry.path().string())) std::filesystem::remove_all(entry.path(), none);
    }
  }
}

}  // namespace

Status TrialFolder::Make() {
  static std::once_flag once;
  std::call_once(once, RemoveLeftBehind);
  for (const std::filesystem::path& parent : Parents()) {
    std::string name = (parent / (std::string(kPrefix) + "XXXXXX")).string();
    if (mkdtemp(name.data()) == nullptr) continue;
    path_ = name;
    lock_ = open(LockOf(path_).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_ >= 0 && flock(lock_, LOCK_EX | LOCK_NB) == 0) return Status::Ok();
  }
  return {Code::kUnavailable, "no temporary folder can be made: set TMPDIR to a folder that can be written"};
}

TrialFolder::~TrialFolder() {
  std::error_code none;
  if (!path_.empty()) std::filesystem::remove_all(path_, none);
  if (lock_ >= 0) close(lock_);
}

}  // namespace anabranch

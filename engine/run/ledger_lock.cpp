#include "engine/run/ledger_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/disk.h"

namespace anabranch {
namespace {

std::string ReadPid(int fd) {
  char text[24];
  const ssize_t size = pread(fd, text, sizeof text, 0);
  std::string pid;
  for (ssize_t i = 0; i < size && text[i] >= '0' && text[i] <= '9'; ++i) pid += text[i];
  return pid;
}

}  // namespace

Result<std::unique_ptr<StateLock>> StateLock::Take(const std::string& state_dir) {
  const std::string path = state_dir + "/lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const int error = errno;
    const Status failed = DiskFailure("open", path, error);
    if (error == ENOSPC || error == EDQUOT) return failed;
    return Status(failed.code(), failed.message() + "; the state folder must be writable (--state-dir moves it)");
  }
  std::unique_ptr<StateLock> lock(new StateLock(fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return DiskFailure("lock", path, errno);
    const std::string pid = ReadPid(fd);
    return Status(Code::kRetry, (pid.empty() ? std::string("another process") : "process " + pid) + " owns " +
                                    state_dir + "; wait for it or stop it, or give this run its own --instance");
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return DiskFailure("write", path, errno, pid.size());
  }
  return lock;
}

// From the kernel's table: a probe by a lock of one's own could refuse somebody who starts at that moment.
Result<int64_t> StateLock::Owner(const std::string& state_dir) {
  struct stat info;
  if (stat((state_dir + "/lock").c_str(), &info) != 0) return int64_t{0};
  const std::string inode = ":" + std::to_string(info.st_ino);
  std::ifstream table("/proc/locks");
  if (!table) return Status(Code::kUnavailable, "/proc/locks cannot be read: whether a process runs is unknown");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string number, kind, how, access, file;
    int64_t pid = 0;
    words >> number >> kind >> how >> access >> pid >> file;
    if (kind == "FLOCK" && file.ends_with(inode)) return pid;
  }
  return int64_t{0};
}

StateLock::~StateLock() { close(fd_); }

Status MakePrivateFolder(const std::string& path) {
  std::filesystem::path made;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    made /= part;
    if (mkdir(made.c_str(), 0700) == 0 || errno == EEXIST) continue;
    const int error = errno;
    std::error_code ignored;
    if (std::filesystem::is_directory(made, ignored)) continue;
    const Status failed = DiskFailure("make the state folder", made.string(), error);
    return {failed.code(), failed.message() + "; --state-dir moves it"};
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return {};
  return {Code::kUnavailable, path + " is no folder: move it away, or choose another --state-dir"};
}

}  // namespace anabranch

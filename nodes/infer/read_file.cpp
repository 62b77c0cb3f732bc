#include "nodes/infer/read_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "engine/descriptor.h"
#include "engine/printable.h"

namespace anabranch {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{2} << 30;  // of a protocol buffer
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

Status CannotRead(const std::string& path, const std::string& why) {
  return {Code::kUnavailable, "model file \"" + path + "\" cannot be read: " + why};
}

Result<std::string> ReadAll(const Descriptor& file, const std::string& path) {
  struct stat info;
  if (file.get() < 0 || fstat(file.get(), &info) != 0) return CannotRead(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return CannotRead(path, "it is not a regular file");
  if (info.st_size > kMaxFileBytes) return CannotRead(path, "it is longer than 2 GiB");
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return CannotRead(path, std::strerror(errno));
    if (n == 0) return CannotRead(path, "it was truncated while it was read");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

}  // namespace

Result<std::string> ReadWholeFile(const std::string& path) {
  return ReadAll(Descriptor(open(path.c_str(), kFlags)), path);
}

Result<std::string> ReadWholeFileBelow(const std::string& folder, const std::string& path) {
  const Descriptor at(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (at.get() < 0) return CannotRead(folder, std::strerror(errno));
  open_how how = {};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const bool whole = path.find('\0') == std::string::npos;
  const long fd = whole ? syscall(SYS_openat2, at.get(), path.c_str(), &how, sizeof how) : -1;
  if (!whole || (fd < 0 && errno == EXDEV)) {
    return Status(Code::kInvalid,
                  "the data file \"" + Printable(path, 256) + "\" is outside the model's folder " + folder);
  }
  return ReadAll(Descriptor(static_cast<int>(fd)), folder + "/" + Printable(path, 256));
}

}  // namespace anabranch

#include "engine/models/package_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <system_error>

#include "engine/descriptor.h"
#include "engine/disk.h"
#include "engine/models/sha256.h"
#include "engine/printable.h"
#include "engine/text/json_nesting.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostPathBytes = 240;  // what a tar of this form can hold
constexpr size_t kMostJsonDepth = 64;
constexpr size_t kChunkBytes = size_t{1} << 20;

Status Unread(const std::string& folder, const std::string& path, int error) {
  return {Code::kUnavailable,
          "\"" + Printable(path) + "\" in " + folder + " cannot be read: " + std::string(std::strerror(error))};
}

// The descriptor may be invalid with errno.
int OpenBelow(const std::string& folder, const std::string& path) {
  const Descriptor at(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (at.get() < 0) return -1;
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return static_cast<int>(syscall(SYS_openat2, at.get(), path.c_str(), &how, sizeof how));
}

// Hands the bytes of a file to `take`, piece by piece.
Status ReadPieces(const std::string& folder, const std::string& path, int64_t most,
                  const std::function<Status(std::string_view)>& take) {
  const std::string wrong = WrongPackagePath(path);
  if (!wrong.empty()) return {Code::kInvalid, "the path \"" + Printable(path) + "\" " + wrong};
  const Descriptor file(OpenBelow(folder, path));
  if (file.get() < 0 && (errno == ELOOP || errno == EXDEV)) {
    return {Code::kInvalid, "\"" + Printable(path) + "\" in " + folder + " is a link; put the file itself there"};
  }
  struct stat info;
  if (file.get() < 0 || fstat(file.get(), &info) != 0) return Unread(folder, path, errno);
  if (!S_ISREG(info.st_mode)) {
    return {Code::kInvalid, "\"" + Printable(path) + "\" in " + folder + " is not a regular file"};
  }
  if (info.st_size > most) {
    return {Code::kInvalid, "\"" + Printable(path) + "\" in " + folder + " has " + std::to_string(info.st_size) +
                                " bytes; the most are " + std::to_string(most)};
  }
  std::string piece(std::min(kChunkBytes, static_cast<size_t>(info.st_size) + 1), '\0');
  for (int64_t left = most;;) {
    const ssize_t n = read(file.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Unread(folder, path, errno);
    if (n == 0) return Status::Ok();
    left -= n;
    if (left < 0) return {Code::kInvalid, "\"" + Printable(path) + "\" in " + folder + " grew while it was read"};
    RETURN_IF_ERROR(take(std::string_view(piece).substr(0, static_cast<size_t>(n))));
  }
}

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return DiskFailure("write", path, errno, bytes.size());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return Status::Ok();
}

int OpenNew(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
}

}  // namespace

std::string WrongPackagePath(const std::string& path) {
  if (path.empty()) return "is empty";
  if (path.front() == '/') return "is absolute; paths are relative to the package";
  if (path.size() > kMostPathBytes) return "has more than " + std::to_string(kMostPathBytes) + " bytes";
  if (!IsUtf8(path)) return "is not UTF-8";
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return "has a character that no path may have";
  }
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return "has the part \"" + part + "\"";
    if (part.size() > 100) return "has a part of more than 100 bytes";
    begin = end + 1;
  }
  return {};
}

bool IsDeepJson(std::string_view text) { return NestingOf(text).deepest > kMostJsonDepth; }

Result<std::vector<std::string>> ListPackageFiles(const std::string& folder, std::vector<PackageFault>* faults) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const std::string path = at->path().lexically_relative(folder).generic_string();
    std::error_code ignored;
    const fs::file_status status = at->symlink_status(ignored);
    if (status.type() == fs::file_type::directory) continue;
    if (status.type() != fs::file_type::regular) {
      const char* what = status.type() == fs::file_type::symlink ? "a link" : "neither a file nor a folder";
      faults->push_back(
          {"path", Printable(path),
           "\"" + Printable(path) + "\" is " + what + "; a package holds files only: put the file there"});
      continue;
    }
    if (const std::string wrong = WrongPackagePath(path); !wrong.empty()) {
      faults->push_back(
          {"path", Printable(path), "the path \"" + Printable(path) + "\" " + wrong + "; rename the file"});
      continue;
    }
    paths.push_back(path);
    if (paths.size() > kMostPackageFiles) {
      return Status(Code::kInvalid, folder + " has more than " + std::to_string(kMostPackageFiles) + " files");
    }
  }
  if (error) return Status(Code::kUnavailable, folder + " cannot be read: " + error.message());
  std::ranges::sort(paths);
  return paths;
}

Result<PackageFile> MeasurePackageFile(const std::string& folder, const std::string& path) {
  PackageFile file{path, 0, {}};
  Sha256Sum sum;
  RETURN_IF_ERROR(ReadPieces(folder, path, INT64_MAX, [&](std::string_view piece) {
    file.bytes += static_cast<int64_t>(piece.size());
    sum.Add(piece);
    return Status::Ok();
  }));
  ASSIGN_OR_RETURN(file.sha256, sum.Finish());
  return file;
}

Result<std::string> ReadPackageFile(const std::string& folder, const std::string& path, int64_t most) {
  std::string bytes;
  RETURN_IF_ERROR(ReadPieces(folder, path, most, [&](std::string_view piece) {
    bytes += piece;
    return Status::Ok();
  }));
  return bytes;
}

Status CopyPackageFile(const std::string& from, const std::string& to, const std::string& path) {
  const fs::path target = fs::path(to) / path;
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (error) return DiskFailure("make the folder", target.parent_path().string(), error.value());
  const Descriptor out(OpenNew(target.string()));
  if (out.get() < 0) return DiskFailure("write", target.string(), errno);
  RETURN_IF_ERROR(ReadPieces(from, path, INT64_MAX,
                             [&](std::string_view piece) { return WriteAll(out.get(), piece, target.string()); }));
  if (fsync(out.get()) != 0) return DiskFailure("sync", target.string(), errno);
  return SyncFolderOf(target.string());
}

Status WriteDurably(const std::string& path, const std::string& bytes) {
  const std::string written = path + ".new." + std::to_string(getpid());
  {
    const Descriptor out(OpenNew(written));
    if (out.get() < 0) return DiskFailure("write", written, errno);
    RETURN_IF_ERROR(WriteAll(out.get(), bytes, written));
    if (fsync(out.get()) != 0) return DiskFailure("sync", written, errno);
  }
  if (rename(written.c_str(), path.c_str()) != 0) return DiskFailure("rename", written, errno);
  return SyncFolderOf(path);
}

}  // namespace anabranch

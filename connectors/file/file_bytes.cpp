#include "connectors/file/file_bytes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace anabranch {
namespace {

constexpr int kPatienceMs = 50;
constexpr size_t kPieceBytes = size_t{256} << 10;

Status CannotRead(const std::string& path, const std::string& why) {
  return {Code::kUnavailable, "cannot read " + path + ": " + why};
}

// read() that goes on after signals.
ssize_t ReadSome(int fd, char* to, size_t size) {
  while (true) {
    const ssize_t count = read(fd, to, size);
    if (count >= 0 || errno != EINTR) return count;
  }
}

class PlainBytes : public FileBytes {
 public:
  PlainBytes(std::string path, int fd) : path_(std::move(path)), fd_(fd) {
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  }
  ~PlainBytes() override { close(fd_); }

  Result<size_t> Read(char* to, size_t size, int64_t offset) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t count = pread(fd_, to + done, size - done, offset + static_cast<int64_t>(done));
      if (count == 0) break;
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return CannotRead(path_ + " at byte " + std::to_string(offset), std::strerror(errno));
      done += static_cast<size_t>(count);
    }
    return done;
  }

  Result<int64_t> Size() const override {
    struct stat info;
    if (fstat(fd_, &info) == 0) return int64_t{info.st_size};
    return CannotRead(path_, std::strerror(errno));
  }

 private:
  const std::string path_;
  const int fd_;
};

// Bytes that come one after the other.
class StreamBytes : public FileBytes {
 public:
  explicit StreamBytes(std::string path) : path_(std::move(path)) {}

  Result<size_t> Read(char* to, size_t size, int64_t offset) override {
    if (offset < position_) RETURN_IF_ERROR(Rewind());
    std::vector<char> skipped(offset > position_ ? kPieceBytes : 0);
    while (position_ < offset) {
      const auto piece = static_cast<size_t>(std::min<int64_t>(kPieceBytes, offset - position_));
      ASSIGN_OR_RETURN(const size_t count, More(skipped.data(), piece));
      if (count == 0) return size_t{0};
    }
    size_t done = 0;
    while (done < size) {
      ASSIGN_OR_RETURN(const size_t count, More(to + done, size - done));
      if (count == 0) break;
      done += count;
    }
    return done;
  }
  Result<int64_t> Size() const override { return kUnknownSize; }

 protected:
  // The next bytes, 0 at the end.
  virtual Result<size_t> Next(char* to, size_t size) = 0;
  virtual Status Begin() = 0;
  const std::string& path() const { return path_; }

 private:
  Result<size_t> More(char* to, size_t size) {
    ASSIGN_OR_RETURN(const size_t count, Next(to, size));
    position_ += static_cast<int64_t>(count);
    return count;
  }
  Status Rewind() {
    position_ = 0;
    return Begin();
  }

  const std::string path_;
  int64_t position_ = 0;
};

class StandardInput : public FileBytes {
 public:
  Result<size_t> Read(char* to, size_t size, int64_t /*offset*/) override {
    pollfd ready = {STDIN_FILENO, POLLIN, 0};
    if (poll(&ready, 1, kPatienceMs) <= 0) return size_t{0};
    const ssize_t count = ReadSome(STDIN_FILENO, to, size);
    if (count < 0) return CannotRead("standard input", std::strerror(errno));
    ended_ = count == 0;
    return static_cast<size_t>(count);
  }
  bool AtEnd() const override { return ended_; }
  Result<int64_t> Size() const override { return kUnknownSize; }

 private:
  bool ended_ = false;
};

class GzipBytes : public StreamBytes {
 public:
  GzipBytes(std::string path, int fd) : StreamBytes(std::move(path)), file_(gzdopen(fd, "rb")) {
    if (file_ == nullptr) close(fd);
  }
  ~GzipBytes() override {
    if (file_ != nullptr) gzclose_r(file_);
  }

 protected:
  Result<size_t> Next(char* to, size_t size) override {
    if (file_ == nullptr) return CannotRead(path(), "not enough memory");
    const int count = gzread(file_, to, static_cast<unsigned>(std::min<size_t>(size, 1u << 30)));
    int error = Z_OK;
    const char* why = gzerror(file_, &error);
    if (count < 0 || (count == 0 && error != Z_OK && error != Z_STREAM_END)) {
      return CannotRead(path(), std::string("the gzip data is damaged or cut short (") + why + ")");
    }
    return static_cast<size_t>(count);
  }
  Status Begin() override {
    return gzrewind(file_) == 0 ? Status::Ok() : CannotRead(path(), "it cannot be read again from its start");
  }

 private:
  const gzFile file_;
};

class ZstdBytes : public StreamBytes {
 public:
  ZstdBytes(std::string path, int fd)
      : StreamBytes(std::move(path)), fd_(fd), stream_(ZSTD_createDStream()), piece_(ZSTD_DStreamInSize()) {}
  ~ZstdBytes() override {
    ZSTD_freeDStream(stream_);
    close(fd_);
  }

 protected:
  Result<size_t> Next(char* to, size_t size) override {
    ZSTD_outBuffer out = {to, size, 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size) {
        const ssize_t count = ReadSome(fd_, piece_.data(), piece_.size());
        if (count < 0) return CannotRead(path(), std::strerror(errno));
        if (count == 0) return EndOfInput();
        in_ = {piece_.data(), static_cast<size_t>(count), 0};
      }
      open_ = ZSTD_decompressStream(stream_, &out, &in_);
      if (ZSTD_isError(open_)) return Damaged(ZSTD_getErrorName(open_));
    }
    return out.pos;
  }
  Status Begin() override {
    in_ = {};
    open_ = 0;
    ZSTD_DCtx_reset(stream_, ZSTD_reset_session_only);
    return lseek(fd_, 0, SEEK_SET) == 0 ? Status::Ok() : CannotRead(path(), std::strerror(errno));
  }

 private:
  Result<size_t> EndOfInput() const {
    return open_ == 0 ? Result<size_t>(size_t{0}) : Damaged("the last frame is open");
  }
  Status Damaged(const std::string& why) const {
    return CannotRead(path(), "the zstd data is damaged or cut short (" + why + ")");
  }

  const int fd_;
  ZSTD_DStream* const stream_;
  std::vector<char> piece_;
  ZSTD_inBuffer in_ = {};
  size_t open_ = 0;  // not 0: inside a frame
};

}  // namespace

Result<std::unique_ptr<FileBytes>> FileBytes::Open(const std::string& path) {
  if (IsStandardStream(path)) return std::unique_ptr<FileBytes>(std::make_unique<StandardInput>());
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(path, std::strerror(errno));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return CannotRead(path, "it is not a regular file");
  }
  if (path.ends_with(".gz")) return std::unique_ptr<FileBytes>(std::make_unique<GzipBytes>(path, fd));
  if (path.ends_with(".zst")) return std::unique_ptr<FileBytes>(std::make_unique<ZstdBytes>(path, fd));
  return std::unique_ptr<FileBytes>(std::make_unique<PlainBytes>(path, fd));
}

}  // namespace anabranch

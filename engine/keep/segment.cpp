#include "engine/keep/segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/disk.h"
#include "engine/fault_point.h"
#include "engine/keep/bytes.h"
#include "engine/keep/crc32c.h"

namespace anabranch {
namespace {

// File: header, frames, and in a finished segment the footer.
//   header  magic (8), version (u32), CRC32C of both (u32)
//   frame   length of the payload (u32), CRC32C of length and payload (u32), payload
//   footer  kFooter (u32), CRC32C of the rest (u32), number of frames (u64), XXH3 of header and frame heads (u64)
constexpr std::string_view kSegmentMagic = "ABNSEGM\n";
constexpr std::string_view kLogMagic = "ABNLOGS\n";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kFooter = UINT32_MAX;  // where a frame has its length
constexpr size_t kHeaderBytes = 16, kHeadBytes = 8, kFooterBytes = 24;
constexpr size_t kReadBytes = size_t{1} << 20;
constexpr uint64_t kWritebackBytes = uint64_t{1} << 20;

std::string MakeHeader(bool log) {
  std::string header(log ? kLogMagic : kSegmentMagic);
  PutNumber(kVersion, &header);
  PutNumber(Crc32c(header), &header);
  return header;
}

std::string MakeHead(std::string_view payload) {
  std::string head;
  PutNumber(static_cast<uint32_t>(payload.size()), &head);
  PutNumber(Crc32c(payload, Crc32c(head)), &head);
  return head;
}

std::string MakeFooter(uint64_t frames, uint64_t hash) {
  std::string rest;
  PutNumber(frames, &rest);
  PutNumber(hash, &rest);
  std::string footer;
  PutNumber(kFooter, &footer);
  PutNumber(Crc32c(rest), &footer);
  return footer + rest;
}

// Hash over the header and every frame's head. The heads hold the checksums of all the rest, so no byte is hashed
// twice.
class HeadHash {
 public:
  HeadHash() : state_(XXH3_createState()) { XXH3_64bits_reset(state_); }
  ~HeadHash() { XXH3_freeState(state_); }
  HeadHash(const HeadHash&) = delete;
  HeadHash& operator=(const HeadHash&) = delete;
  void Add(std::string_view bytes) { XXH3_64bits_update(state_, bytes.data(), bytes.size()); }
  uint64_t value() const { return XXH3_64bits_digest(state_); }

 private:
  XXH3_state_t* state_;
};

}  // namespace

// ---------------------------------------------------------------------------------------- writer

struct SegmentWriter::State {
  std::string path, written_path, subject;  // the final name; the one written to; the last part for fault points
  Life life = Life::kSegment;
  int fd = -1;
  uint64_t bytes = 0, frames = 0;
  uint64_t writeback = 0;  // writeback was started up to here
  HeadHash hash;
  bool broken = false;    // a write failed and could not be undone
  bool finished = false;  // or failed while being made durable; no further writes

  Status Write(std::string_view head, std::string_view payload);
  void BeginWriteback();
};

// The disk writes while the pipeline computes, so that a sync has little left to wait for. Only a sync reports errors.
void SegmentWriter::State::BeginWriteback() {
  if (bytes - writeback < kWritebackBytes) return;
  (void)sync_file_range(fd, static_cast<off_t>(writeback), static_cast<off_t>(bytes - writeback),
                        SYNC_FILE_RANGE_WRITE);
  writeback = bytes;
}

Status SegmentWriter::State::Write(std::string_view head, std::string_view payload) {
  if (broken) return {Code::kUnavailable, path + ": an earlier write failed"};
  iovec parts[2] = {{const_cast<char*>(head.data()), head.size()}, {const_cast<char*>(payload.data()), payload.size()}};
  size_t part = 0;
  while (part < 2) {
    const ssize_t n = writev(fd, parts + part, static_cast<int>(2 - part));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const Status failure = DiskFailure("write", written_path, errno, head.size() + payload.size());
      const auto length = static_cast<off_t>(bytes);
      broken = ftruncate(fd, length) != 0 || lseek(fd, length, SEEK_SET) != length;
      return failure;
    }
    auto done = static_cast<size_t>(n);
    while (part < 2 && done >= parts[part].iov_len) done -= parts[part++].iov_len;
    if (part == 2) break;
    parts[part].iov_base = static_cast<char*>(parts[part].iov_base) + done;
    parts[part].iov_len -= done;
  }
  bytes += head.size() + payload.size();
  hash.Add(head);
  return Status::Ok();
}

SegmentWriter::SegmentWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

SegmentWriter::~SegmentWriter() {
  if (state_->fd >= 0) close(state_->fd);
  if (state_->life == Life::kSegment && !state_->finished) unlink(state_->written_path.c_str());
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(const std::string& path, Life life) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->written_path = life == Life::kLog ? path : path + ".tmp";
  state->subject = std::filesystem::path(path).filename().string();
  state->life = life;
  if (access(path.c_str(), F_OK) == 0) return DiskFailure("make", path, EEXIST);
  const int must_be_new = life == Life::kLog ? O_EXCL : O_TRUNC;
  state->fd = open(state->written_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | must_be_new, 0600);
  if (state->fd < 0) return DiskFailure("make", state->written_path, errno);
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(std::move(state)));
  RETURN_IF_ERROR(writer->state_->Write(MakeHeader(life == Life::kLog), {}));
  return writer;
}

Status SegmentWriter::Append(std::string_view frame) {
  const bool log = state_->life == Life::kLog;
  if (frame.size() >= kFooter) {
    return {Code::kUnavailable, state_->path + ": a frame of " + std::to_string(frame.size()) + " bytes is too large"};
  }
  if (log) {
    RETURN_IF_ERROR(FaultStatus("log.append", state_->subject));
  } else {
    RETURN_IF_ERROR(FaultStatus("segment.write", state_->subject));
  }
  RETURN_IF_ERROR(state_->Write(MakeHead(frame), frame));
  ++state_->frames;
  if (!log) return Status::Ok();
  FaultPoint("log.appended", state_->subject);
  state_->BeginWriteback();
  return Status::Ok();
}

Status SegmentWriter::Sync() {
  RETURN_IF_ERROR(FaultStatus("log.sync", state_->subject));
  if (fdatasync(state_->fd) != 0) return DiskFailure("sync", state_->written_path, errno);
  FaultPoint("log.synced", state_->subject);
  return Status::Ok();
}

Status SegmentWriter::Finish() {
  State& s = *state_;
  RETURN_IF_ERROR(FaultStatus("segment.write", s.subject));
  RETURN_IF_ERROR(s.Write(MakeFooter(s.frames, s.hash.value()), {}));
  RETURN_IF_ERROR(FaultStatus("segment.sync", s.subject));
  if (fdatasync(s.fd) != 0) return DiskFailure("sync", s.written_path, errno);
  RETURN_IF_ERROR(FaultStatus("segment.rename", s.subject));
  if (rename(s.written_path.c_str(), s.path.c_str()) != 0) return DiskFailure("rename", s.written_path, errno);
  s.finished = true;
  RETURN_IF_ERROR(FaultStatus("segment.folder_sync", s.subject));
  RETURN_IF_ERROR(SyncFolderOf(s.path));
  FaultPoint("segment.folder_synced", s.subject);
  return Status::Ok();
}

uint64_t SegmentWriter::bytes() const { return state_->bytes; }
uint64_t SegmentWriter::frames() const { return state_->frames; }

// ---------------------------------------------------------------------------------------- reader

namespace {

struct FramePlace {
  uint64_t at = 0;  // of the payload
  uint32_t size = 0, crc = 0;
};

// Reads a file from front to back through one buffer.
class FileScan {
 public:
  FileScan(int fd, uint64_t size) : fd_(fd), size_(size), buffer_(std::min<uint64_t>(kReadBytes, size + 1), '\0') {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return size_ - position_; }
  int error() const { return error_; }

  // Calls visit(piece) for the next `size` bytes; false when they cannot be read.
  template <typename Visit>
  bool Next(uint64_t size, Visit visit) {
    while (size > 0) {
      if (begin_ == end_ && !Fill()) return false;
      const auto piece = static_cast<size_t>(std::min<uint64_t>(size, end_ - begin_));
      visit(std::string_view(buffer_.data() + begin_, piece));
      begin_ += piece;
      position_ += piece;
      size -= piece;
    }
    return true;
  }
  bool Next(size_t size, std::string* out) {
    out->clear();
    return Next(size, [out](std::string_view piece) { out->append(piece); });
  }

 private:
  bool Fill() {
    ssize_t n = 0;
    do {
      n = pread(fd_, buffer_.data(), buffer_.size(), static_cast<off_t>(position_));
    } while (n < 0 && errno == EINTR);
    if (n <= 0) error_ = n < 0 ? errno : EIO;  // the file shrank meanwhile
    begin_ = 0;
    end_ = n > 0 ? static_cast<size_t>(n) : 0;
    return n > 0;
  }

  const int fd_;
  const uint64_t size_;
  std::string buffer_;
  size_t begin_ = 0, end_ = 0;
  uint64_t position_ = 0;
  int error_ = 0;
};

}  // namespace

struct SegmentReader::State {
  std::string path;
  int fd = -1;
  uint64_t size = 0;
  bool log = false;
  std::vector<FramePlace> frames;

  ~State() {
    if (fd >= 0) close(fd);
  }
  Status Damaged(uint64_t at, const std::string& what) const {
    return {Code::kInvalid, path + ": " + what + " at byte " + std::to_string(at)};
  }
  Status Scan();
  Status ScanHeader(FileScan& scan, HeadHash& hash);
  Status ScanFrames(FileScan& scan, HeadHash& hash);
  Status CheckFooter(FileScan& scan, const std::string& head, uint64_t hash);
};

Status SegmentReader::State::ScanHeader(FileScan& scan, HeadHash& hash) {
  std::string header;
  if (!scan.Next(std::min<uint64_t>(kHeaderBytes, size), &header)) return DiskFailure("read", path, scan.error());
  log = kLogMagic.substr(0, header.size()) == std::string_view(header).substr(0, kLogMagic.size());
  if (!log && !header.starts_with(kSegmentMagic)) return Damaged(0, "not a file of kept results");
  if (header.size() < kHeaderBytes) return log ? Status::Ok() : Damaged(0, "the header is truncated");
  const std::string_view checked = std::string_view(header).substr(0, 12);
  if (Crc32c(checked) != LoadNumber<uint32_t>(header.data() + 12)) return Damaged(0, "the header is damaged");
  if (const auto version = LoadNumber<uint32_t>(header.data() + 8); version != kVersion) {
    return Damaged(
        8, "format version " + std::to_string(version) + "; this program reads version " + std::to_string(kVersion));
  }
  hash.Add(header);
  return Status::Ok();
}

// An incomplete frame ends a log; in a segment it is damage.
Status SegmentReader::State::ScanFrames(FileScan& scan, HeadHash& hash) {
  std::string head;
  while (true) {
    const uint64_t at = scan.position();
    if (scan.left() < kHeadBytes) {
      return log ? Status::Ok() : Damaged(at, "the footer is missing");
    }
    if (!scan.Next(kHeadBytes, &head)) return DiskFailure("read", path, scan.error());
    const FramePlace place{scan.position(), LoadNumber<uint32_t>(head.data()), LoadNumber<uint32_t>(head.data() + 4)};
    if (place.size == kFooter && !log) return CheckFooter(scan, head, hash.value());
    if (place.size > scan.left()) return log ? Status::Ok() : Damaged(at, "a frame extends beyond the end of the file");
    uint32_t crc = Crc32c(std::string_view(head).substr(0, 4));
    const auto add = [&crc](std::string_view piece) { crc = Crc32c(piece, crc); };
    if (!scan.Next(place.size, add)) return DiskFailure("read", path, scan.error());
    if (crc != place.crc) return log ? Status::Ok() : Damaged(at, "a frame is damaged");
    hash.Add(head);
    frames.push_back(place);
  }
}

Status SegmentReader::State::CheckFooter(FileScan& scan, const std::string& head, uint64_t hash) {
  const uint64_t at = scan.position() - kHeadBytes;
  if (scan.left() != kFooterBytes - kHeadBytes) return Damaged(at, "the footer is not at the end of the file");
  std::string rest;
  if (!scan.Next(kFooterBytes - kHeadBytes, &rest)) return DiskFailure("read", path, scan.error());
  const bool sound = Crc32c(rest) == LoadNumber<uint32_t>(head.data() + 4) &&
                     LoadNumber<uint64_t>(rest.data()) == frames.size() &&
                     LoadNumber<uint64_t>(rest.data() + 8) == hash;
  return sound ? Status::Ok() : Damaged(at, "the footer is damaged, or frames are missing");
}

Status SegmentReader::State::Scan() {
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  FileScan scan(fd, size);
  HeadHash hash;
  RETURN_IF_ERROR(ScanHeader(scan, hash));
  return ScanFrames(scan, hash);
}

SegmentReader::SegmentReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
SegmentReader::~SegmentReader() = default;

Result<std::unique_ptr<SegmentReader>> SegmentReader::Open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  state->fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (state->fd < 0 || fstat(state->fd, &info) != 0) return DiskFailure("read", path, errno);
  state->size = static_cast<uint64_t>(info.st_size);
  RETURN_IF_ERROR(state->Scan());
  return std::unique_ptr<SegmentReader>(new SegmentReader(std::move(state)));
}

bool SegmentReader::finished() const { return !state_->log; }
uint64_t SegmentReader::bytes() const { return state_->size; }
size_t SegmentReader::frames() const { return state_->frames.size(); }
uint64_t SegmentReader::frame_bytes(size_t frame) const { return state_->frames[frame].size; }

Result<std::string> SegmentReader::ReadStart(size_t frame, size_t bytes) const {
  const FramePlace& place = state_->frames[frame];
  std::string content(std::min<size_t>(bytes, place.size), '\0');
  for (size_t done = 0; done < content.size();) {
    const ssize_t n =
        pread(state_->fd, content.data() + done, content.size() - done, static_cast<off_t>(place.at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return DiskFailure("read", state_->path, n < 0 ? errno : EIO);
    done += static_cast<size_t>(n);
  }
  return content;
}

Result<std::string> SegmentReader::Read(size_t frame) const {
  const FramePlace& place = state_->frames[frame];
  ASSIGN_OR_RETURN(std::string content, ReadStart(frame, place.size));
  std::string length;
  PutNumber(place.size, &length);
  if (Crc32c(content, Crc32c(length)) != place.crc) {
    return state_->Damaged(place.at - kHeadBytes, "a frame was damaged since this file was opened");
  }
  return content;
}

}  // namespace anabranch

#include "connectors/file/append_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "engine/disk.h"
#include "engine/fault_point.h"

namespace anabranch {
namespace {

constexpr const char* kCure = "move it away, or choose another path (run --fresh empties only files of this pipeline)";

void SyncFolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

}  // namespace

Result<std::shared_ptr<AppendFile>> AppendFile::Open(const std::string& path, const std::string& unit, Ledger* ledger) {
  if (ledger == nullptr) return Status(Code::kInternal, path + ": a file target needs a ledger");
  std::shared_ptr<AppendFile> file(new AppendFile(path, unit, ledger));
  ASSIGN_OR_RETURN(std::optional<Ledger::TargetProgress> row, ledger->GetTarget(unit));
  file->owned_ = row.has_value();
  if (row) file->committed_ = std::move(*row);
  RETURN_IF_ERROR(file->OpenOrCreate());
  RETURN_IF_ERROR(file->TakeOver());
  return file;
}

// The length in the ledger stays: a crash behind the cut is then seen as a file that was cut, never as one of nobody.
Status AppendFile::Empty(const std::string& path, const std::string& unit, Ledger* ledger) {
  ASSIGN_OR_RETURN(const std::optional<Ledger::TargetProgress> row, ledger->GetTarget(unit));
  if (!row || !std::filesystem::exists(path)) return {};
  AppendFile file(path, unit, ledger);
  file.committed_ = *row;
  int64_t size = 0;
  RETURN_IF_ERROR(file.OpenOrCreate());
  RETURN_IF_ERROR(file.Claim(&size));
  if (size >= row->length) RETURN_IF_ERROR(file.CheckCommitted(size));
  return file.CutTo(0);
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) close(fd_);
}

Status AppendFile::Failed(const std::string& what, uint64_t needed) const {
  return DiskFailure(what, path_, errno, needed);
}

Status AppendFile::OpenOrCreate() {
  fd_ = open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd_ >= 0) return {};
  if (errno != ENOENT) return Failed("open");
  if (committed_.length > 0) {
    return {Code::kInvalid, path_ + " is gone, but " + std::to_string(committed_.length) +
                                " bytes of it are committed: put it back, or start over with `run --fresh`"};
  }
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) return Failed("create");
  SyncFolderOf(path_);
  return {};
}

Status AppendFile::Claim(int64_t* size) {
  struct stat info;
  if (fstat(fd_, &info) != 0) return Failed("read the size of");
  if (!S_ISREG(info.st_mode)) return {Code::kInvalid, path_ + " is no regular file: choose another path"};
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed("lock");
    return {Code::kRetry, "another process writes " + path_ + ": stop it, or choose another path"};
  }
  *size = info.st_size;
  return {};
}

Status AppendFile::TakeOver() {
  int64_t size = 0;
  RETURN_IF_ERROR(Claim(&size));
  if (!owned_) {
    if (size > 0) {
      return {Code::kInvalid, path_ + " exists and is not owned by this pipeline: " + kCure};
    }
    return ledger_->PutTarget(unit_, committed_);
  }
  RETURN_IF_ERROR(CheckCommitted(size));
  return size > committed_.length ? CutTo(committed_.length) : Status::Ok();
}

Status AppendFile::CheckCommitted(int64_t size) {
  if (size < committed_.length) {
    return {Code::kInvalid,
            path_ + " has " + std::to_string(size) + " bytes, but " + std::to_string(committed_.length) +
                " are committed: it was cut or replaced; put it back, or start over with `run --fresh`"};
  }
  char last = '\n';
  if (committed_.length > 0 && pread(fd_, &last, 1, committed_.length - 1) != 1) return Failed("read");
  if (last == '\n') return {};
  return {Code::kInvalid, path_ + " is not the file that this pipeline wrote (no row ends at byte " +
                              std::to_string(committed_.length) + "): " + kCure};
}

Status AppendFile::CutTo(int64_t length) {
  if (ftruncate(fd_, length) != 0 || fdatasync(fd_) != 0) return Failed("cut the uncommitted end off");
  return {};
}

std::vector<int64_t> AppendFile::Progress(const std::vector<SourcePartition>& partitions) {
  const std::lock_guard guard(mutex_);
  std::vector<int64_t> next;
  for (const SourcePartition& partition : partitions) {
    const auto found = committed_.next.find(partition);
    next.push_back(found == committed_.next.end() ? kNoPosition : found->second);
  }
  return next;
}

Status AppendFile::Write(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, committed_.length + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("write", bytes.size() - done);
    done += static_cast<size_t>(count);
  }
  return bytes.empty() || fdatasync(fd_) == 0 ? Status::Ok() : Failed("sync", bytes.size());
}

Status AppendFile::Append(std::string_view bytes, const std::vector<std::pair<SourcePartition, int64_t>>& next) {
  const std::lock_guard guard(mutex_);
  if (broken_) return {Code::kUnavailable, path_ + ": an earlier write failed; run again"};
  FaultPoint("file.write");
  if (const Status status = Write(bytes); !status.ok()) {
    broken_ = true;
    (void)CutTo(committed_.length);
    return status;
  }
  FaultPoint("file.synced");
  Ledger::TargetProgress progress = committed_;
  progress.length += static_cast<int64_t>(bytes.size());
  for (const auto& [partition, position] : next) {
    int64_t& stored = progress.next.try_emplace(partition, position).first->second;
    stored = std::max(stored, position);
  }
  // The file keeps its new end when this fails: whether the row was written is for the next Open to see.
  const Status status = ledger_->PutTarget(unit_, progress);
  FaultPoint("file.ledger");
  broken_ = !status.ok();
  if (status.ok()) committed_ = std::move(progress);
  return status;
}

}  // namespace anabranch

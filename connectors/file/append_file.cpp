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

// The ledger's fact: a process writes the file, or did and could not say that it stopped.
std::string WritingFact(const std::string& unit) { return "writing:" + unit; }

// The ledger's row; older versions named it after the absolute path.
Result<std::optional<StoredProgress>> RowOf(StateStore& store, const std::string& unit, const std::string& path) {
  ASSIGN_OR_RETURN(std::optional<StoredProgress> row, store.GetTarget(unit));
  return row ? std::move(row) : store.GetTarget("file:" + path);
}

}  // namespace

Result<std::shared_ptr<AppendFile>> AppendFile::Open(const std::string& path, const std::string& unit,
                                                     StateStore* store,
                                                     const std::function<void(const std::string&)>& warn, mode_t mode) {
  if (store == nullptr) return Status(Code::kInternal, path + ": a file target needs a ledger");
  std::shared_ptr<AppendFile> file(new AppendFile(path, unit, store, mode));
  ASSIGN_OR_RETURN(std::optional<StoredProgress> row, RowOf(*store, unit, path));
  const MutexLock guard(file->mutex_);
  file->owned_ = row.has_value();
  if (row) file->committed_ = std::move(*row);
  RETURN_IF_ERROR(file->OpenOrCreate());
  RETURN_IF_ERROR(file->TakeOver(warn));
  return file;
}

Status AppendFile::CheckThere(const std::string& path, const std::string& unit, StateStore& store) {
  ASSIGN_OR_RETURN(const std::optional<StoredProgress> row, RowOf(store, unit, path));
  if (!row || row->length == 0) return {};
  AppendFile file(path, unit, &store, 0644);
  const MutexLock guard(file.mutex_);
  file.committed_ = *row;
  file.fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd_ < 0) return errno == ENOENT ? file.Gone() : file.Failed("open");
  struct stat info;
  if (fstat(file.fd_, &info) != 0) return file.Failed("read the size of");
  return file.CheckCommitted(info.st_size);
}

// The length in the ledger stays: a crash behind the cut is then seen as a file that was cut, never as one of nobody.
Status AppendFile::Empty(const std::string& path, const std::string& unit, StateStore* store) {
  ASSIGN_OR_RETURN(const std::optional<StoredProgress> row, RowOf(*store, unit, path));
  if (!row || !std::filesystem::exists(path)) return {};
  AppendFile file(path, unit, store, 0644);
  const MutexLock guard(file.mutex_);
  file.committed_ = *row;
  int64_t size = 0;
  RETURN_IF_ERROR(file.OpenOrCreate());
  RETURN_IF_ERROR(file.Claim(&size));
  if (size >= row->length) RETURN_IF_ERROR(file.CheckCommitted(size));
  return file.CutTo(0);
}

AppendFile::~AppendFile() {
  if (writing_) (void)NoteWriting(false);
  if (fd_ >= 0) close(fd_);
}

Status AppendFile::NoteWriting(bool writing) const { return store_->Put({{WritingFact(unit_), writing ? "1" : ""}}); }

Status AppendFile::Failed(const std::string& what, uint64_t needed) const {
  return DiskFailure(what, path_, errno, needed);
}

Status AppendFile::OpenOrCreate() {
  fd_ = open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd_ >= 0) return {};
  if (errno != ENOENT) return Failed("open");
  if (committed_.length > 0) return Gone();
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode_);
  if (fd_ < 0) return Failed("create");
  (void)SyncFolderOf(path_);
  return {};
}

Status AppendFile::Gone() const {
  return {Code::kInvalid, path_ + " is gone, but " + std::to_string(committed_.length) +
                              " bytes of it are committed: put it back, or start over with `run --fresh`"};
}

Status AppendFile::Claim(int64_t* size) {
  struct stat info;
  if (fstat(fd_, &info) != 0) return Failed("read the size of");
  if (!S_ISREG(info.st_mode)) return {Code::kInvalid, path_ + " is not a regular file: choose another path"};
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed("lock");
    return {Code::kRetry, "another process writes " + path_ + ": stop it, or choose another path"};
  }
  *size = info.st_size;
  return {};
}

Status AppendFile::TakeOver(const std::function<void(const std::string&)>& warn) {
  int64_t size = 0;
  RETURN_IF_ERROR(Claim(&size));
  if (!owned_) {
    if (size > 0) {
      return {Code::kInvalid, path_ + " exists and is not owned by this pipeline: " + kCure};
    }
    RETURN_IF_ERROR(store_->PutTarget(unit_, committed_));
    size = committed_.length;
  }
  RETURN_IF_ERROR(CheckCommitted(size));
  ASSIGN_OR_RETURN(const std::optional<std::string> writing, store_->Get(WritingFact(unit_)));
  const bool interrupted = writing && !writing->empty();
  if (size > committed_.length) {
    if (!interrupted) return CheckForeign(size);
    RETURN_IF_ERROR(CutTo(committed_.length));
    warn("cut " + std::to_string(size - committed_.length) + " uncommitted bytes off the end of " + path_ +
         ": the last process did not end cleanly");
  }
  writing_ = true;
  return interrupted ? Status::Ok() : NoteWriting(true);
}

// Every writer that ended cleanly cut off what it did not commit.
Status AppendFile::CheckForeign(int64_t size) const {
  const std::string committed = std::to_string(committed_.length);
  return {Code::kInvalid, path_ + " has " + std::to_string(size - committed_.length) + " bytes behind the " +
                              committed +
                              " that this pipeline wrote: something else appended "
                              "them. Keep them, cut them off, run again: tail -c +" +
                              std::to_string(committed_.length + 1) + " " + path_ + " > " + path_ +
                              ".foreign && truncate -s " + committed + " " + path_};
}

// A file that was deleted or replaced still takes bytes through its descriptor, where nobody ever finds them.
Status AppendFile::CheckInPlace() const {
  struct stat ours, named;
  if (fstat(fd_, &ours) != 0) return Failed("read the size of");
  const bool there = stat(path_.c_str(), &named) == 0;
  if (there && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino) return {};
  return {Code::kInvalid, path_ + " was " + (there ? "replaced" : "deleted") + " while this pipeline wrote it, and " +
                              std::to_string(committed_.length) +
                              " bytes of it are committed: put it back and restart, or start over with `run --fresh`"};
}

Status AppendFile::CheckCommitted(int64_t size) const {
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

std::vector<OutputFile::Position> AppendFile::Progress(const std::vector<SourcePartition>& partitions) {
  const MutexLock guard(mutex_);
  return PositionsIn(committed_, partitions);
}

Status AppendFile::MoveProgress(const std::vector<Position>& next) {
  const MutexLock guard(mutex_);
  StoredProgress progress = committed_;
  MoveTo(next, &progress);
  RETURN_IF_ERROR(store_->PutTarget(unit_, progress));
  committed_ = std::move(progress);
  return {};
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

Status AppendFile::Append(std::string_view header, std::string_view bytes, const std::vector<Position>& next,
                          const std::vector<int64_t>& seen) {
  const MutexLock guard(mutex_);
  if (MovedSince(seen, next, committed_)) {
    return {Code::kAborted, path_ + ": another lane has written rows of the same partition"};
  }
  std::string beginning;
  if (committed_.length == 0 && !header.empty() && !bytes.empty()) {
    beginning.append(header).append(bytes);
    bytes = beginning;
  }
  if (broken_) return {Code::kUnavailable, path_ + ": an earlier write failed; run again"};
  if (Status status = CheckInPlace(); !status.ok()) {
    broken_ = true;
    return status;
  }
  FaultPoint("file.write");
  if (const Status status = Write(bytes); !status.ok()) {
    broken_ = true;
    writing_ = writing_ && CutTo(committed_.length).ok();
    return status;
  }
  FaultPoint("file.synced");
  StoredProgress progress = committed_;
  progress.length += static_cast<int64_t>(bytes.size());
  MoveOn(next, &progress);
  // The file keeps its new end when this fails: whether the row was written is for the next Open to see.
  const Status status = store_->PutTarget(unit_, progress);
  FaultPoint("file.ledger");
  broken_ = !status.ok();
  writing_ = writing_ && status.ok();
  if (status.ok()) committed_ = std::move(progress);
  return status;
}

}  // namespace anabranch

#include "engine/keep/kept_logs.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "engine/disk.h"
#include "engine/fault_point.h"

namespace anabranch {
namespace {

constexpr uint64_t kMostPerFile = uint64_t{64} << 20;
constexpr auto kLookForStop = std::chrono::milliseconds(20);
// The wait is bounded: the rows that fill the limit may themselves wait for the batch that asks.
constexpr auto kRoomWait = std::chrono::seconds(2);

}  // namespace

Status RemoveKeptFile(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  RETURN_IF_ERROR(FaultStatus("results.delete", name));
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return DiskFailure("remove", path, errno);
  FaultPoint("results.deleted", name);
  return Status::Ok();
}

KeptLogs::KeptLogs(uint64_t cap_bytes, MakePath make_path, std::function<uint64_t()> others)
    : cap_(cap_bytes),
      rotate_(std::min(kMostPerFile, cap_bytes / 8)),
      make_path_(std::move(make_path)),
      others_(std::move(others)) {}

uint64_t KeptLogs::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

// Files of an earlier process are removed only when their rows are committed, and these rows may have to be logged
// first. So a quarter of the limit is reserved for logs.
bool KeptLogs::Full() const {
  const uint64_t others = others_();
  return bytes_ >= std::max(cap_ - std::min(cap_, others), cap_ / 4);
}

KeptLogs::Lane& KeptLogs::LaneOf(int lane) {
  const MutexLock lock(mutex_);
  std::unique_ptr<Lane>& found = lanes_[lane];
  if (found == nullptr) found = std::make_unique<Lane>();
  return *found;
}

Status KeptLogs::WaitForRoom(const CancelToken& stop) {
  const MutexLock lock(mutex_);
  if (Full()) RETURN_IF_ERROR(RemoveCommitted());
  const auto until = std::chrono::steady_clock::now() + kRoomWait;
  while (bytes_ > 0 && Full()) {
    if (std::chrono::steady_clock::now() >= until) {
      return {Code::kRetry, "rows that are not committed yet fill limits.kept_bytes"};
    }
    if (stop.draining()) return {Code::kCancelled, "stopped while waiting for space for kept results"};
    room_.WaitUntil(mutex_, std::chrono::steady_clock::now() + kLookForStop);
  }
  return Status::Ok();
}

// The file to append to. The frame is counted before it is written, so that no commit removes the file meanwhile.
Result<std::shared_ptr<KeptLogs::File>> KeptLogs::Enter(int lane, size_t frame_bytes,
                                                        const std::vector<KeptHeader::Range>& ranges) {
  const MutexLock lock(mutex_);
  std::shared_ptr<File>& active = lanes_[lane]->active;
  if (active != nullptr && active->bytes >= rotate_) {
    active->active = false;
    active = nullptr;
  }
  if (active == nullptr) {
    auto file = std::make_shared<File>();
    file->path = make_path_(lane);
    ASSIGN_OR_RETURN(file->writer, SegmentWriter::Create(file->path, SegmentWriter::Life::kLog));
    active = file;
    files_.emplace_back(lane, file);
  }
  for (const KeptHeader::Range& range : ranges) {
    int64_t& end = active->open[range.partition];
    end = std::max(end, range.next);
  }
  active->bytes += frame_bytes;
  active->dirty = true;
  bytes_ += frame_bytes;
  return active;
}

Status KeptLogs::Append(int lane, std::string_view frame, const std::vector<KeptHeader::Range>& ranges,
                        const CancelToken& stop) {
  RETURN_IF_ERROR(WaitForRoom(stop));
  const MutexLock appending(LaneOf(lane).appending);
  ASSIGN_OR_RETURN(const std::shared_ptr<File> file, Enter(lane, frame.size(), ranges));
  return file->writer->Append(frame);
}

Status KeptLogs::Sync(int lane) {
  std::vector<std::shared_ptr<File>> dirty;
  std::string unsynced_name;
  {
    const MutexLock lock(mutex_);
    for (const auto& [of, file] : files_) {
      if (of != lane || !file->dirty) continue;
      dirty.push_back(file);
      file->dirty = false;
      if (!file->in_folder) unsynced_name = file->path;
    }
  }
  Status status;
  for (const auto& file : dirty) {
    if (status.ok()) status = file->writer->Sync();
  }
  if (status.ok() && !unsynced_name.empty()) status = SyncFolderOf(unsynced_name);
  const MutexLock lock(mutex_);
  for (const auto& file : dirty) {
    file->in_folder = file->in_folder || status.ok();
    file->dirty = file->dirty || !status.ok();
  }
  return status;
}

Status KeptLogs::Committed(std::span<const KeptHeader::Range> positions) {
  const MutexLock lock(mutex_);
  for (const auto& [lane, file] : files_) {
    for (const KeptHeader::Range& position : positions) {
      const auto open = file->open.find(position.partition);
      if (open != file->open.end() && open->second <= position.next) file->open.erase(open);
    }
  }
  return RemoveCommitted();
}

// A file that still grows stays as long as there is space: a new file for every epoch would cost more.
Status KeptLogs::RemoveCommitted() {
  const bool pressed = bytes_ >= cap_ / 4 || Full();
  std::vector<std::shared_ptr<File>> gone;
  std::erase_if(files_, [&](const auto& entry) REQUIRES(mutex_) {
    const std::shared_ptr<File>& file = entry.second;
    if (!file->open.empty() || (file->active && !pressed && file->bytes < rotate_)) return false;
    if (file->active) lanes_[entry.first]->active = nullptr;
    gone.push_back(file);
    return true;
  });
  if (gone.empty()) return Status::Ok();
  Status status;
  {
    const MutexUnlock unlock(mutex_);
    for (const auto& file : gone) {
      if (Status removed = RemoveKeptFile(file->path); !removed.ok()) status = std::move(removed);
    }
  }
  for (const auto& file : gone) bytes_ -= file->bytes;
  room_.NotifyAll();
  return status;
}

KeptLogs::~KeptLogs() {
  const MutexLock lock(mutex_);
  for (const auto& entry : files_) entry.second->active = false;
  lanes_.clear();
  (void)RemoveCommitted();
}

void KeptLogs::Abandon() {
  const MutexLock lock(mutex_);
  for (const auto& [lane, file] : files_) lanes_[lane]->active = nullptr;
  files_.clear();
  bytes_ = 0;
  room_.NotifyAll();
}

}  // namespace anabranch

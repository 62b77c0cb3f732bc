#include "engine/keep/kept_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <tuple>
#include <utility>

#include "engine/disk.h"
#include "engine/keep/kept_claim.h"
#include "engine/keep/kept_logs.h"
#include "engine/keep/segment.h"
#include "engine/mutex.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSegmentEnd = ".seg", kLogEnd = ".log", kDamagedEnd = ".damaged", kTempEnd = ".tmp";
constexpr size_t kHeaderGuess = size_t{16} << 10;
constexpr size_t kFirstClaim = size_t{1} << 48;  // ids: entries below, claims from here

// Names are "NUMBER-laneN.seg": a higher number is newer, whichever process wrote it.
uint64_t NumberOf(const std::string& name) {
  uint64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

// A file that was there at Open.
struct FoundFile {
  std::string name;
  std::shared_ptr<const SegmentReader> reader;  // null after it is removed
  size_t open_entries = 0;
};

// A frame of one.
struct Found {
  size_t file = 0, frame = 0;
  bool log = false;
  KeptHeader header;
  std::vector<bool> range_done;
  bool done = false;
};

// A part of an entry that Claim() returned.
struct ClaimedPart {
  size_t entry = 0;
  std::vector<KeptHeader::Range> ranges;
};

Result<KeptHeader> HeaderOf(const SegmentReader& reader, size_t frame) {
  ASSIGN_OR_RETURN(const std::string start, reader.ReadStart(frame, kHeaderGuess));
  auto header = ReadKeptHeader(start);
  if (header.ok() || start.size() == reader.frame_bytes(frame)) return header;
  ASSIGN_OR_RETURN(const std::string whole, reader.Read(frame));
  return ReadKeptHeader(whole);
}

class FileKeptStore : public KeptStore {
 public:
  FileKeptStore(std::string folder, uint64_t cap_bytes)
      : folder_(std::move(folder)),
        logs_(cap_bytes, [this](int lane) { return NewPath(lane, kLogEnd); }, [this] { return other_bytes_.load(); }) {}

  Status ReadFolder();

  std::vector<Entry> entries() const override;
  std::vector<std::string> damaged() const override;
  uint64_t bytes() const override { return other_bytes_.load() + logs_.bytes(); }
  Status Keep(int lane, const std::vector<std::string>& frames) override;
  Status Log(int lane, std::string_view frame, const std::vector<KeptHeader::Range>& ranges,
             const CancelToken& stop) override {
    return logs_.Append(lane, frame, ranges, stop);
  }
  Status SyncLog(int lane) override { return logs_.Sync(lane); }
  Status Committed(std::span<const KeptHeader::Range> positions) override;
  Result<std::vector<Entry>> Claim(const std::string& source, std::span<const SourcePartition> partitions,
                                   std::vector<int64_t>* next) override;
  Result<std::shared_ptr<const std::string>> Load(size_t entry) const override;
  Status Done(size_t entry) override;
  Status Discard() override;

 private:
  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }
  std::string NewPath(int lane, std::string_view end);
  Status LoadFile(const std::string& name) REQUIRES(mutex_);
  Status SetAside(const std::string& name) REQUIRES(mutex_);
  Entry EntryOf(size_t found, size_t id) const REQUIRES(mutex_);
  Status FinishBehind(const std::map<SourcePartition, int64_t>& next, const std::string* source) REQUIRES(mutex_);
  Status FinishReplaced(const std::string& source) REQUIRES(mutex_);
  bool BeginsSurely(const std::vector<ClaimCandidate>& candidates, const SourcePartition& partition) const
      REQUIRES(mutex_);
  Status FinishRange(size_t found, const SourcePartition& partition) REQUIRES(mutex_);
  Status Finish(size_t found) REQUIRES(mutex_);

  const std::string folder_;
  std::atomic<uint64_t> other_bytes_{0};  // of found files and of segments that this process kept
  std::atomic<uint64_t> number_{1};       // of the next file
  mutable Mutex mutex_;                   // never held when logs_ is called
  std::vector<std::string> damaged_ GUARDED_BY(mutex_);
  std::vector<FoundFile> files_ GUARDED_BY(mutex_);
  std::vector<Found> found_ GUARDED_BY(mutex_);  // oldest first
  std::vector<ClaimedPart> claims_ GUARDED_BY(mutex_);
  KeptLogs logs_;
};

std::string FileKeptStore::NewPath(int lane, std::string_view end) {
  char name[48];
  std::snprintf(name, sizeof name, "%08llu-lane%d", static_cast<unsigned long long>(number_++), lane);
  return PathOf(name) + std::string(end);
}

// -------------------------------------------------------------------------------------------- open

Status FileKeptStore::ReadFolder() {
  const MutexLock lock(mutex_);
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) return DiskFailure("make", folder_, errno);
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) return DiskFailure("list", folder_, error.value());
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return std::pair(NumberOf(a), a) < std::pair(NumberOf(b), b);
  });
  for (const std::string& name : names) {
    number_ = std::max(number_.load(), NumberOf(name) + 1);
    if (name.ends_with(kTempEnd)) {
      RETURN_IF_ERROR(RemoveKeptFile(PathOf(name)));
    } else if (name.ends_with(kDamagedEnd)) {
      damaged_.push_back(name);
    } else if (name.ends_with(kSegmentEnd) || name.ends_with(kLogEnd)) {
      RETURN_IF_ERROR(LoadFile(name));
    }
  }
  return Status::Ok();
}

Status FileKeptStore::LoadFile(const std::string& name) {
  const bool log = name.ends_with(kLogEnd);
  auto opened = SegmentReader::Open(PathOf(name));
  if (!opened.ok() && opened.status().code() != Code::kInvalid) return opened.status();
  if (!opened.ok() || (*opened)->finished() == log) return SetAside(name);
  FoundFile file{name, std::move(opened).value(), 0};
  if (file.reader->frames() == 0) return RemoveKeptFile(PathOf(name));
  std::vector<Found> frames;
  for (size_t frame = 0; frame < file.reader->frames(); ++frame) {
    auto header = HeaderOf(*file.reader, frame);
    if (!header.ok() && header.status().code() != Code::kInvalid) return header.status();
    if (!header.ok()) return SetAside(name);
    const size_t ranges = header->ranges.size();
    frames.push_back({files_.size(), frame, log, std::move(header).value(), std::vector<bool>(ranges, false), false});
  }
  file.open_entries = frames.size();
  other_bytes_ += file.reader->bytes();
  files_.push_back(std::move(file));
  std::move(frames.begin(), frames.end(), std::back_inserter(found_));
  return Status::Ok();
}

Status FileKeptStore::SetAside(const std::string& name) {
  const std::string aside = name + std::string(kDamagedEnd);
  if (rename(PathOf(name).c_str(), PathOf(aside).c_str()) != 0) return DiskFailure("rename", PathOf(name), errno);
  damaged_.push_back(aside);
  return Status::Ok();
}

// -------------------------------------------------------------------------------------------- look

KeptStore::Entry FileKeptStore::EntryOf(size_t found, size_t id) const {
  const Found& at = found_[found];
  const FoundFile& file = files_[at.file];
  return {id, file.name, at.log, file.reader->frame_bytes(at.frame), at.header};
}

std::vector<KeptStore::Entry> FileKeptStore::entries() const {
  const MutexLock lock(mutex_);
  std::vector<Entry> entries;
  for (size_t i = 0; i < found_.size(); ++i) {
    if (!found_[i].done) entries.push_back(EntryOf(i, i));
  }
  return entries;
}

std::vector<std::string> FileKeptStore::damaged() const {
  const MutexLock lock(mutex_);
  return damaged_;
}

Result<std::shared_ptr<const std::string>> FileKeptStore::Load(size_t entry) const {
  std::shared_ptr<const SegmentReader> reader;
  size_t frame = 0;
  {
    const MutexLock lock(mutex_);
    const size_t found = entry >= kFirstClaim ? claims_[entry - kFirstClaim].entry : entry;
    reader = files_[found_[found].file].reader;
    frame = found_[found].frame;
  }
  if (reader == nullptr) return Status(Code::kInternal, "kept results were loaded after they were marked as done");
  ASSIGN_OR_RETURN(std::string bytes, reader->Read(frame));
  return std::make_shared<const std::string>(std::move(bytes));
}

// -------------------------------------------------------------------------------------------- write

Status FileKeptStore::Keep(int lane, const std::vector<std::string>& frames) {
  if (frames.empty()) return Status::Ok();
  ASSIGN_OR_RETURN(auto writer, SegmentWriter::Create(NewPath(lane, kSegmentEnd), SegmentWriter::Life::kSegment));
  for (const std::string& frame : frames) RETURN_IF_ERROR(writer->Append(frame));
  RETURN_IF_ERROR(writer->Finish());
  other_bytes_ += writer->bytes();
  return Status::Ok();
}

Status FileKeptStore::Committed(std::span<const KeptHeader::Range> positions) {
  Status status;
  {
    const MutexLock lock(mutex_);
    std::map<SourcePartition, int64_t> next;
    for (const KeptHeader::Range& position : positions) next[position.partition] = position.next;
    status = FinishBehind(next, nullptr);
  }
  const Status logs = logs_.Committed(positions);
  return status.ok() ? logs : status;
}

// -------------------------------------------------------------------------------------------- done

// Ranges that end at or before their partition's position are durable in every target.
Status FileKeptStore::FinishBehind(const std::map<SourcePartition, int64_t>& next, const std::string* source) {
  for (size_t i = 0; i < found_.size(); ++i) {
    Found& at = found_[i];
    if (at.done || (source != nullptr && at.header.source != *source)) continue;
    for (size_t r = 0; r < at.header.ranges.size(); ++r) {
      const auto found = next.find(at.header.ranges[r].partition);
      if (found != next.end() && at.header.ranges[r].next <= found->second) at.range_done[r] = true;
    }
    const bool all = std::find(at.range_done.begin(), at.range_done.end(), false) == at.range_done.end();
    if (all) RETURN_IF_ERROR(Finish(i));
  }
  return Status::Ok();
}

// The same rows in a later frame, with newer results.
Status FileKeptStore::FinishReplaced(const std::string& source) {
  std::map<std::vector<std::tuple<SourcePartition, int64_t, int64_t>>, size_t> newest;
  for (size_t i = 0; i < found_.size(); ++i) {
    if (found_[i].done || found_[i].header.source != source) continue;
    std::vector<std::tuple<SourcePartition, int64_t, int64_t>> rows;
    for (const KeptHeader::Range& range : found_[i].header.ranges) {
      rows.emplace_back(range.partition, range.first, range.next);
    }
    std::sort(rows.begin(), rows.end());
    const auto [at, first] = newest.emplace(std::move(rows), i);
    if (!first) RETURN_IF_ERROR(Finish(std::exchange(at->second, i)));
  }
  return Status::Ok();
}

Status FileKeptStore::FinishRange(size_t found, const SourcePartition& partition) {
  Found& at = found_[found];
  for (size_t r = 0; r < at.header.ranges.size(); ++r) {
    if (at.header.ranges[r].partition == partition) at.range_done[r] = true;
  }
  const bool all = std::find(at.range_done.begin(), at.range_done.end(), false) == at.range_done.end();
  return all ? Finish(found) : Status::Ok();
}

Status FileKeptStore::Finish(size_t found) {
  if (found_[found].done) return Status::Ok();
  found_[found].done = true;
  FoundFile& file = files_[found_[found].file];
  if (--file.open_entries > 0) return Status::Ok();
  const uint64_t bytes = file.reader->bytes();
  RETURN_IF_ERROR(RemoveKeptFile(PathOf(file.name)));
  file.reader = nullptr;
  other_bytes_ -= bytes;
  logs_.OthersShrank();
  return SyncFolder(folder_);
}

Status FileKeptStore::Done(size_t entry) {
  const MutexLock lock(mutex_);
  if (entry < kFirstClaim) return Finish(entry);
  const auto& claim = claims_[entry - kFirstClaim];
  for (const KeptHeader::Range& range : claim.ranges) RETURN_IF_ERROR(FinishRange(claim.entry, range.partition));
  return Status::Ok();
}

// -------------------------------------------------------------------------------------------- claim

// Whether the first kept rows of a partition without a position are the partition's first rows. A failure keeps
// everything. But batches reach a log in any order, so a crash may lose earlier ones.
bool FileKeptStore::BeginsSurely(const std::vector<ClaimCandidate>& candidates,
                                 const SourcePartition& partition) const {
  const Found* earliest = nullptr;
  int64_t first = 0;
  for (const ClaimCandidate& candidate : candidates) {
    for (const KeptHeader::Range& range : candidate.ranges) {
      if (range.partition != partition || (earliest != nullptr && range.first >= first)) continue;
      earliest = &found_[candidate.entry];
      first = range.first;
    }
  }
  return earliest == nullptr || !earliest->log || earliest->header.sequence <= 1;
}

Result<std::vector<KeptStore::Entry>> FileKeptStore::Claim(const std::string& source,
                                                           std::span<const SourcePartition> partitions,
                                                           std::vector<int64_t>* next) {
  const MutexLock lock(mutex_);
  std::map<SourcePartition, int64_t> stored;
  for (size_t i = 0; i < partitions.size(); ++i) stored[partitions[i]] = (*next)[i];
  RETURN_IF_ERROR(FinishBehind(stored, &source));
  RETURN_IF_ERROR(FinishReplaced(source));
  std::vector<ClaimCandidate> candidates;
  for (size_t i = 0; i < found_.size(); ++i) {
    const Found& at = found_[i];
    if (at.done || at.header.source != source) continue;
    ClaimCandidate candidate{i, {}};
    for (size_t r = 0; r < at.header.ranges.size(); ++r) {
      if (!at.range_done[r]) candidate.ranges.push_back(at.header.ranges[r]);
    }
    candidates.push_back(std::move(candidate));
  }
  for (size_t i = 0; i < partitions.size(); ++i) {
    if ((*next)[i] != kNoPosition || BeginsSurely(candidates, partitions[i])) continue;
    for (ClaimCandidate& candidate : candidates) {
      std::erase_if(candidate.ranges, [&](const auto& range) { return range.partition == partitions[i]; });
    }
  }
  std::vector<Entry> entries;
  for (ClaimedRows& rows : ChainKeptRows(candidates, partitions, next)) {
    Entry entry = EntryOf(rows.entry, kFirstClaim + claims_.size());
    for (KeptHeader::Range& range : rows.ranges) {
      range.scoring = std::ranges::find(entry.header.ranges, range.partition, &KeptHeader::Range::partition)->scoring;
    }
    entry.header.ranges = rows.ranges;
    entries.push_back(std::move(entry));
    claims_.push_back({rows.entry, std::move(rows.ranges)});
  }
  return entries;
}

Status FileKeptStore::Discard() {
  logs_.Abandon();
  const MutexLock lock(mutex_);
  for (Found& at : found_) at.done = true;
  for (FoundFile& file : files_) file.reader = nullptr;
  damaged_.clear();
  Status status;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    if (Status removed = RemoveKeptFile(at->path().string()); !removed.ok()) status = std::move(removed);
  }
  if (error) return DiskFailure("list", folder_, error.value());
  RETURN_IF_ERROR(status);
  other_bytes_ = 0;
  logs_.OthersShrank();
  return SyncFolder(folder_);
}

}  // namespace

Result<std::unique_ptr<KeptStore>> KeptStore::Open(const std::string& state_dir, uint64_t cap_bytes) {
  auto store = std::make_unique<FileKeptStore>(state_dir + "/results", cap_bytes);
  RETURN_IF_ERROR(store->ReadFolder());
  return std::unique_ptr<KeptStore>(std::move(store));
}

}  // namespace anabranch

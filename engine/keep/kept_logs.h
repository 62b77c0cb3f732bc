#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/keep/kept_batch.h"
#include "engine/keep/segment.h"
#include "engine/mutex.h"

namespace anabranch {

// The logs that this process writes. Each lane appends to a file and starts another when it is large enough. A file is
// removed when the rows of all its frames are committed. Thread-safe.
class KeptLogs {
 public:
  using MakePath = std::function<std::string(int lane)>;
  // `make_path` names a new file (called under a lock of this object); `others` = other bytes that count towards the
  // limit.
  KeptLogs(uint64_t cap_bytes, MakePath make_path, std::function<uint64_t()> others);

  // Removes the files whose rows are all committed. Nothing is appended after this.
  ~KeptLogs();

  Status Append(int lane, std::string_view frame, const std::vector<KeptHeader::Range>& ranges,
                const CancelToken& stop);
  Status Sync(int lane);
  Status Committed(std::span<const KeptHeader::Range> positions);
  // Forgets all files; the caller removes them.
  void Abandon();
  uint64_t bytes() const;
  void OthersShrank() { room_.NotifyAll(); }

 private:
  // mutex_ guards a file and the active file of a lane, except paths and writers.
  struct File {
    std::string path;
    std::unique_ptr<SegmentWriter> writer;
    std::map<SourcePartition, int64_t> open;  // the end of each partition's uncommitted rows
    uint64_t bytes = 0;
    bool active = true;      // its lane appends to it
    bool dirty = true;       // not all is synced
    bool in_folder = false;  // its name is synced
  };
  struct Lane {
    Mutex appending;  // taken before mutex_
    std::shared_ptr<File> active;
  };

  Lane& LaneOf(int lane);
  Status WaitForRoom(const CancelToken& stop);
  Result<std::shared_ptr<File>> Enter(int lane, size_t frame_bytes, const std::vector<KeptHeader::Range>& ranges);
  bool Full() const REQUIRES(mutex_);
  Status RemoveCommitted() REQUIRES(mutex_);  // releases it meanwhile

  const uint64_t cap_, rotate_;
  const MakePath make_path_;
  const std::function<uint64_t()> others_;
  mutable Mutex mutex_;
  Condition room_;
  std::map<int, std::unique_ptr<Lane>> lanes_ GUARDED_BY(mutex_);
  std::vector<std::pair<int, std::shared_ptr<File>>> files_ GUARDED_BY(mutex_);  // with their lanes
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
};

// Removes one file of kept results, between its fault points. The folder is not synced.
Status RemoveKeptFile(const std::string& path);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/ids.h"
#include "engine/keep/kept_batch.h"
#include "engine/status.h"

namespace anabranch {

// The kept results of one state folder, in STATE_DIR/results (0700): the segments of a failure (one per lane), and the
// logs of nodes with "keep": "always" (per lane, rotated, dropped once their rows are committed).
// Kept results only avoid recomputation; the source's positions are the truth. Thread-safe.
class KeptStore {
 public:
  // Reads and checks the existing files. A damaged file, or one of a newer version, is renamed to NAME.damaged;
  // damaged() reports it after every Open until Discard(). `cap_bytes` limits logs and segments together; at the limit,
  // Log() waits. A quarter is reserved for the logs of this process, because kept rows may have to be logged again
  // before their old files can be removed.
  static Result<std::unique_ptr<KeptStore>> Open(const std::string& state_dir, uint64_t cap_bytes);
  virtual ~KeptStore() = default;

  // The entries found at Open that are not done yet, oldest first.
  struct Entry {
    size_t id = 0;
    std::string file;  // name inside results/
    bool log = false;  // written by "keep": "always", not by a failure
    uint64_t bytes = 0;
    KeptHeader header;
  };
  virtual std::vector<Entry> entries() const = 0;
  virtual std::vector<std::string> damaged() const = 0;
  virtual uint64_t bytes() const = 0;

  // After a failure: makes `frames` (in the order of their rows) durable as one segment. Does nothing without frames.
  virtual Status Keep(int lane, const std::vector<std::string>& frames) = 0;

  // For "keep": "always": appends one frame to the lane's log. At the limit it waits until Committed() frees space, for
  // at most 2 s (then kRetry), or until `stop` is raised (kCancelled). `ranges` = header.ranges of the frame.
  virtual Status Log(int lane, std::string_view frame, const std::vector<KeptHeader::Range>& ranges,
                     const CancelToken& stop) = 0;
  virtual Status SyncLog(int lane) = 0;
  // Everything below these positions is durable in every target: logs and entries that hold nothing else are removed.
  // For a partition that was lost with uncommitted rows, pass {partition, 0, INT64_MAX}; otherwise its logs stay.
  virtual Status Committed(std::span<const KeptHeader::Range> positions) = 0;

  // The entries of `source` to feed, in order: in every partition their rows continue exactly at `next` (kNoPosition:
  // at the first kept row). Moves next[i] to the position where live input continues. Entries that lie below `next` in
  // every partition, or that a later frame of the same batch replaces, are done and removed. Without a position, rows
  // of a log are used only from the first batch of their lane on, as earlier ones may be missing. A gap ends a
  // partition's chain: later entries are not used, but stay for another claim. The header.ranges of an entry are cut to
  // the rows to feed. These may be some of its partitions, or rows from the middle on: restore it with NextOf(header).
  // Its id is valid for this claim. After partitions were lost, claim again: entries that are not Done are returned
  // again. A frame may occur twice, for different partitions.
  virtual Result<std::vector<Entry>> Claim(const std::string& source, std::span<const SourcePartition> partitions,
                                           std::vector<int64_t>* next) = 0;
  virtual Result<std::shared_ptr<const std::string>> Load(size_t entry) const = 0;
  // The entry's rows are committed or skipped. A file whose entries are all done is removed, and its folder synced.
  virtual Status Done(size_t entry) = 0;
  // Drops everything (for --on-missing recompute and --fresh).
  virtual Status Discard() = 0;
};

}  // namespace anabranch

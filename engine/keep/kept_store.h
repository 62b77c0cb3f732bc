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

// The kept results of one state folder, in STATE_DIR/results (0700): what a failure left (one segment per lane), and
// what nodes with "keep": "always" wrote meanwhile (logs per lane, rotated; dropped when what they hold is committed).
// Kept results only save work: the source's positions are the truth. Thread-safe.
class KeptStore {
 public:
  // Reads and checks what is there. A damaged file (of a newer version too) is set aside as NAME.damaged and told by
  // damaged(), at every Open until Discard().
  // `cap_bytes`: of logs and segments together; reaching it makes Log() wait. A quarter of it is always for the logs of
  // this process: kept rows may have to be logged again before what holds them can go.
  static Result<std::unique_ptr<KeptStore>> Open(const std::string& state_dir, uint64_t cap_bytes);
  virtual ~KeptStore() = default;

  // What was found at Open and is not done yet, oldest first.
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

  // A failure: makes `frames` (in the order of their rows) durable as one segment. Empty: does nothing.
  virtual Status Keep(int lane, const std::vector<std::string>& frames) = 0;

  // "keep": "always": appends one frame to the lane's log. Waits up to 2 s while the cap is reached (then kRetry),
  // until Committed() made room or `stop` is raised (kCancelled). `ranges` = header.ranges of the frame.
  virtual Status Log(int lane, std::string_view frame, const std::vector<KeptHeader::Range>& ranges,
                     const CancelToken& stop) = 0;
  virtual Status SyncLog(int lane) = 0;
  // Everything below these positions is durable in every target: logs and entries that hold nothing else are removed.
  // A partition that was lost with rows uncommitted: say {partition, 0, INT64_MAX}, or its logs stay.
  virtual Status Committed(std::span<const KeptHeader::Range> positions) = 0;

  // The entries of `source` whose rows go on, partition by partition, exactly where `next` stands (kNoPosition: where
  // the kept rows begin), in the order to feed them. Moves next[i] to where live input follows. Entries that lie behind
  // `next` in every partition, or that a later frame of the same batch replaces, are done (removed).
  // Without a position, rows of a log are used only from the first batch of their lane on: earlier ones may be missing.
  // A gap ends a partition's chain: what follows it is not used (it stays, for who asks again).
  // The header.ranges that an entry comes with are cut to what of it goes on, which may be some of its partitions, or
  // rows from the middle on: restore it with NextOf(header). Its id is that of this claim. Claim again after the
  // partitions were lost: what is not Done is given again. A frame may come twice, for different partitions.
  virtual Result<std::vector<Entry>> Claim(const std::string& source, std::span<const SourcePartition> partitions,
                                           std::vector<int64_t>* next) = 0;
  virtual Result<std::shared_ptr<const std::string>> Load(size_t entry) const = 0;
  // Its rows are committed (or given up): a file whose entries are all done is removed, its folder synced.
  virtual Status Done(size_t entry) = 0;
  // Drops everything (recompute on purpose; --fresh).
  virtual Status Discard() = 0;
};

}  // namespace anabranch

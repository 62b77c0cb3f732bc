#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cancel.h"
#include "engine/ids.h"
#include "engine/state_store.h"
#include "engine/status.h"

namespace anabranch {

// What a file target writes to. Thread-safe.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  // Next position of each partition; kNoPosition where none is stored.
  virtual std::vector<int64_t> Progress(const std::vector<SourcePartition>& partitions) = 0;
  // Sets stored positions anew, also to lower ones.
  virtual Status MoveProgress(const std::vector<std::pair<SourcePartition, int64_t>>& next) = 0;
  // Writes `bytes` (at the beginning of the output: `header` first) and stores `next`; positions never go back.
  // `seen`: per entry of `next` the position that the caller last saw stored; kUnseen: it did not look. kAborted, and
  // nothing is written: another lane has stored a position meanwhile. After any other error it takes nothing more: open
  // it again.
  virtual Status Append(std::string_view header, std::string_view bytes,
                        const std::vector<std::pair<SourcePartition, int64_t>>& next,
                        const std::vector<int64_t>& seen) = 0;
};

inline constexpr int64_t kUnseen = -2;

// What `progress` says of `partitions`; kNoPosition where it says nothing.
std::vector<int64_t> PositionsIn(const StoredProgress& progress, const std::vector<SourcePartition>& partitions);
// Whether one of `next` has another position in `progress` than `seen`, where that was looked at.
bool MovedSince(const std::vector<int64_t>& seen, const std::vector<std::pair<SourcePartition, int64_t>>& next,
                const StoredProgress& progress);
// Moves `progress` on to `next`, and nowhere back.
void MoveOn(const std::vector<std::pair<SourcePartition, int64_t>>& next, StoredProgress* progress);
// Sets those of `next` that `progress` has, back too: a loss was accepted.
void MoveTo(const std::vector<std::pair<SourcePartition, int64_t>>& next, StoredProgress* progress);

// Standard output. Positions are stored in the ledger after the bytes have left: a crash in between writes them again.
// A full pipe is waited for until `cancel` ends the run.
std::shared_ptr<OutputFile> MakeStandardOutput(std::string unit, StateStore* store, const CancelToken* cancel);

}  // namespace anabranch

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
  // The next position of one partition, kNoPosition where none is stored, and how rows from there are scored.
  struct Position {
    SourcePartition partition;
    int64_t next = kNoPosition;
    Scoring scoring = {};  // without `before`
  };

  virtual ~OutputFile() = default;
  virtual std::vector<Position> Progress(const std::vector<SourcePartition>& partitions) = 0;
  // Sets stored positions anew, also to lower ones.
  virtual Status MoveProgress(const std::vector<Position>& next) = 0;
  // Writes `bytes` (at the beginning of the output: `header` first) and stores `next`; positions never go back.
  // `seen`: per entry of `next` the position that the caller last saw stored; kUnseen: it did not look. kAborted, and
  // nothing is written: another lane has stored a position meanwhile. After any other error it takes nothing more: open
  // it again.
  virtual Status Append(std::string_view header, std::string_view bytes, const std::vector<Position>& next,
                        const std::vector<int64_t>& seen) = 0;
};

inline constexpr int64_t kUnseen = -2;

// What `progress` says of `partitions`; kNoPosition where it says nothing.
std::vector<OutputFile::Position> PositionsIn(const StoredProgress& progress,
                                              const std::vector<SourcePartition>& partitions);
// Whether one of `next` has another position in `progress` than `seen`, where that was looked at.
bool MovedSince(const std::vector<int64_t>& seen, const std::vector<OutputFile::Position>& next,
                const StoredProgress& progress);
// Moves `progress` on to `next`, and nowhere back: what is ahead keeps its scoring too.
void MoveOn(const std::vector<OutputFile::Position>& next, StoredProgress* progress);
// Sets the positions of those of `next` that `progress` has, back too: a loss was accepted.
void MoveTo(const std::vector<OutputFile::Position>& next, StoredProgress* progress);

// Standard output. Positions are stored in the ledger after the bytes have left: a crash in between writes them again.
// A full pipe is waited for until `cancel` ends the run.
std::shared_ptr<OutputFile> MakeStandardOutput(std::string unit, StateStore* store, const CancelToken* cancel);

}  // namespace anabranch

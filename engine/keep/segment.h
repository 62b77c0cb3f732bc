#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// A file of frames whose every byte is checked: header (magic, version), frames (length, CRC32C, payload), and, in a
// finished segment, a footer (frame count, hash of everything before). Little-endian. Not thread-safe.
//
// Two lives: a *segment* is written aside, synced, renamed and its folder synced: it is there whole or not at all,
// and one bad byte voids it. A *log* grows under its own name while a pipeline runs; what a crash cut off is dropped,
// every whole frame before that counts.
class SegmentWriter {
 public:
  enum class Life : uint8_t { kSegment, kLog };
  // `path` is the final name; it must not exist. kUnavailable names path and cause.
  static Result<std::unique_ptr<SegmentWriter>> Create(const std::string& path, Life life);
  // Without Finish() a segment leaves nothing behind; a log stays as it is.
  ~SegmentWriter();
  Status Append(std::string_view frame);  // one write(2): survives the death of the process when it returned
  Status Sync();                          // log: survives the death of the machine; may run beside Append
  Status Finish();                        // segment: durable under its name when it returned
  uint64_t bytes() const;
  uint64_t frames() const;

 private:
  struct State;
  explicit SegmentWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Reads one of either life. Checks everything at Open: what Read gives is what was appended.
class SegmentReader {
 public:
  // kInvalid: damaged, no segment, or of a newer version (the message says which and where). kUnavailable: cannot be
  // read.
  static Result<std::unique_ptr<SegmentReader>> Open(const std::string& path);
  ~SegmentReader();
  bool finished() const;   // a whole segment; false: a log
  uint64_t bytes() const;  // of the file
  size_t frames() const;
  uint64_t frame_bytes(size_t frame) const;
  Result<std::string> Read(size_t frame) const;                     // checked again
  Result<std::string> ReadStart(size_t frame, size_t bytes) const;  // at most so many; as Open found them

 private:
  struct State;
  explicit SegmentReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace anabranch

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
// There are two kinds. A *segment* is written under another name, synced and renamed, and its folder is synced: it
// exists completely or not at all, and one bad byte invalidates it. A *log* grows under its own name while a pipeline
// runs. A frame that a crash truncated is dropped; every complete frame before it counts.
class SegmentWriter {
 public:
  enum class Life : uint8_t { kSegment, kLog };
  // `path` is the final name; it must not exist. kUnavailable names path and cause.
  static Result<std::unique_ptr<SegmentWriter>> Create(const std::string& path, Life life);
  // Without Finish() a segment leaves no file behind; a log stays as it is.
  ~SegmentWriter();
  Status Append(std::string_view frame);  // one write(2); survives the death of the process once it has returned
  Status Sync();                          // log: survives the death of the machine; may run concurrently with Append
  Status Finish();                        // segment: durable under its name once it has returned
  uint64_t bytes() const;
  uint64_t frames() const;

 private:
  struct State;
  explicit SegmentWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Reads a file of either kind. Open checks everything, so Read returns exactly the appended bytes.
class SegmentReader {
 public:
  // kInvalid: damaged, not a segment, or of a newer version (the message says which and where). kUnavailable: cannot be
  // read.
  static Result<std::unique_ptr<SegmentReader>> Open(const std::string& path);
  ~SegmentReader();
  bool finished() const;   // a whole segment; false: a log
  uint64_t bytes() const;  // of the file
  size_t frames() const;
  uint64_t frame_bytes(size_t frame) const;
  Result<std::string> Read(size_t frame) const;                     // checked again
  Result<std::string> ReadStart(size_t frame, size_t bytes) const;  // at most that many bytes; not checked again

 private:
  struct State;
  explicit SegmentReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace anabranch

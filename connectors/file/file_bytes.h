#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/status.h"

namespace anabranch {

// The bytes of an input, by their offset. A file whose name ends in ".gz" or ".zst" is decompressed on the way: offsets
// are those of the decompressed bytes, and reading backwards begins again at the file's start. "-" is standard input,
// which can be read forwards only. Used by one thread.
class FileBytes {
 public:
  static constexpr int64_t kUnknownSize = INT64_MAX;

  virtual ~FileBytes() = default;
  // kUnavailable: it is not there, or is not a regular file.
  static Result<std::unique_ptr<FileBytes>> Open(const std::string& path);

  // Reads up to `size` bytes; fewer at the end, and from standard input what is there within 50 ms. kUnavailable names
  // the path and the offset.
  virtual Result<size_t> Read(char* to, size_t size, int64_t offset) = 0;
  // Whether fewer bytes than asked for meant the end.
  virtual bool AtEnd() const { return true; }
  // As it is now; kUnknownSize where only reading tells.
  virtual Result<int64_t> Size() const = 0;
};

inline bool IsStandardStream(const std::string& path) { return path == "-"; }
inline bool IsCompressed(const std::string& path) { return path.ends_with(".gz") || path.ends_with(".zst"); }

}  // namespace anabranch

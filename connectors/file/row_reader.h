#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/file/file_bytes.h"
#include "engine/mutex.h"
#include "engine/status.h"

namespace anabranch {

// Memory that rows point into, followed by kPadding readable bytes (parsers read past the end of a row).
struct Chunk {
  static constexpr size_t kPadding = 64;
  std::unique_ptr<char[]> data;
  size_t capacity = 0;
  size_t size = 0;
  int users = 0;  // guarded by the pool
};

// Chunks that are given back by whoever drops the last user, and used again. Thread-safe.
class ChunkPool {
 public:
  // An empty chunk with one user.
  Chunk* Take(size_t capacity);
  void Hold(Chunk* chunk);
  void Drop(Chunk* chunk);

 private:
  Mutex mutex_;
  std::vector<std::unique_ptr<Chunk>> all_;
  std::vector<Chunk*> free_;
};

// One row of a file, without its line end.
struct FileRow {
  int64_t offset = 0;  // of the row's first byte
  int64_t next = 0;    // where the next row begins
  std::string_view text;
  bool cut = false;       // longer than kMaxBytes: `text` is its beginning
  bool open_end = false;  // the last one, without a line end: more of it may come
};

// Reads a file row by row in big pieces, from any row's offset. A row ends with LF or CRLF, the last one with the
// file; empty rows are skipped. In CSV, line ends inside quotes belong to the row; a quote that never closes ends
// with its line, so that one bad row costs one row. Used by one thread. Errors: kUnavailable (file_bytes.h).
class RowReader {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 20;

  // `delimiter`: of CSV; none: lines.
  static Result<std::unique_ptr<RowReader>> Open(const std::string& path, std::optional<char> delimiter);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  // Where the first row begins: behind a UTF-8 byte order mark.
  int64_t start() const { return start_; }
  Result<int64_t> Size() const { return bytes_->Size(); }
  // The next row is the one at `offset`. False: a row's middle, not its beginning.
  Result<bool> Seek(int64_t offset);
  // False at the end of the file, or (waiting()) when no row is there yet. The row's text lives as long as its chunk:
  // until TakeChunks' user drops it.
  Result<bool> Next(FileRow* row);
  bool waiting() const { return waiting_; }
  // The chunks that rows since the last call lie in, each held once for the caller.
  std::vector<Chunk*> TakeChunks();
  const std::shared_ptr<ChunkPool>& pool() const { return pool_; }

 private:
  RowReader(std::unique_ptr<FileBytes> bytes, std::optional<char> delimiter)
      : bytes_(std::move(bytes)), delimiter_(delimiter) {}
  Status FindStart();
  Status Fill();
  Status SkipCutRow(FileRow* row);
  void UseChunk(Chunk* chunk);
  void Give(size_t end, size_t line_end, FileRow* row);

  const std::unique_ptr<FileBytes> bytes_;
  const std::optional<char> delimiter_;
  const std::shared_ptr<ChunkPool> pool_ = std::make_shared<ChunkPool>();
  int64_t start_ = 0;

  Chunk* chunk_ = nullptr;     // one user is this reader
  int64_t chunk_offset_ = 0;   // of the chunk's first byte
  size_t row_ = 0;             // the next row's first byte in the chunk
  bool end_ = false;           // the chunk reaches to the file's end
  bool waiting_ = false;       // more may come, but is not there yet
  std::vector<Chunk*> given_;  // chunks that rows were given from, each held
};

}  // namespace anabranch

#include "connectors/file/row_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace anabranch {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kNotFound = std::string_view::npos;

// The row's end by RFC 4180: a quote opens at the beginning of a cell only, "" inside quotes is a quote.
size_t CsvRowEnd(std::string_view text, char delimiter) {
  const size_t line_end = text.find('\n');
  if (line_end == kNotFound || text.substr(0, line_end).find('"') == kNotFound) return line_end;
  bool quoted = false;
  bool cell_start = true;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') continue;
      if (i + 1 < text.size() && text[i + 1] == '"') {
        ++i;
      } else {
        quoted = false;
      }
      cell_start = false;
    } else if (c == '\n') {
      return i;
    } else {
      quoted = c == '"' && cell_start;
      cell_start = c == delimiter;
    }
  }
  return kNotFound;
}

}  // namespace

Chunk* ChunkPool::Take(size_t capacity) {
  const MutexLock guard(mutex_);
  if (capacity <= kChunkBytes && !free_.empty()) {
    Chunk* chunk = free_.back();
    free_.pop_back();
    chunk->size = 0;
    chunk->users = 1;
    return chunk;
  }
  auto chunk = std::make_unique<Chunk>();
  chunk->capacity = std::max(capacity, kChunkBytes);
  chunk->data = std::make_unique_for_overwrite<char[]>(chunk->capacity + Chunk::kPadding);
  chunk->users = 1;
  all_.push_back(std::move(chunk));
  return all_.back().get();
}

void ChunkPool::Hold(Chunk* chunk) {
  const MutexLock guard(mutex_);
  ++chunk->users;
}

void ChunkPool::Drop(Chunk* chunk) {
  const MutexLock guard(mutex_);
  if (--chunk->users > 0) return;
  if (chunk->capacity == kChunkBytes) {
    free_.push_back(chunk);
  } else {
    std::erase_if(all_, [chunk](const auto& owned) { return owned.get() == chunk; });
  }
}

Result<std::unique_ptr<RowReader>> RowReader::Open(const std::string& path, std::optional<char> delimiter) {
  ASSIGN_OR_RETURN(std::unique_ptr<FileBytes> bytes, FileBytes::Open(path));
  std::unique_ptr<RowReader> reader(new RowReader(std::move(bytes), delimiter));
  if (!IsStandardStream(path)) RETURN_IF_ERROR(reader->FindStart());
  return reader;
}

RowReader::~RowReader() {
  for (Chunk* chunk : given_) pool_->Drop(chunk);
  if (chunk_ != nullptr) pool_->Drop(chunk_);
}

Status RowReader::FindStart() {
  char mark[3];
  ASSIGN_OR_RETURN(const size_t size, bytes_->Read(mark, sizeof mark, 0));
  start_ = std::string_view(mark, size) == "\xEF\xBB\xBF" ? 3 : 0;
  chunk_offset_ = start_;
  return {};
}

Result<bool> RowReader::Seek(int64_t offset) {
  ASSIGN_OR_RETURN(const int64_t size, Size());
  bool at_row = offset == start_;
  if (offset > start_ && offset <= size) {
    char around[3] = {};
    ASSIGN_OR_RETURN(const size_t count, bytes_->Read(around, sizeof around, offset - 1));
    const std::string_view after(around + 1, count - 1);
    at_row = around[0] == '\n' || after.empty() || after[0] == '\n' || after == "\r\n";
  }
  UseChunk(nullptr);
  chunk_offset_ = offset;
  return at_row;
}

void RowReader::UseChunk(Chunk* chunk) {
  if (chunk_ != nullptr) pool_->Drop(chunk_);
  chunk_ = chunk;
  row_ = 0;
  end_ = false;
}

Status RowReader::Fill() {
  const std::string_view rest =
      chunk_ == nullptr ? std::string_view() : std::string_view(chunk_->data.get() + row_, chunk_->size - row_);
  const int64_t offset = chunk_offset_ + static_cast<int64_t>(row_);
  Chunk* chunk = pool_->Take(std::min(std::max(kChunkBytes, rest.size() * 2), kMaxBytes + kChunkBytes));
  if (!rest.empty()) std::memcpy(chunk->data.get(), rest.data(), rest.size());
  const size_t wanted = chunk->capacity - rest.size();
  const Result<size_t> read =
      bytes_->Read(chunk->data.get() + rest.size(), wanted, offset + static_cast<int64_t>(rest.size()));
  if (!read.ok()) {
    pool_->Drop(chunk);
    return read.status();
  }
  chunk->size = rest.size() + *read;
  std::memset(chunk->data.get() + chunk->size, 0, Chunk::kPadding);
  UseChunk(chunk);
  chunk_offset_ = offset;
  end_ = *read < wanted && bytes_->AtEnd();
  waiting_ = *read == 0 && !end_;
  return {};
}

Result<bool> RowReader::Next(FileRow* row) {
  waiting_ = false;
  if (chunk_ == nullptr) RETURN_IF_ERROR(Fill());
  while (true) {
    const std::string_view rest(chunk_->data.get() + row_, chunk_->size - row_);
    size_t end = delimiter_ ? CsvRowEnd(rest, *delimiter_) : rest.find('\n');
    if (end == kNotFound) {
      if (!end_ && rest.size() < kMaxBytes) {
        RETURN_IF_ERROR(Fill());
        if (waiting_) return false;
        continue;
      }
      if (delimiter_) end = rest.find('\n');
      if (end == kNotFound && rest.empty()) return false;
    }
    if (end == kNotFound && !end_) {
      RETURN_IF_ERROR(SkipCutRow(row));
      return true;
    }
    Give(end == kNotFound ? rest.size() : end, end == kNotFound ? 0 : 1, row);
    if (!row->text.empty()) return true;
  }
}

void RowReader::Give(size_t end, size_t line_end, FileRow* row) {
  row->text = std::string_view(chunk_->data.get() + row_, end);
  if (row->text.ends_with('\r')) row->text.remove_suffix(1);
  row->offset = chunk_offset_ + static_cast<int64_t>(row_);
  row_ += end + line_end;
  row->next = chunk_offset_ + static_cast<int64_t>(row_);
  row->open_end = line_end == 0;
  row->cut = row->text.size() > kMaxBytes;
  if (row->cut) row->text = row->text.substr(0, kMaxBytes);
  if (row->text.empty() || (!given_.empty() && given_.back() == chunk_)) return;
  pool_->Hold(chunk_);
  given_.push_back(chunk_);
}

Status RowReader::SkipCutRow(FileRow* row) {
  Give(chunk_->size - row_, 0, row);
  row->cut = true;
  row->text = row->text.substr(0, kMaxBytes);
  auto scratch = std::make_unique_for_overwrite<char[]>(kChunkBytes);
  while (true) {
    ASSIGN_OR_RETURN(const size_t size, bytes_->Read(scratch.get(), kChunkBytes, row->next));
    const size_t end = std::string_view(scratch.get(), size).find('\n');
    row->next += static_cast<int64_t>(end == kNotFound ? size : end + 1);
    if (end != kNotFound || size == 0) break;
  }
  UseChunk(nullptr);
  chunk_offset_ = row->next;
  return {};
}

std::vector<Chunk*> RowReader::TakeChunks() { return std::exchange(given_, {}); }

}  // namespace anabranch

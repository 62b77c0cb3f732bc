#include "connectors/file/file_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <set>

#include "connectors/file/record_envelope.h"
#include "connectors/file/row_reader.h"
#include "engine/codec/decoder.h"
#include "engine/lane_context.h"
#include "engine/text/json_nesting.h"

namespace anabranch {
namespace {

constexpr int64_t kPrefixBytes = int64_t{1} << 20;

struct Opened {
  std::unique_ptr<RowReader> reader;
  std::vector<std::string> header;
  int64_t first = 0;  // offset of the first row of data
};

Result<std::vector<std::string>> ReadHeader(RowReader& reader, const std::string& path, char delimiter,
                                            int64_t* first) {
  FileRow row;
  ASSIGN_OR_RETURN(const bool found, reader.Next(&row));
  if (!found) return Status(Code::kInvalid, path + " is empty: CSV needs a header row");
  std::vector<std::string_view> cells;
  std::string scratch;
  if (row.cut || !SplitCsvRow(row.text, delimiter, &cells, &scratch)) {
    return Status(Code::kInvalid, path + ": the header row is not CSV");
  }
  std::set<std::string_view> seen;
  for (const std::string_view cell : cells) {
    if (!seen.insert(cell).second) {
      return Status(Code::kInvalid, path + ": the header row names \"" + std::string(cell) + "\" twice");
    }
  }
  *first = row.next;
  return std::vector<std::string>(cells.begin(), cells.end());
}

std::optional<char> DelimiterOf(const FileSourceOptions& options) {
  return options.csv ? std::optional<char>(options.dialect.delimiter) : std::nullopt;
}

Result<Opened> OpenFile(const FileSourceOptions& options) {
  Opened opened;
  ASSIGN_OR_RETURN(opened.reader, RowReader::Open(options.path, DelimiterOf(options)));
  opened.first = opened.reader->start();
  if (options.csv) {
    ASSIGN_OR_RETURN(opened.header, ReadHeader(*opened.reader, options.path, options.dialect.delimiter, &opened.first));
  }
  return opened;
}

// A JSON text that ends inside a string, an object or an array.
bool EndsInsideJson(std::string_view text) {
  const JsonNesting nesting = NestingOf(text);
  return nesting.in_string || nesting.balance > 0;
}

bool EndsInsideCsv(std::string_view text, char delimiter, size_t cells) {
  std::vector<std::string_view> found;
  std::string scratch;
  return !SplitCsvRow(text, delimiter, &found, &scratch) || found.size() < cells;
}

// What Identity() says, taken apart.
struct FileMark {
  int64_t size = 0;
  std::string prefix;  // XXH3 of the first min(size, 1 MiB) bytes, 16 hex digits

  std::string Print() const { return "size=" + std::to_string(size) + ";prefix=" + prefix; }
  static bool Parse(const std::string& text, FileMark* mark) {
    constexpr std::string_view kSize = "size=", kPrefix = ";prefix=";
    if (!text.starts_with(kSize)) return false;
    const auto [end, error] = std::from_chars(text.data() + kSize.size(), text.data() + text.size(), mark->size);
    const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
    if (error != std::errc() || mark->size < 0 || !rest.starts_with(kPrefix)) return false;
    mark->prefix = rest.substr(kPrefix.size());
    return true;
  }
};

// The mark of the file's first `limit` bytes (-1: all of it). `size` = the whole file's.
Result<FileMark> MarkOf(const std::string& path, int64_t limit, int64_t* size) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    const Status status(Code::kUnavailable, "cannot read " + path + ": " + std::strerror(errno));
    if (fd >= 0) close(fd);
    return status;
  }
  *size = info.st_size;
  FileMark mark;
  mark.size = limit < 0 ? *size : std::min(limit, *size);
  std::string bytes(static_cast<size_t>(std::min(mark.size, kPrefixBytes)), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  close(fd);
  if (done < bytes.size()) return Status(Code::kUnavailable, "cannot read the beginning of " + path);
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  mark.prefix = hex;
  return mark;
}

class FileSource : public Source {
 public:
  FileSource(FileSourceOptions options, std::vector<std::string> header, const LaneContext& lane)
      : options_(std::move(options)),
        header_(std::move(header)),
        warn_(lane.warn),
        table_(lane.partitions),
        partition_(*table_->Find({"file:" + options_.source_id, 0})) {}

  Status Open() override {
    if (options_.committed_length && access(options_.path.c_str(), F_OK) != 0 && errno == ENOENT) return {};
    ASSIGN_OR_RETURN(Opened opened, OpenFile(options_));
    if (opened.header != header_) {
      return {Code::kInvalid, options_.path + ": the header row changed since the topology was checked; start again"};
    }
    reader_ = std::move(opened.reader);
    first_ = opened.first;
    return {};
  }

  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) override;
  std::vector<PartitionEnd> Ends() const override {
    if (reader_ == nullptr || IsStandardStream(options_.path)) return {};
    const Result<int64_t> size = reader_->Size();
    if (!size.ok() || *size == FileBytes::kUnknownSize) return {};
    return {{partition_, std::min(*size, end_)}};
  }
  std::vector<PartitionId> partitions() const override { return {partition_}; }

  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) override {
    return std::vector<int64_t>(partitions.size(), kNoPosition);
  }

  Result<std::vector<int64_t>> StartPositions(std::span<const PartitionId> partitions) override {
    return std::vector<int64_t>(partitions.size(), first_);
  }
  Result<std::vector<PositionRange>> Readable(std::span<const PartitionId> partitions) override {
    if (reader_ == nullptr) return std::vector<PositionRange>(partitions.size(), {partition_, 0, 0});
    return std::vector<PositionRange>(partitions.size(), {partition_, first_, INT64_MAX});
  }
  Status Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) override;
  Status Release() override { return {}; }
  Status CommitPositions(std::span<const PositionRange> /*positions*/) override { return {}; }
  void Close() override { state_ = State::kClosed; }

 private:
  enum class State { kNew, kWaiting, kReading, kEnded, kClosed };

  bool StillWritten(const FileRow& row) const;
  Result<int64_t> ReadBackEnd() const;
  Result<bool> PassRowBegunAt(int64_t offset);
  Status NoRow() const;
  void AddRow(const FileRow& row, RecordBatch* batch);
  void AddEnvelopeRow(const FileRow& row, RecordBatch* batch);
  void HoldChunks(RecordBatch* batch);

  const FileSourceOptions options_;
  const std::vector<std::string> header_;
  const std::function<void(const std::string&)> warn_;
  SourceTable* const table_;
  const PartitionId partition_;
  std::unique_ptr<RowReader> reader_;
  EnvelopeReader envelope_;
  EnvelopeRecord record_;
  int64_t first_ = 0;  // offset of the first row of data
  int64_t base_ = 0;   // position of the first byte: 0 for files
  int64_t next_ = 0;   // everything before it was handed out
  int64_t end_ = INT64_MAX;
  State state_ = State::kNew;
};

Status FileSource::Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) {
  if (options_.committed_length && reader_ == nullptr) {
    state_ = State::kEnded;
    return {};
  }
  if (reader_ == nullptr || partitions.size() != 1 || next.size() != 1 || partitions[0] != partition_) {
    return {Code::kInternal, "a file source has one partition and is opened before it is assigned"};
  }
  if (IsStandardStream(options_.path)) {
    base_ = next_ = std::max<int64_t>(next[0], 0);
    state_ = State::kReading;
    return {};
  }
  next_ = next[0] == kNoPosition ? first_ : next[0];
  ASSIGN_OR_RETURN(bool at_row, reader_->Seek(next_));
  if (options_.committed_length) {
    ASSIGN_OR_RETURN(end_, ReadBackEnd());
    if (!at_row) {
      ASSIGN_OR_RETURN(at_row, PassRowBegunAt(next_ - 1));
    }
  }
  if (!at_row) return NoRow();
  state_ = State::kReading;
  return {};
}

Status FileSource::NoRow() const {
  const std::string where = options_.path + " changed: byte " + std::to_string(next_) + ", where reading goes on, is ";
  if (options_.committed_length) {
    return {Code::kInvalid, where +
                                "not the beginning of a dead letter. Put the file back as the pipeline wrote it; or "
                                "keep a copy of it and start over with `anabranch run FILE --fresh`"};
  }
  return {Code::kInvalid, where +
                              "not the beginning of a row: the file was replaced, or its last line had no line end "
                              "and was continued. `run --fresh` starts over"};
}

Result<int64_t> FileSource::ReadBackEnd() const {
  ASSIGN_OR_RETURN(const int64_t size, reader_->Size());
  ASSIGN_OR_RETURN(const int64_t committed, options_.committed_length());
  return committed < 0 ? size : std::min(size, committed);
}

// Programs before 2026-11-28 stored the byte behind the first one of a letter that was replayed: it is done. False: no
// row begins at `offset`.
Result<bool> FileSource::PassRowBegunAt(int64_t offset) {
  ASSIGN_OR_RETURN(const bool begins, reader_->Seek(offset));
  FileRow row;
  if (!begins) return false;
  ASSIGN_OR_RETURN(const bool found, reader_->Next(&row));
  if (!found || row.offset != offset) return false;
  next_ = row.next;
  return true;
}

Result<SourceEvent> FileSource::Poll(RecordBatch& batch, const BatchLimits& limits, int64_t /*wait_ns*/) {
  if (reader_ == nullptr && !options_.committed_length) {
    return Status(Code::kInternal, "a file source was polled before it was opened");
  }
  if (state_ == State::kNew) {
    state_ = State::kWaiting;
    return SourceEvent::kAssigned;
  }
  if (state_ == State::kWaiting) return SourceEvent::kIdle;
  const int64_t first = next_;
  batch.partitions = table_;
  if (state_ == State::kReading && next_ >= end_) state_ = State::kEnded;
  if (state_ != State::kReading) return SourceEvent::kEnd;
  while (next_ < end_ && state_ == State::kReading && batch.rows() < limits.max_rows &&
         batch.payload_bytes < limits.max_bytes) {
    FileRow row;
    const Result<bool> found = reader_->Next(&row);
    if (!found.ok()) return found.status();
    if (!*found && reader_->waiting()) break;
    if (!*found || StillWritten(row)) {
      state_ = State::kEnded;
      break;
    }
    AddRow(row, &batch);
    next_ = base_ + row.next;
  }
  HoldChunks(&batch);
  if (batch.rows() == 0) return reader_->waiting() ? SourceEvent::kIdle : SourceEvent::kEnd;
  batch.positions.push_back({partition_, first, next_});
  return SourceEvent::kRows;
}

bool FileSource::StillWritten(const FileRow& row) const {
  if (!row.open_end || row.cut) return false;
  const RowLayout& dialect = options_.dialect;
  const bool inside =
      options_.csv ? EndsInsideCsv(row.text, dialect.delimiter, header_.size()) : EndsInsideJson(row.text);
  if (!inside || IsStandardStream(options_.path)) return false;
  if (warn_) {
    warn_(options_.path + ": the last line, at byte " + std::to_string(row.offset) +
          ", is not complete and has no line end. It is not read; when the file has grown, a run goes on there");
  }
  return true;
}

void FileSource::AddRow(const FileRow& row, RecordBatch* batch) {
  if (row.cut) {
    batch->source_errors.push_back({batch->rows(), "too_large",
                                    "the row is " + std::to_string(row.next - row.offset) + " bytes long, more than " +
                                        std::to_string(RowReader::kMaxBytes) + " can be read"});
  } else if (options_.record_envelope) {
    return AddEnvelopeRow(row, batch);
  }
  batch->AddRow(partition_, base_ + row.offset, -1, {}, false, row.text);
}

void FileSource::AddEnvelopeRow(const FileRow& row, RecordBatch* batch) {
  std::string code;
  const Status status = envelope_.Read(row.text, &batch->text, &record_, &code);
  if (!status.ok()) {
    batch->source_errors.push_back({batch->rows(), code, status.message()});
    batch->AddRow(partition_, base_ + row.offset, -1, {}, false, row.text);
    return;
  }
  batch->headers.insert(batch->headers.end(), record_.headers.begin(), record_.headers.end());
  batch->AddRow(partition_, base_ + row.offset, record_.timestamp_ms, record_.key, record_.has_key, record_.value);
}

void FileSource::HoldChunks(RecordBatch* batch) {
  std::vector<Chunk*> chunks = reader_->TakeChunks();
  if (chunks.empty()) return;
  batch->release = [pool = reader_->pool(), held = std::move(chunks)] {
    for (Chunk* chunk : held) pool->Drop(chunk);
  };
}

class FileSourceProgram : public SourceProgram {
 public:
  FileSourceProgram(FileSourceOptions options, std::vector<std::string> header)
      : options_(std::move(options)), header_(std::move(header)) {}

  int Lanes(int /*workers*/) const override { return 1; }
  bool bounded() const override { return true; }
  std::string Describe() const override { return CanRepeat() ? "file " + options_.path : "standard input"; }
  std::string PlaceInProject() const override { return "file " + options_.in_project; }
  RowLayout row_layout() const override {
    RowLayout dialect = options_.dialect;
    dialect.header = header_;
    return dialect;
  }
  bool CanRepeat() const override { return !IsStandardStream(options_.path); }
  std::shared_ptr<const SourceProgram> Reader() const override {
    return CanRepeat() ? std::make_shared<FileSourceProgram>(options_, header_) : nullptr;
  }

  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    return std::unique_ptr<Source>(std::make_unique<FileSource>(options_, header_, lane));
  }

  Result<std::string> Identity() const override {
    if (!CanRepeat()) return std::string();
    int64_t size = 0;
    ASSIGN_OR_RETURN(const FileMark mark, MarkOf(options_.path, -1, &size));
    return mark.Print();
  }

  Result<bool> SameInput(const std::string& stored_identity, bool* grown) const override {
    *grown = false;
    FileMark stored;
    if (!FileMark::Parse(stored_identity, &stored)) return false;
    int64_t size = 0;
    ASSIGN_OR_RETURN(const FileMark now, MarkOf(options_.path, stored.size, &size));
    if (size < stored.size || now.prefix != stored.prefix) return false;
    *grown = size > stored.size;
    return true;
  }

 private:
  const FileSourceOptions options_;
  const std::vector<std::string> header_;
};

}  // namespace

Result<std::shared_ptr<const SourceProgram>> MakeFileSource(FileSourceOptions options) {
  // A file of lines may come later, as the records of a topic do: then the run says that it is not there.
  const bool may_come = !options.csv && !IsStandardStream(options.path);
  if (IsStandardStream(options.path) || (may_come && access(options.path.c_str(), F_OK) != 0 && errno == ENOENT)) {
    return std::shared_ptr<const SourceProgram>(
        std::make_shared<FileSourceProgram>(std::move(options), std::vector<std::string>()));
  }
  Result<Opened> opened = OpenFile(options);
  if (!opened.ok()) return Status(Code::kInvalid, opened.status().message());
  return std::shared_ptr<const SourceProgram>(
      std::make_shared<FileSourceProgram>(std::move(options), std::move(opened->header)));
}

}  // namespace anabranch

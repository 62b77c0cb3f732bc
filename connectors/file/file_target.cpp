#include "connectors/file/file_target.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "connectors/file/append_file.h"
#include "connectors/file/csv_rows.h"
#include "connectors/file/file_bytes.h"
#include "connectors/file/file_source.h"
#include "connectors/file/record_envelope.h"
#include "engine/codec/json_writer.h"
#include "engine/record_id.h"
#include "engine/state_store.h"
#include "engine/text/base64.h"
#include "engine/text/json_literals.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr const char* kDeadLetterFile = "dead_letters.jsonl";
constexpr size_t kKeptBufferBytes = size_t{4} << 20;

enum class Layout { kEnveloped, kPlain, kRaw, kDeadLetters };

// <topic>/<partition>/<offset>/<node>, into a text that is used again for each row.
const std::string& SetRecordId(const RecordBatch& batch, uint32_t r, const std::string& node_id, std::string* id) {
  id->clear();
  AppendRecordId(batch.partitions->at(batch.partition[r]), batch.offset[r], id);
  return id->append("/").append(node_id);
}

class FileEncoder : public RowEncoder {
 public:
  FileEncoder(Layout layout, std::string node_id, const std::vector<TargetFields::Field>& fields,
              std::optional<CsvRows> csv)
      : layout_(layout), node_id_(std::move(node_id)), writer_(fields), csv_(std::move(csv)) {}

  Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) override {
    for (uint32_t r = 0; r < batch.rows(); ++r) {
      if (active[r] == 0) continue;
      if (!out->HasRoom()) break;
      EncodedRows::Row row;
      row.partition = batch.partition[r];
      row.offset = batch.offset[r];
      row.timestamp_ms = batch.timestamp_ms[r];
      row.value = out->Here();
      AppendLine(batch, r, out->max_row_bytes, &out->bytes);
      row.value_size = out->Here() - row.value;
      out->AddRow(row, r, row.value);
    }
    return {};
  }

 private:
  void AppendLine(const RecordBatch& batch, uint32_t r, size_t most, std::string* out) {
    if (csv_) return csv_->Append(batch, r, SetRecordId(batch, r, node_id_, &id_), out);
    if (layout_ == Layout::kRaw) {
      out->append(batch.payload[r]);
    } else if (layout_ == Layout::kPlain) {
      writer_.Append(batch, r, out, most);
    } else {
      AppendIdentity(batch, r, out);
      writer_.Append(batch, r, out, most);
      *out += '}';
    }
    *out += '\n';
  }

  void AppendIdentity(const RecordBatch& batch, uint32_t r, std::string* out) {
    *out += "{\"id\":";
    AppendJsonString(out, SetRecordId(batch, r, node_id_, &id_));
    if (batch.key_present[r] == 0) {
      *out += ",\"key\":null";
    } else if (IsUtf8(batch.key[r])) {
      *out += ",\"key\":";
      AppendJsonString(out, batch.key[r]);
    } else {
      *out += ",\"key_base64\":";
      AppendJsonString(out, Base64(batch.key[r]));
    }
    *out += ",\"value\":";
  }

  const Layout layout_;
  const std::string node_id_;
  const JsonRowWriter writer_;
  std::optional<CsvRows> csv_;
  std::string id_;
};

class FileTargetProgram : public TargetProgram {
 public:
  FileTargetProgram(Layout layout, FileTargetOptions options, std::string node_id,
                    std::vector<TargetFields::Field> fields)
      : layout_(layout),
        path_(std::move(options.place.path)),
        in_project_(std::move(options.place.in_project)),
        csv_(options.csv),
        delimiter_(options.delimiter),
        node_id_(std::move(node_id)),
        fields_(std::move(fields)) {}

  std::string commit_unit() const override { return "file:" + (path_.empty() ? kDeadLetterFile : in_project_); }
  std::string connector() const override { return "file"; }
  std::string Describe() const override {
    if (IsStandardStream(path_)) return "standard output";
    return "file " + (path_.empty() ? kDeadLetterFile : path_);
  }

  std::string DescribeIn(const std::string& state_dir) const override {
    return path_.empty() ? "file " + PathIn(state_dir) : Describe();
  }

  bool ExactlyOnce(const SourceProgram& /*source*/, std::string* why) const override {
    if (IsStandardStream(path_)) {
      if (why != nullptr) *why = "what was written to standard output cannot be taken back after a crash";
      return false;
    }
    if (why != nullptr) {
      *why =
          "the file's length and the source positions are committed together in the ledger, while one instance "
          "owns the file";
    }
    return true;
  }

  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& /*identity*/) const override {
    if (dead_letters()) return nullptr;  // they come encoded by the engine
    return std::make_unique<FileEncoder>(layout_, node_id_, fields_,
                                         csv_ ? std::optional<CsvRows>(Csv()) : std::nullopt);
  }
  // What stands at the file's beginning.
  std::string Header() const { return csv_ ? Csv().Header() : std::string(); }

  bool CanDiscard() const override { return true; }
  // The default file of dead letters lies in the state folder, which is archived as a whole.
  Status Discard(StateStore& store) const override {
    return path_.empty() || IsStandardStream(path_) ? Status::Ok() : AppendFile::Empty(path_, commit_unit(), &store);
  }
  Status CheckThere(const std::string& state_dir, StateStore& store) const override {
    return IsStandardStream(path_) ? Status::Ok() : AppendFile::CheckThere(PathIn(state_dir), commit_unit(), store);
  }

  bool dead_letters() const { return layout_ == Layout::kDeadLetters; }
  std::string PathIn(const std::string& state_dir) const {
    return path_.empty() ? state_dir + "/" + kDeadLetterFile : path_;
  }

 private:
  CsvRows Csv() const { return {fields_, layout_ == Layout::kEnveloped, delimiter_}; }

  const Layout layout_;
  const std::string path_;  // empty: the default of dead letters
  const std::string in_project_;
  const bool csv_;
  const char delimiter_;
  const std::string node_id_;
  const std::vector<TargetFields::Field> fields_;
};

// Collects an epoch in memory and appends it at its commit: nothing of it is in the file before.
class FileCommitter : public Committer {
 public:
  struct Target {
    TargetId id;
    bool dead_letters;
  };

  FileCommitter(const LaneContext& lane, std::string path, std::string unit, std::string header,
                std::vector<Target> targets, OpenFiles* files)
      : lane_(lane),
        path_(std::move(path)),
        unit_(std::move(unit)),
        header_(std::move(header)),
        targets_(std::move(targets)),
        files_(files) {}

  Status Open() override {
    // Dead letters are whole records, whatever results show of them: theirs is the owner's file.
    const bool letters = std::ranges::any_of(targets_, &Target::dead_letters);
    ASSIGN_OR_RETURN(file_, files_->Get(path_, unit_, lane_, letters ? 0600 : 0644));
    return {};
  }

  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override {
    std::vector<SourcePartition> named;
    for (const PartitionId partition : partitions) named.push_back(lane_.partitions->at(partition));
    TargetProgress stored;
    for (const OutputFile::Position& position : file_->Progress(named)) {
      stored.next.push_back(position.next);
      stored.scoring.push_back(position.scoring);
    }
    for (size_t i = 0; i < partitions.size(); ++i) {
      seen_[partitions[i]] = stored.next[i];
      by_other_.erase(partitions[i]);
    }
    std::vector<TargetProgress> progress;
    for (const Target& target : targets_) progress.emplace_back(stored).target = target.id;
    return progress;
  }

  Status MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) override {
    std::vector<OutputFile::Position> moved;
    for (size_t i = 0; i < partitions.size(); ++i) moved.emplace_back(lane_.partitions->at(partitions[i]), next[i]);
    RETURN_IF_ERROR(file_->MoveProgress(moved));
    return Progress(partitions).status();
  }

  Status Write(const EncodedBatch& batch) override {
    for (const Target& target : targets_) {
      if (target.id >= batch.targets.size()) continue;
      const EncodedRows& rows = batch.targets[target.id];
      for (const EncodedRows::Row& row : rows.rows) {
        if (!by_other_.empty() && WrittenByOther(batch.ReadAt(row))) continue;
        WriteRow(target, rows, row);
      }
    }
    return {};
  }

  Status Commit(const EpochEnd& end) override {
    std::vector<OutputFile::Position> next;
    std::vector<int64_t> seen;
    for (const PositionRange& range : end.positions) {
      next.emplace_back(lane_.partitions->at(range.partition), range.next, range.scoring);
      const auto known = seen_.find(range.partition);
      seen.push_back(known != seen_.end() ? known->second : kUnseen);
    }
    const Status status = file_->Append(header_, buffer_, next, seen);
    if (status.code() == Code::kAborted) return OnOvertaken(end, status);
    RETURN_IF_ERROR(status);
    for (const PositionRange& range : end.positions) {
      const auto known = seen_.find(range.partition);
      if (known != seen_.end()) known->second = std::max(known->second, range.next);
    }
    return Abort();
  }

  Status Abort() override {
    buffer_.clear();
    if (buffer_.capacity() > kKeptBufferBytes) buffer_.shrink_to_fit();
    return {};
  }

  CommitOrder commit_order() const override { return CommitOrder::kLocalFile; }
  void Close() override { file_.reset(); }

 private:
  bool WrittenByOther(const EncodedBatch::Place& place) const {
    const auto below = by_other_.find(place.partition);
    return below != by_other_.end() && place.offset < below->second;
  }

  // Two lanes may write rows of one partition for a while: the group has given it to another lane, and this one has not
  // heard of it. Whoever commits second writes only the rows that the first did not. The caller writes the epoch again.
  Status OnOvertaken(const EpochEnd& end, const Status& status) {
    for (const PositionRange& range : end.positions) {
      const int64_t stored = file_->Progress({lane_.partitions->at(range.partition)})[0].next;
      const auto known = seen_.find(range.partition);
      if (known != seen_.end() && known->second != stored) known->second = by_other_[range.partition] = stored;
    }
    RETURN_IF_ERROR(Abort());
    return status;
  }

  void WriteRow(const Target& target, const EncodedRows& rows, const EncodedRows::Row& row) {
    if (target.dead_letters) {
      AppendRecordEnvelope(rows, row, &buffer_);
    } else {
      buffer_.append(rows.value(row));
    }
  }

  const LaneContext& lane_;
  const std::string path_;
  const std::string unit_;
  const std::string header_;
  const std::vector<Target> targets_;
  OpenFiles* const files_;
  std::shared_ptr<OutputFile> file_;
  std::map<PartitionId, int64_t> seen_;      // the stored position, as this lane saw it last
  std::map<PartitionId, int64_t> by_other_;  // another lane has written the rows below since the assignment
  std::string buffer_;                       // the open epoch
};

Layout LayoutOf(const std::string& envelope) {
  if (envelope == "raw") return Layout::kRaw;
  return envelope == "plain" ? Layout::kPlain : Layout::kEnveloped;
}

}  // namespace

std::shared_ptr<const TargetProgram> MakeFileTarget(FileTargetOptions options, const TargetFields& fields) {
  return std::make_shared<FileTargetProgram>(LayoutOf(fields.envelope), std::move(options), fields.node_id,
                                             fields.fields);
}

std::shared_ptr<const TargetProgram> MakeDeadLetterFile(FilePlace place) {
  return std::make_shared<FileTargetProgram>(Layout::kDeadLetters, FileTargetOptions{std::move(place)}, "",
                                             std::vector<TargetFields::Field>());
}

Result<std::shared_ptr<const SourceProgram>> MakeDeadLetterFileSource(const TargetProgram& target,
                                                                      const std::string& state_dir) {
  const auto* file = dynamic_cast<const FileTargetProgram*>(&target);
  if (file == nullptr || !file->dead_letters()) {
    return Status(Code::kInvalid, target.Describe() + " is no file of dead letters");
  }
  FileSourceOptions options;
  options.source_id = "dead_letters";
  options.path = file->PathIn(state_dir);
  options.record_envelope = true;
  // What a process that died wrote behind the committed length is not there yet.
  options.committed_length = [state_dir, unit = target.commit_unit()]() -> Result<int64_t> {
    ASSIGN_OR_RETURN(const auto store, StateStore::OpenReadOnly(state_dir));
    if (store == nullptr) return int64_t{-1};
    ASSIGN_OR_RETURN(const auto progress, store->GetTarget(unit));
    return progress ? progress->length : int64_t{-1};
  };
  return MakeFileSource(std::move(options));
}

Result<std::shared_ptr<OutputFile>> OpenFiles::Get(const std::string& path, const std::string& unit,
                                                   const LaneContext& lane, mode_t mode) {
  const MutexLock guard(mutex_);
  if (std::shared_ptr<OutputFile> file = files_[path].lock()) return file;
  std::shared_ptr<OutputFile> file;
  if (IsStandardStream(path)) {
    file = MakeStandardOutput(unit, lane.store, lane.cancel);
  } else {
    const std::function<void(const std::string&)> quiet = [](const std::string&) {};
    ASSIGN_OR_RETURN(file, AppendFile::Open(path, unit, lane.store, lane.warn ? lane.warn : quiet, mode));
  }
  files_[path] = file;
  return file;
}

Result<std::unique_ptr<Committer>> MakeFileCommitter(
    const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets, OpenFiles* files) {
  std::vector<FileCommitter::Target> mine;
  const FileTargetProgram* any = nullptr;
  std::string header;
  for (const auto& [id, program] : targets) {
    any = dynamic_cast<const FileTargetProgram*>(program);
    if (any == nullptr) return Status(Code::kInternal, program->Describe() + " is no file target");
    mine.push_back({id, any->dead_letters()});
    if (any->Header() != header && mine.size() > 1) {
      return Status(Code::kInvalid,
                    any->Describe() + " is written by two nodes with different columns: give each its own");
    }
    header = any->Header();
  }
  if (any == nullptr) return Status(Code::kInternal, "a committer without targets");
  return std::unique_ptr<Committer>(std::make_unique<FileCommitter>(
      lane, any->PathIn(lane.state_dir), any->commit_unit(), std::move(header), std::move(mine), files));
}

}  // namespace anabranch

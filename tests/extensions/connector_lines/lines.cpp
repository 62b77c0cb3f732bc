#include "tests/extensions/connector_lines/lines.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "engine/codec/json_writer.h"
#include "engine/connector.h"
#include "engine/lane_context.h"

namespace anabranch {
namespace {

// A commit is appended in one piece: "row OFFSET JSON" per row, "next POSITION PARTITION TOPIC" per partition, and a
// last line "commit". What stands behind the last "commit" is the rest of a process that died.
constexpr char kCommit[] = "commit\n";

class LinesEncoder : public RowEncoder {
 public:
  explicit LinesEncoder(const std::vector<TargetFields::Field>& fields) : writer_(fields) {}

  Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) override {
    for (uint32_t r = 0; r < batch.rows(); ++r) {
      if (active[r] == 0) continue;
      if (!out->HasRoom()) break;
      EncodedRows::Row row;
      row.partition = batch.partition[r];
      row.offset = batch.offset[r];
      row.value = out->Here();
      writer_.Append(batch, r, &out->bytes);
      row.value_size = out->Here() - row.value;
      out->AddRow(row, r, row.value);
    }
    return {};
  }

 private:
  const JsonRowWriter writer_;
};

class LinesProgram : public TargetProgram {
 public:
  LinesProgram(std::string path, std::vector<TargetFields::Field> fields)
      : path_(std::move(path)), fields_(std::move(fields)) {}
  std::string commit_unit() const override { return "lines:" + path_; }
  std::string connector() const override { return "lines"; }
  bool ExactlyOnce(const SourceProgram&, std::string*) const override { return true; }
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity&) const override {
    return std::make_unique<LinesEncoder>(fields_);
  }
  std::string Describe() const override { return "lines " + path_; }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const std::vector<TargetFields::Field> fields_;
};

class LinesCommitter : public Committer {
 public:
  LinesCommitter(const LaneContext& lane, TargetId target, std::string path)
      : lane_(lane), target_(target), path_(std::move(path)) {}
  ~LinesCommitter() override { Close(); }

  Status Open() override {
    std::ostringstream text;
    text << std::ifstream(path_, std::ios::binary).rdbuf();
    const size_t end = text.str().rfind(kCommit);
    const std::string committed = end == std::string::npos ? "" : text.str().substr(0, end + sizeof kCommit - 1);
    std::istringstream lines(committed);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string word;
      SourcePartition from;
      int64_t next = 0;
      if (words >> word >> next >> from.partition >> from.topic && word == "next") next_[from] = next;
    }
    file_ = std::fopen(path_.c_str(), "ab");
    if (file_ == nullptr || ftruncate(fileno(file_), static_cast<off_t>(committed.size())) != 0) {
      return {Code::kUnavailable, "cannot write " + path_ + ": check its folder"};
    }
    return {};
  }
  Result<std::vector<TargetProgress>> Progress(std::span<const PartitionId> partitions) override {
    TargetProgress progress{target_, {}};
    for (const PartitionId partition : partitions) {
      const auto found = next_.find(lane_.partitions->at(partition));
      progress.next.push_back(found == next_.end() ? kNoPosition : found->second);
    }
    return std::vector<TargetProgress>{progress};
  }
  Status MoveProgress(std::span<const PartitionId> partitions, std::span<const int64_t> next) override {
    auto moved = next_;
    for (size_t i = 0; i < partitions.size(); ++i) {
      const auto found = moved.find(lane_.partitions->at(partitions[i]));
      if (found != moved.end()) found->second = next[i];
    }
    return Append("", std::move(moved));
  }
  Status Write(const EncodedBatch& batch) override {
    const EncodedRows& rows = batch.targets[target_];
    for (const EncodedRows::Row& row : rows.rows) {
      open_ += "row " + std::to_string(row.offset) + " ";
      open_.append(rows.value(row)).append("\n");
    }
    return {};
  }
  Status Commit(const EpochEnd& end) override {
    auto next = next_;
    for (const PositionRange& range : end.positions) {
      int64_t& stored = next.try_emplace(lane_.partitions->at(range.partition), range.next).first->second;
      stored = std::max(stored, range.next);
    }
    RETURN_IF_ERROR(Append(open_, std::move(next)));
    return Abort();
  }
  Status Abort() override {
    open_.clear();
    return {};
  }
  CommitOrder commit_order() const override { return CommitOrder::kLocalFile; }
  void Close() override {
    if (file_ != nullptr) std::fclose(file_);
    file_ = nullptr;
  }

 private:
  Status Append(std::string text, std::map<SourcePartition, int64_t> next) {
    for (const auto& [from, position] : next) {
      text += "next " + std::to_string(position) + " " + std::to_string(from.partition) + " " + from.topic + "\n";
    }
    text += kCommit;
    const bool written = std::fwrite(text.data(), 1, text.size(), file_) == text.size();
    if (!written || std::fflush(file_) != 0 || fdatasync(fileno(file_)) != 0) {
      return {Code::kUnavailable, "cannot write " + path_ + ": check the disk"};
    }
    next_ = std::move(next);
    return {};
  }

  const LaneContext& lane_;
  const TargetId target_;
  const std::string path_;
  std::FILE* file_ = nullptr;
  std::map<SourcePartition, int64_t> next_;  // committed
  std::string open_;                         // rows of the open epoch
};

class LinesConnector : public Connector {
 public:
  LinesConnector() {
    spec_.name = "lines";
    spec_.summary = "Writes rows and progress to one text file.";
    spec_.target = {{"path", Shape::Path(), true, "", "The file."}};
  }
  const Spec& spec() const override { return spec_; }
  std::shared_ptr<const SourceProgram> BindSource(const ConfigValue&, const std::string&, BindServices&,
                                                  FaultSink&) const override {
    return nullptr;
  }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields& fields,
                                                  BindServices& services, FaultSink& faults) const override {
    if (!fields.envelope.empty()) {
      faults.Add(FaultCode::kBadValue, at, "lines have no envelope", "remove \"envelope\"");
      return nullptr;
    }
    const ConfigValue* path = at.Find("path");
    if (path == nullptr || path->text.empty()) {
      faults.Add(FaultCode::kBadValue, path == nullptr ? at : *path, "\"path\" names no file",
                 "name the file to write");
      return nullptr;
    }
    Result<std::string> resolved = services.ResolvePath(path->text);
    if (resolved.ok()) return std::make_shared<LinesProgram>(std::move(*resolved), fields.fields);
    faults.Add(FaultCode::kPath, *path, resolved.status().message());
    return nullptr;
  }
  std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue*, const SourceProgram*, const std::string&,
                                                       BindServices&, FaultSink&) const override {
    return nullptr;
  }
  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram&, Source&) const override {
    const auto* program = static_cast<const LinesProgram*>(targets.front().second);  // bound by this connector
    return std::unique_ptr<Committer>(std::make_unique<LinesCommitter>(lane, targets.front().first, program->path()));
  }

 private:
  Spec spec_;
};

}  // namespace

void RegisterConnectorLines(Registry& registry) { registry.Add(std::make_unique<LinesConnector>()); }

}  // namespace anabranch

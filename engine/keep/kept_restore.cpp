#include <algorithm>

#include "engine/keep/kept_format.h"
#include "engine/plan_graph.h"

namespace anabranch {
namespace {

constexpr std::string_view kDeadLetters = "dead_letters";  // target id

Status BadFrame(const std::string& what) {
  return {Code::kInvalid, "a frame of kept results is damaged: " + what + " cannot be read"};
}

// A required column or stage that the frame does not have.
Status Unfit(const Plan& plan, StageId reader, const ColumnInfo& column, const std::string& why) {
  return {Code::kInvalid, "node \"" + plan.StageName(reader) + "\" reads column \"" + column.name + "\" of \"" +
                              column.maker + "\", " + why + "; restart from \"" + column.maker + "\""};
}

// The next text of a block. All lengths are stored before the first text.
std::string_view TakeText(ByteReader& in, const char* size_at) {
  const auto size = LoadNumber<uint32_t>(size_at);
  return size == kNullText ? std::string_view() : in.Take(size);
}

// Later code reads headers without checking bounds, so they must end where their row says.
bool SoundHeaders(std::string_view bytes) {
  ByteReader in(bytes);
  while (in.ok() && in.left() > 0) {
    for (int part = 0; part < 2; ++part) {
      if (const auto size = in.Number<uint32_t>(); size != EncodedRows::kNone) (void)in.Take(size);
    }
  }
  return in.ok();
}

bool SoundSpan(uint32_t begin, uint32_t size, size_t all) {
  return size == EncodedRows::kNone || (begin <= all && size <= all - begin);
}

// Restores one frame.
class Restorer {
 public:
  Restorer(const Plan& plan, const RestoreRules& rules, SourceTable& partitions, RecordBatch* batch)
      : plan_(plan), rules_(rules), table_(partitions), batch_(*batch), in_({}) {}

  Status Run(std::string_view frame);

 private:
  // A partition that rows of the frame refer to.
  struct From {
    bool wanted = false;
    PartitionId id;
    int64_t next = 0;  // rows below are skipped
  };

  Status FindSource();
  Status SetGiveUp();
  Status FindReused();
  std::string KeptId(StageId stage) const;
  bool Wants(const From& from, int64_t offset) const { return from.wanted && offset >= from.next; }
  Result<From> Find(const SourcePartition& partition);
  Status ReadPartitions();
  Status SetPositions();
  Status ReadRows();
  bool PickRows();
  bool TakeRowTexts(std::vector<std::string_view>* texts);
  bool ReadKeys(std::vector<std::string_view>* keys, std::vector<uint8_t>* present);
  bool ReadTimes();
  bool ReadHeaders();
  bool ReadErrors(std::vector<RowError>* errors);
  Status ReadStages();
  bool ReadStage(StageRows* rows);
  bool ReadVersions(const KeptHeader::Stage& stage, StageRows* rows);
  Status ReadColumns();
  Status CheckColumns(const SourceView& view, const std::vector<ColumnId>& needed) const;
  StageId ReaderOf(const SourceView& view, ColumnId column) const;
  Status ReadTargets();
  bool ReadEncoded(EncodedRows* out);
  bool ReadEncodedRow(EncodedRows* out);
  Status CheckOutputs(const std::vector<bool>& found) const;
  const PlanNode* TargetNode(std::string_view kept_id) const;

  const Plan& plan_;
  const RestoreRules& rules_;
  SourceTable& table_;
  RecordBatch& batch_;
  ByteReader in_;
  KeptHeader header_;
  StageId source_;
  bool reuse_ = false;           // the source's results are reused, so others may be too
  std::vector<bool> reused_;     // by StageId
  std::vector<StageId> stages_;  // by place in header_.done: the stage that uses it, or kNoStage
  std::vector<From> from_;       // by the frame's index
  RowPick pick_{0};
};

Status Restorer::Run(std::string_view frame) {
  std::string_view body;
  RETURN_IF_ERROR(OpenFrame(frame, &header_, &body));
  in_ = ByteReader(body);
  RETURN_IF_ERROR(FindSource());
  RETURN_IF_ERROR(FindReused());
  batch_.source = source_;
  batch_.sequence = header_.sequence;
  batch_.partitions = &table_;
  batch_.restored = reuse_;
  batch_.complete = header_.outputs;
  RETURN_IF_ERROR(SetGiveUp());
  RETURN_IF_ERROR(ReadPartitions());
  RETURN_IF_ERROR(SetPositions());
  for (StageRows& stage : batch_.stages) stage.done = stage.reused = false;
  batch_.encoded.Clear(plan_.targets.size());
  batch_.encoded.positions = batch_.positions;
  if (header_.positions_only()) {
    batch_.restored = true;
    return ReadTargets();
  }
  if (!header_.outputs) {
    RETURN_IF_ERROR(ReadRows());
    if (!reuse_) return Status::Ok();
    batch_.PrepareStages();
    RETURN_IF_ERROR(ReadStages());
    RETURN_IF_ERROR(ReadColumns());
  } else if (!reuse_) {
    return {Code::kInvalid, "only the outputs of these rows of source \"" + header_.source +
                                "\" were kept, not the records; the records must be read from the source again"};
  }
  return ReadTargets();
}

std::string Restorer::KeptId(StageId stage) const {
  const auto found = rules_.reuse.find(plan_.StageName(stage));
  return found != rules_.reuse.end() ? found->second : std::string();
}

Status Restorer::FindSource() {
  for (StageId source = 0; source < plan_.sources.size(); ++source) {
    reuse_ = KeptId(source) == header_.source;
    if (reuse_ || plan_.sources[source].id == header_.source) {
      source_ = source;
      return Status::Ok();
    }
  }
  return {Code::kInvalid, "kept rows of source \"" + header_.source + "\", which the topology does not have"};
}

Status Restorer::SetGiveUp() {
  batch_.give_up = kNoStage;
  if (rules_.give_up.empty()) return Status::Ok();
  batch_.give_up = FindStage(plan_, rules_.give_up);
  if (batch_.give_up != kNoStage) return Status::Ok();
  return {Code::kInvalid, "no node \"" + rules_.give_up + "\" whose rows could be skipped"};
}

Status Restorer::FindReused() {
  reused_.assign(plan_.stages(), false);
  stages_.assign(header_.done.size(), kNoStage);
  if (!reuse_) return Status::Ok();
  const SourceView view(plan_, source_);
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    if (!view.InBatch(stage)) continue;
    const std::string kept = KeptId(stage);
    for (size_t i = 0; i < header_.done.size(); ++i) {
      if (kept.empty() || header_.done[i].id != kept) continue;
      if (reused_[stage] || stages_[i] != kNoStage) return BadFrame("the list of its stages");
      stages_[i] = stage;
      reused_[stage] = true;
    }
  }
  if (reused_[source_]) return Status::Ok();
  // The frame was kept before its source was finished.
  reuse_ = false;
  reused_.assign(plan_.stages(), false);
  stages_.assign(header_.done.size(), kNoStage);
  return Status::Ok();
}

Result<Restorer::From> Restorer::Find(const SourcePartition& partition) {
  From from;
  const std::optional<int64_t> next = rules_.next ? rules_.next(partition) : std::optional<int64_t>(kNoPosition);
  if (!next) return from;
  ASSIGN_OR_RETURN(from.id, table_.Find(partition));
  from.wanted = true;
  from.next = *next;
  return from;
}

Status Restorer::ReadPartitions() {
  const uint32_t count = in_.Count(8);
  for (uint32_t i = 0; i < count; ++i) {
    SourcePartition partition;
    partition.topic = in_.Text();
    partition.partition = in_.Number<int32_t>();
    if (!in_.ok()) break;
    ASSIGN_OR_RETURN(const From from, Find(partition));
    from_.push_back(from);
  }
  return in_.ok() ? Status::Ok() : BadFrame("the list of its partitions");
}

Status Restorer::SetPositions() {
  batch_.positions.clear();
  for (const KeptHeader::Range& range : header_.ranges) {
    ASSIGN_OR_RETURN(const From from, Find(range.partition));
    if (!from.wanted || from.next >= range.next) continue;
    batch_.positions.push_back({from.id, std::max(range.first, from.next), range.next, range.scoring});
  }
  return Status::Ok();
}

// ------------------------------------------------------------------------------------------- rows

// Reads partitions, offsets and times, and picks the rows to restore.
bool Restorer::PickRows() {
  constexpr size_t kRowBytes = 2 + 8 + 8;
  if (header_.rows > in_.left() / kRowBytes) return false;
  const uint32_t rows = header_.rows;
  const char* partitions = in_.TakeArray(rows, 2);
  const char* offsets = in_.TakeArray(rows, 8);
  const char* times = in_.TakeArray(rows, 8);
  pick_ = RowPick(rows);
  for (uint32_t row = 0; row < rows; ++row) {
    const auto index = LoadNumber<uint16_t>(partitions + row * 2);
    const auto offset = LoadNumber<int64_t>(offsets + row * 8);
    if (index >= from_.size() || offset < 0) return false;
    const bool wanted = Wants(from_[index], offset);
    pick_.place[row] = wanted ? pick_.kept++ : RowPick::kLeftOut;
    if (!wanted) continue;
    batch_.partition.push_back(from_[index].id);
    batch_.offset.push_back(offset);
    batch_.timestamp_ms.push_back(LoadNumber<int64_t>(times + row * 8));
  }
  return true;
}

bool Restorer::TakeRowTexts(std::vector<std::string_view>* texts) {
  const char* sizes = in_.TakeArray(pick_.total(), sizeof(uint32_t));
  for (uint32_t row = 0; in_.ok() && row < pick_.total(); ++row) {
    const std::string_view text = TakeText(in_, sizes + row * sizeof(uint32_t));
    if (pick_.place[row] != RowPick::kLeftOut) texts->push_back(text);
  }
  return in_.ok();
}

bool Restorer::ReadKeys(std::vector<std::string_view>* keys, std::vector<uint8_t>* present) {
  const char* flags = in_.TakeArray(pick_.total(), 1);
  for (uint32_t row = 0; in_.ok() && row < pick_.total(); ++row) {
    if (pick_.place[row] != RowPick::kLeftOut) present->push_back(flags[row] != 0 ? 1 : 0);
  }
  return in_.ok() && TakeRowTexts(keys);
}

bool Restorer::ReadHeaders() {
  const char* counts = in_.TakeArray(pick_.total(), sizeof(uint32_t));
  if (!in_.ok()) return false;
  uint64_t total = 0;
  const auto count = [counts](uint32_t row) { return LoadNumber<uint32_t>(counts + row * sizeof(uint32_t)); };
  for (uint32_t row = 0; row < pick_.total(); ++row) total += count(row);
  if (total > in_.left() / (2 * sizeof(uint32_t))) return false;
  const char* sizes = in_.TakeArray(2 * total, sizeof(uint32_t));
  for (uint32_t row = 0; row < pick_.total(); ++row) {
    const bool wanted = pick_.place[row] != RowPick::kLeftOut;
    for (uint32_t i = 0; i < count(row); ++i, sizes += 2 * sizeof(uint32_t)) {
      const std::string_view name = TakeText(in_, sizes);
      const std::string_view value = TakeText(in_, sizes + sizeof(uint32_t));
      if (wanted) batch_.headers.push_back({name, value});
    }
    if (wanted) batch_.header_end.push_back(static_cast<uint32_t>(batch_.headers.size()));
  }
  return in_.ok();
}

bool Restorer::ReadErrors(std::vector<RowError>* errors) {
  const uint32_t count = in_.Count(12);
  uint32_t next = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const auto row = in_.Number<uint32_t>();
    const std::string_view code = in_.Text(), message = in_.Text();
    if (!in_.ok() || row < next || row >= pick_.total()) return false;
    next = row + 1;
    if (pick_.place[row] == RowPick::kLeftOut) continue;
    errors->push_back({pick_.place[row], std::string(code), std::string(message)});
  }
  return in_.ok();
}

// Of rows that are decoded again the source's stage sets them.
bool Restorer::ReadTimes() {
  const char* times = in_.TakeArray(pick_.total(), sizeof(int64_t));
  for (uint32_t row = 0; in_.ok() && reuse_ && row < pick_.total(); ++row) {
    if (pick_.place[row] == RowPick::kLeftOut) continue;
    batch_.time_us.push_back(LoadNumber<int64_t>(times + row * sizeof(int64_t)));
  }
  return in_.ok();
}

Status Restorer::ReadRows() {
  const bool made_keys = in_.Number<uint8_t>() != 0;
  if (!in_.ok() || !PickRows()) return BadFrame("the list of its rows");
  if (!made_keys && reuse_) return BadFrame("the keys of its rows");
  // The same as a source does: a row has the record's own key until the key rule is applied.
  bool keys = ReadKeys(&batch_.key, &batch_.key_present);
  if (made_keys && reuse_) {
    std::swap(batch_.key, batch_.record_key);
    std::swap(batch_.key_present, batch_.record_key_present);
    keys = keys && ReadKeys(&batch_.key, &batch_.key_present);
  } else if (made_keys) {
    std::vector<std::string_view> unused_keys;
    std::vector<uint8_t> unused;
    keys = keys && ReadKeys(&unused_keys, &unused);
  }
  if (!keys) return BadFrame("the keys of its rows");
  if (HasTimes(header_) && !ReadTimes()) return BadFrame("the event times of its rows");
  if (!TakeRowTexts(&batch_.payload)) return BadFrame("the values of its rows");
  for (const std::string_view payload : batch_.payload) batch_.payload_bytes += payload.size();
  if (!ReadHeaders()) return BadFrame("the headers of its rows");
  if (!ReadErrors(&batch_.source_errors)) return BadFrame("the errors of its source");
  return Status::Ok();
}

// ------------------------------------------------------------------------------------------- results

bool Restorer::ReadStage(StageRows* rows) {
  const char* bits = in_.TakeArray(pick_.total(), 1);
  if (!in_.ok()) return false;
  for (uint32_t row = 0; row < pick_.total(); ++row) {
    const auto bit = static_cast<uint8_t>(bits[row]);
    if (bit > 15) return false;  // three bits: every number is an outcome
    if (rows == nullptr || pick_.place[row] == RowPick::kLeftOut) continue;
    const bool active = (bit & 8) != 0;
    rows->outcome[pick_.place[row]] = static_cast<Outcome>(bit & 7);
    rows->active[pick_.place[row]] = active ? 1 : 0;
    rows->active_count += active ? 1 : 0;
  }
  std::vector<RowError> unused;
  return ReadErrors(rows != nullptr ? &rows->errors : &unused);
}

bool Restorer::ReadVersions(const KeptHeader::Stage& stage, StageRows* rows) {
  if (stage.versions.empty()) return true;
  const char* used = in_.TakeArray(pick_.total(), 1);
  if (!in_.ok()) return false;
  if (rows == nullptr) return true;
  rows->version.assign(pick_.kept, 0);
  for (uint32_t row = 0; row < pick_.total(); ++row) {
    const auto version = static_cast<uint8_t>(used[row]);
    if (version >= stage.versions.size()) return false;
    if (pick_.place[row] != RowPick::kLeftOut) rows->version[pick_.place[row]] = version;
  }
  rows->versions = stage.versions;
  return true;
}

Status Restorer::ReadStages() {
  for (size_t i = 0; i < header_.done.size(); ++i) {
    StageRows* rows = stages_[i] != kNoStage ? &batch_.stages[stages_[i]] : nullptr;
    const KeptHeader::Stage& kept = header_.done[i];
    if (!ReadStage(rows) || !ReadVersions(kept, rows)) return BadFrame("stage \"" + kept.id + "\"");
    if (rows != nullptr) rows->done = rows->reused = true;
  }
  return Status::Ok();
}

StageId Restorer::ReaderOf(const SourceView& view, ColumnId column) const {
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    const auto& reads = plan_.node(stage).reads;
    if (view.InBatch(stage) && !reused_[stage] && std::find(reads.begin(), reads.end(), column) != reads.end()) {
      return stage;
    }
  }
  return source_;
}

Status Restorer::CheckColumns(const SourceView& view, const std::vector<ColumnId>& needed) const {
  for (const ColumnId id : needed) {
    const ColumnInfo& info = plan_.columns[id];
    const std::string kept = KeptId(view.maker[id]);
    const auto same = [&](const KeptHeader::Column& c) { return c.name == info.name && c.maker == kept; };
    const auto found = std::find_if(header_.columns.begin(), header_.columns.end(), same);
    if (found == header_.columns.end()) return Unfit(plan_, ReaderOf(view, id), info, "which was not kept");
    const std::string type = StoredType(plan_, source_, id).ToString();
    if (found->type != type) {
      return Unfit(plan_, ReaderOf(view, id), info, "which was kept as " + found->type + " and is now " + type);
    }
  }
  return Status::Ok();
}

// Cells of version 1 have no marks; what was skipped was skipped all the same.
void MarkSkipped(const StageRows& maker, Column* column) {
  for (uint32_t row = 0; row < column->rows(); ++row) {
    if (maker.outcome[row] == Outcome::kSkipped) column->states()[row] = Marked(kNull, Mark::kSkipped);
  }
}

Status Restorer::ReadColumns() {
  const SourceView view(plan_, source_);
  std::vector<ColumnId> needed = view.Needed(reused_);
  RETURN_IF_ERROR(CheckColumns(view, needed));
  for (const KeptHeader::Column& column : header_.columns) {
    const std::string_view bytes = in_.Take(in_.Number<uint64_t>());
    if (!in_.ok()) return BadFrame("column \"" + column.name + "\"");
    const auto wanted = std::find_if(needed.begin(), needed.end(), [&](ColumnId id) {
      return plan_.columns[id].name == column.name && KeptId(view.maker[id]) == column.maker;
    });
    if (wanted == needed.end()) continue;
    if (!ReadColumn(bytes, StoredType(plan_, source_, *wanted), pick_, &batch_.columns[*wanted])) {
      return BadFrame("column \"" + column.name + "\"");
    }
    if (header_.version == 1) MarkSkipped(batch_.stages[view.maker[*wanted]], &batch_.columns[*wanted]);
    needed.erase(wanted);
  }
  return Status::Ok();
}

// ------------------------------------------------------------------------------------------- outputs

// An outputs frame has no rows to run a node on: every target must find its rows in it.
Status Restorer::CheckOutputs(const std::vector<bool>& found) const {
  const SourceView view(plan_, source_);
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    if (!view.InBatch(stage) || plan_.node(stage).program->target() == nullptr) continue;
    if (found[plan_.node(stage).target]) continue;
    return {Code::kInvalid, "node \"" + plan_.StageName(stage) +
                                "\" has no rows in the kept results: they had left their last node when it was not yet "
                                "there; take it out, or recompute them (--on-missing recompute)"};
  }
  return Status::Ok();
}

bool Restorer::ReadEncodedRow(EncodedRows* out) {
  EncodedRows::Row row;
  const auto index = in_.Number<uint16_t>();
  row.offset = in_.Number<int64_t>();
  row.timestamp_ms = in_.Number<int64_t>();
  for (uint32_t* n : {&row.key, &row.key_size, &row.value, &row.value_size, &row.headers, &row.headers_size}) {
    *n = in_.Number<uint32_t>();
  }
  if (!in_.ok() || index >= from_.size() || row.offset < 0) return false;
  if (!Wants(from_[index], row.offset)) return true;
  row.partition = from_[index].id;
  out->rows.push_back(row);
  return true;
}

bool Restorer::ReadEncoded(EncodedRows* out) {
  constexpr size_t kRowBytes = 2 + 8 + 8 + 6 * 4;
  out->Clear();
  const uint32_t rows = in_.Count(kRowBytes);
  for (uint32_t i = 0; i < rows; ++i) {
    if (!ReadEncodedRow(out)) return false;
  }
  const std::string_view bytes = in_.Take(in_.Number<uint64_t>());
  if (!in_.ok() || bytes.size() > UINT32_MAX) return false;
  for (const EncodedRows::Row& row : out->rows) {
    if (!SoundSpan(row.key, row.key_size, bytes.size()) || !SoundSpan(row.value, row.value_size, bytes.size())) {
      return false;
    }
    const bool no_headers = row.headers_size == EncodedRows::kNone;
    if (no_headers || !SoundSpan(row.headers, row.headers_size, bytes.size())) return false;
    if (!SoundHeaders(bytes.substr(row.headers, row.headers_size))) return false;
  }
  out->bytes.assign(bytes);
  return true;
}

// Whose rows were kept under `kept_id`. Rows that had left their last node need no stage to be reused.
const PlanNode* Restorer::TargetNode(std::string_view kept_id) const {
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    const PlanNode& node = plan_.node(stage);
    if (node.program->target() == nullptr || !node.from_source[source_]) continue;
    if (reused_[stage] ? KeptId(stage) == kept_id : header_.outputs && IsKeptAs(node, kept_id)) return &node;
  }
  return nullptr;
}

Status Restorer::ReadTargets() {
  EncodedRows unused;
  std::vector<bool> found(plan_.targets.size(), false);
  const uint32_t count = in_.Count(16);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view id = in_.Text();
    const PlanNode* node = TargetNode(id);
    const bool letters = header_.outputs && id == kDeadLetters;
    const TargetId target = node != nullptr ? node->target : plan_.dead_letters();
    const bool wanted = node != nullptr || letters;
    if (wanted && found[target]) return BadFrame("the list of its outputs");
    if (wanted) found[target] = true;
    if (!ReadEncoded(wanted ? &batch_.encoded.targets[target] : &unused)) {
      return BadFrame("the outputs of \"" + std::string(id) + "\"");
    }
  }
  if (!in_.ok() || in_.left() != 0) return BadFrame("its end");
  return header_.outputs && !header_.positions_only() ? CheckOutputs(found) : Status::Ok();
}

}  // namespace

Status RestoreKeptBatch(const Plan& plan, std::shared_ptr<const std::string> frame, const RestoreRules& rules,
                        SourceTable& partitions, RecordBatch* batch) {
  const std::string_view bytes = *frame;
  batch->release = [held = std::move(frame)] { (void)held; };
  return Restorer(plan, rules, partitions, batch).Run(bytes);
}

}  // namespace anabranch

#include <algorithm>
#include <map>
#include <span>

#include "engine/keep/kept_format.h"

namespace anabranch {

SourceView::SourceView(const Plan& p, StageId from) : plan(p), source(from), maker(p.columns.size(), kNoStage) {
  const PlanSource& at = plan.sources[source];
  for (const DecodePlan::Field& field : at.decode.fields) maker[field.column] = source;
  for (ColumnId column = 0; column < plan.columns.size(); ++column) {
    if (at.decode.schema == nullptr && plan.columns[column].maker == at.id) maker[column] = source;
  }
  for (auto stage = StageId(plan.sources.size()); stage < plan.stages(); ++stage) {
    if (!InBatch(stage)) continue;
    for (const ColumnId column : plan.node(stage).makes) maker[column] = stage;
  }
}

std::vector<ColumnId> SourceView::Needed(const std::vector<bool>& done) const {
  std::vector<ColumnId> needed;
  for (auto stage = StageId(plan.sources.size()); stage < plan.stages(); ++stage) {
    if (done[stage] || !InBatch(stage)) continue;
    for (const ColumnId column : plan.node(stage).reads) {
      if (maker[column] != kNoStage && done[maker[column]]) needed.push_back(column);
    }
  }
  std::sort(needed.begin(), needed.end());
  needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
  return needed;
}

const Type& StoredType(const Plan& plan, StageId source, ColumnId column) {
  for (const DecodePlan::Field& field : plan.sources[source].decode.fields) {
    if (field.column == column) return field.type;
  }
  return plan.columns[column].type;
}

namespace {

class PartitionTable {
 public:
  explicit PartitionTable(const SourceTable& names) : names_(names) {}
  uint16_t Index(PartitionId id) {
    if (!order_.empty() && id == last_) return last_index_;  // rows of one partition are adjacent
    const auto [found, added] = index_.emplace(id, static_cast<uint16_t>(order_.size()));
    if (added) order_.push_back(id);
    last_ = id;
    return last_index_ = found->second;
  }
  void Append(std::string* out) const {
    PutNumber(static_cast<uint32_t>(order_.size()), out);
    for (const PartitionId id : order_) {
      PutText(names_.at(id).topic, out);
      PutNumber(names_.at(id).partition, out);
    }
  }

 private:
  const SourceTable& names_;
  std::map<PartitionId, uint16_t> index_;
  std::vector<PartitionId> order_;
  PartitionId last_;
  uint16_t last_index_ = 0;
};

void PutTexts(std::span<const std::string_view> texts, std::string* out) {
  for (const std::string_view text : texts) {
    PutNumber(text.data() == nullptr ? kNullText : static_cast<uint32_t>(text.size()), out);
  }
  for (const std::string_view text : texts) out->append(text);
}

template <typename T>
void PutNumbers(std::span<const T> numbers, std::string* out) {
  out->append(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
}

std::vector<KeptHeader::Range> RangesOf(const std::vector<PositionRange>& positions, const SourceTable& partitions) {
  std::vector<KeptHeader::Range> ranges;
  for (const PositionRange& range : positions) {
    ranges.push_back({partitions.at(range.partition), range.first, range.next, range.scoring});
  }
  return ranges;
}

// What the ranges need.
uint16_t VersionFor(const std::vector<KeptHeader::Range>& ranges) {
  const bool scored = std::ranges::any_of(ranges, [](const auto& range) { return range.scoring != Scoring(); });
  return scored ? kScoringVersion : kPlainVersion;
}

void AppendEncoded(const std::string& id, const EncodedRows& rows, PartitionTable& partitions, std::string* out) {
  PutText(id, out);
  PutNumber(static_cast<uint32_t>(rows.rows.size()), out);
  for (const EncodedRows::Row& row : rows.rows) {
    PutNumber(partitions.Index(row.partition), out);
    PutNumber(row.offset, out);
    PutNumber(row.timestamp_ms, out);
    for (const uint32_t n : {row.key, row.key_size, row.value, row.value_size, row.headers, row.headers_size}) {
      PutNumber(n, out);
    }
  }
  PutNumber(static_cast<uint64_t>(rows.bytes.size()), out);
  out->append(rows.bytes);
}

// The header's entry for a finished stage, without its columns.
KeptHeader::Stage StageLine(const Plan& plan, StageId stage) {
  const bool source = stage < plan.sources.size();
  return {plan.StageName(stage), source ? plan.sources[stage].fingerprint : plan.node(stage).closure, 0, 0};
}

bool IsPersist(const Plan& plan, StageId stage) {
  return stage >= plan.sources.size() && plan.node(stage).program->target() != nullptr;
}

// Writes rows [first, first + count) of one batch.
class BatchWriter {
 public:
  BatchWriter(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done, uint32_t first, uint32_t count)
      : plan_(plan),
        batch_(batch),
        done_(done),
        view_(plan, batch.source),
        first_(first),
        count_(count),
        partitions_(*batch.partitions),
        rest_(Scratch()) {
    rest_.clear();
  }

  std::string Write(std::vector<KeptHeader::Range> ranges, bool whole) {
    header_.version = VersionFor(ranges);
    for (StageId stage = 0; stage < plan_.stages(); ++stage) {
      if (done_[stage] && !batch_.stages[stage].versions.empty()) header_.version = kScoringVersion;
    }
    if (done_[batch_.source] && !batch_.time_us.empty()) header_.version = kFrameVersion;
    header_.topology = plan_.identity().topology;
    header_.source = plan_.sources[batch_.source].id;
    header_.sequence = whole ? batch_.sequence : 1;  // a row alone has the same bytes in any batch
    header_.rows = count_;
    header_.ranges = std::move(ranges);
    AppendRows(whole);
    for (StageId stage = 0; stage < plan_.stages(); ++stage) {
      if (done_[stage] && view_.InBatch(stage)) AppendStage(stage);
    }
    AppendColumns();
    AppendTargets(whole);
    std::string body;
    partitions_.Append(&body);
    return SealFrame(header_, body, rest_);
  }

 private:
  template <typename T>
  std::span<const T> Cut(const std::vector<T>& all) const {
    return {all.data() + first_, count_};
  }

  // One writer at a time on a thread; the next batch is about as large as the last.
  static std::string& Scratch() {
    thread_local std::string scratch;
    return scratch;
  }
  void AppendRows(bool whole);
  void AppendHeaders();
  void AppendErrors(const std::vector<RowError>& errors);
  void AppendStage(StageId stage);
  void AppendVersions(const StageRows& rows, KeptHeader::Stage* line);
  void AppendColumns();
  void AppendTargets(bool with_encoded);

  const Plan& plan_;
  const RecordBatch& batch_;
  const std::vector<bool>& done_;
  const SourceView view_;
  const uint32_t first_, count_;
  PartitionTable partitions_;
  KeptHeader header_;
  std::string& rest_;               // of the body, after the partitions
  std::vector<size_t> done_order_;  // by StageId: place in header_.done
};

// The record's own key first. The row's key by rule follows where the source is finished.
void BatchWriter::AppendRows(bool whole) {
  const bool decoded = batch_.record_key.size() == batch_.rows();
  const bool made_keys = done_[batch_.source] && decoded;
  PutNumber(static_cast<uint8_t>(made_keys), &rest_);
  for (uint32_t row = first_; row < first_ + count_; ++row) {
    PutNumber(partitions_.Index(batch_.partition[row]), &rest_);
  }
  PutNumbers(Cut(batch_.offset), &rest_);
  PutNumbers(Cut(batch_.timestamp_ms), &rest_);
  PutNumbers(Cut(decoded ? batch_.record_key_present : batch_.key_present), &rest_);
  PutTexts(Cut(decoded ? batch_.record_key : batch_.key), &rest_);
  if (made_keys) {
    PutNumbers(Cut(batch_.key_present), &rest_);
    PutTexts(Cut(batch_.key), &rest_);
  }
  if (HasTimes(header_)) PutNumbers(Cut(batch_.time_us), &rest_);
  if (whole) {
    PutTexts(Cut(batch_.payload), &rest_);
    AppendHeaders();
  } else {
    for (uint32_t row = 0; row < 2 * count_; ++row) PutNumber(uint32_t{0}, &rest_);  // no value, no headers
  }
  AppendErrors(batch_.source_errors);
}

void BatchWriter::AppendHeaders() {
  std::vector<std::string_view> texts;
  for (uint32_t row = first_; row < first_ + count_; ++row) {
    const auto headers = batch_.row_headers(row);
    PutNumber(static_cast<uint32_t>(headers.size()), &rest_);
    for (const RowHeader& header : headers) {
      texts.push_back(header.name);
      texts.push_back(header.value);
    }
  }
  PutTexts(texts, &rest_);
}

void BatchWriter::AppendErrors(const std::vector<RowError>& errors) {
  const auto ours = [this](const RowError& error) { return error.row >= first_ && error.row < first_ + count_; };
  PutNumber(static_cast<uint32_t>(std::count_if(errors.begin(), errors.end(), ours)), &rest_);
  for (const RowError& error : errors) {
    if (!ours(error)) continue;
    PutNumber(error.row - first_, &rest_);
    PutText(error.code, &rest_);
    PutText(error.message, &rest_);
  }
}

void BatchWriter::AppendStage(StageId stage) {
  const StageRows& rows = batch_.stages[stage];
  KeptHeader::Stage line = StageLine(plan_, stage);
  for (uint32_t row = first_; row < first_ + count_; ++row) {
    const Outcome outcome = rows.outcome[row];
    line.rows_out += Passed(outcome) ? 1 : 0;
    PutNumber(static_cast<uint8_t>(static_cast<uint8_t>(outcome) | (rows.active[row] != 0 ? 8 : 0)), &rest_);
  }
  AppendErrors(rows.errors);
  if (HasScoring(header_)) AppendVersions(rows, &line);
  done_order_.resize(plan_.stages());
  done_order_[stage] = header_.done.size();
  header_.done.push_back(std::move(line));
}

// Which versions of its model a stage used are in the header; here, which row which of them.
void BatchWriter::AppendVersions(const StageRows& rows, KeptHeader::Stage* line) {
  if (rows.version.size() != batch_.rows() || rows.versions.empty()) return;
  line->versions = rows.versions;
  for (const uint8_t version : Cut(rows.version)) PutNumber(version, &rest_);
}

void BatchWriter::AppendColumns() {
  for (const ColumnId id : view_.Needed(done_)) {
    const ColumnInfo& info = plan_.columns[id];
    const Column& column = batch_.columns[id];
    if (column.rows() != batch_.rows()) continue;
    header_.columns.push_back({info.name, plan_.StageName(view_.maker[id]), column.type().ToString()});
    const size_t at = rest_.size();
    PutNumber(uint64_t{0}, &rest_);
    AppendColumn(column, first_, count_, &rest_);
    const uint64_t bytes = rest_.size() - at - sizeof bytes;
    std::memcpy(rest_.data() + at, &bytes, sizeof bytes);
    header_.done[done_order_[view_.maker[id]]].bytes += bytes;
  }
}

void BatchWriter::AppendTargets(bool with_encoded) {
  std::vector<StageId> persists;
  for (auto stage = StageId(plan_.sources.size()); with_encoded && stage < plan_.stages(); ++stage) {
    if (done_[stage] && view_.InBatch(stage) && IsPersist(plan_, stage)) persists.push_back(stage);
  }
  PutNumber(static_cast<uint32_t>(persists.size()), &rest_);
  for (const StageId stage : persists) {
    const EncodedRows& rows = batch_.encoded.targets[plan_.node(stage).target];
    header_.done[done_order_[stage]].bytes = rows.bytes.size();
    AppendEncoded(plan_.StageName(stage), rows, partitions_, &rest_);
  }
}

// Where a partition's range is cut when the rows from `cut` on belong to the next part. Offsets without a row belong to
// the part of the next row; those after the last row belong to the last part.
int64_t CutBefore(const RecordBatch& batch, const PositionRange& range, uint32_t cut) {
  if (cut >= batch.rows()) return range.next;
  const auto partitions = std::span(batch.partition);
  if (std::ranges::count(partitions.first(cut), range.partition) == 0) return range.first;
  const auto behind = partitions.subspan(cut);
  const auto row = std::ranges::find(behind, range.partition);
  if (row == behind.end()) return range.next;
  // The batch does not complete rows beyond the range (skipped below a position).
  return std::min(range.next, batch.offset[cut + static_cast<size_t>(row - behind.begin())]);
}

}  // namespace

std::string WriteKeptBatch(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done) {
  BatchWriter writer(plan, batch, done, 0, batch.rows());
  return writer.Write(RangesOf(batch.positions, *batch.partitions), true);
}

std::string WriteKeptPart(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done, uint32_t first,
                          uint32_t count) {
  std::vector<KeptHeader::Range> ranges;
  for (const PositionRange& range : batch.positions) {
    const int64_t begin = CutBefore(batch, range, first), end = CutBefore(batch, range, first + count);
    if (begin < end) ranges.push_back({batch.partitions->at(range.partition), begin, end, range.scoring});
  }
  BatchWriter writer(plan, batch, done, first, count);
  return writer.Write(std::move(ranges), true);
}

std::string WriteKeptRow(const Plan& plan, const RecordBatch& batch, const std::vector<bool>& done, uint32_t row) {
  BatchWriter writer(plan, batch, done, row, 1);
  return writer.Write({}, false);
}

std::string WriteKeptOutputs(const Plan& plan, const SourceTable& partitions, StageId source, const EncodedBatch& batch,
                             int64_t rows) {
  const SourceView view(plan, source);
  KeptHeader header;
  header.topology = plan.identity().topology;
  header.source = plan.sources[source].id;
  header.outputs = true;
  header.rows = static_cast<uint32_t>(rows);
  header.ranges = RangesOf(batch.positions, partitions);
  header.version = VersionFor(header.ranges);
  PartitionTable table(partitions);
  std::string rest;
  const bool empty = rows == 0 && !batch.has_rows();
  PutNumber(empty ? uint32_t{0} : static_cast<uint32_t>(batch.targets.size()), &rest);
  for (TargetId target = 0; !empty && target < batch.targets.size(); ++target) {
    AppendEncoded(plan.targets[target].id, batch.targets[target], table, &rest);
  }
  for (StageId stage = 0; !empty && stage < plan.stages(); ++stage) {
    if (!view.InBatch(stage)) continue;
    KeptHeader::Stage line = StageLine(plan, stage);
    if (IsPersist(plan, stage)) {
      const EncodedRows& encoded = batch.targets[plan.node(stage).target];
      line.rows_out = static_cast<uint32_t>(encoded.rows.size());
      line.bytes = encoded.bytes.size();
    }
    header.done.push_back(std::move(line));
  }
  std::string body;
  table.Append(&body);
  return SealFrame(header, body, rest);
}

}  // namespace anabranch

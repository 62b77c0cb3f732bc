#include "engine/run/replay.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "engine/plan_graph.h"
#include "engine/run/dead_letter.h"

namespace anabranch {
namespace {

// The kept results of this letter that are still those of the plan.
void FindReuse(const Plan& plan, const KeptHeader& header, const std::vector<bool>& run, RestoreRules* rules) {
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    if (run[stage]) continue;
    const bool source = stage < plan.sources.size();
    const std::string& id = plan.StageName(stage);
    const std::string& closure = source ? plan.sources[stage].fingerprint : plan.node(stage).closure;
    const std::string& was = source || plan.node(stage).was.empty() ? id : plan.node(stage).was;
    for (const KeptHeader::Stage& done : header.done) {
      if ((done.id == id || done.id == was) && done.closure == closure) rules->reuse[id] = done.id;
    }
  }
}

void MarkIdle(const std::vector<bool>& idle, RecordBatch* batch) {
  for (StageId stage = 0; stage < idle.size(); ++stage) {
    if (!idle[stage]) continue;
    batch->stages[stage].done = batch->stages[stage].reused = true;
    batch->stages[stage].errors.clear();
  }
}

bool SaysWhatWasLeftOut(std::string_view name) {
  static constexpr std::string_view kNames[] = {"timestamp", "value_bytes", "value_xxh3",
                                                "key_bytes", "key_xxh3",    "headers_dropped"};
  if (!name.starts_with(kErrorPrefix)) return false;
  return std::ranges::find(kNames, name.substr(kErrorPrefix.size())) != std::end(kNames);
}

class ReplaySource : public Source {
 public:
  ReplaySource(const Plan& plan, LetterFilter filter, std::unique_ptr<Source> letters)
      : plan_(plan), filter_(std::move(filter)), routes_(plan), source_(std::move(letters)) {
    read_.Clear(0, 0);
  }

  Status Open() override { return source_->Open(); }
  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) override;
  std::vector<PartitionId> partitions() const override { return source_->partitions(); }
  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> partitions) override {
    return source_->StoredPositions(partitions);
  }
  Scoring StoredScoring(PartitionId partition) const override { return source_->StoredScoring(partition); }
  Result<std::vector<int64_t>> StartPositions(std::span<const PartitionId> partitions) override {
    return source_->StartPositions(partitions);
  }
  std::string position_owner() const override { return source_->position_owner(); }
  std::string SetPositionCommand(PartitionId partition, int64_t position) const override {
    return source_->SetPositionCommand(partition, position);
  }
  Status Assign(std::span<const PartitionId> partitions, std::span<const int64_t> next) override {
    return source_->Assign(partitions, next);
  }
  Status Release() override { return source_->Release(); }
  Status CommitPositions(std::span<const PositionRange> positions) override {
    return source_->CommitPositions(positions);
  }
  int64_t waited_ns() const override { return source_->waited_ns(); }
  std::vector<PartitionEnd> Ends() const override { return source_->Ends(); }
  uint64_t tombstones() const override { return source_->tombstones(); }
  Source& origin() override { return source_->origin(); }
  void Close() override { source_->Close(); }

 private:
  PositionRange Completes() const;
  void Replay(const DeadLetter& letter, const LetterRoutes::Route& route, SourceTable& record, RecordBatch* batch);
  Status Restore(const DeadLetter& letter, const LetterRoutes::Route& route, SourceTable& record, RecordBatch* batch);
  void Decode(const DeadLetter& letter, const LetterRoutes::Route& route, SourceTable& record, RecordBatch* batch);
  void CopyHeaders(RecordBatch* batch);
  void HandOn(const DeadLetter& letter, SourceTable& record, RecordBatch* batch);

  const Plan& plan_;
  const LetterFilter filter_;
  const LetterRoutes routes_;
  const std::unique_ptr<Source> source_;
  RecordBatch read_;  // one letter, as read
};

// One letter per batch: it has a place of its own, and a target that has it already leaves all of it out. Its record
// may be of any partition, so each batch has a table of its own.
Result<SourceEvent> ReplaySource::Poll(RecordBatch& batch, const BatchLimits& limits, int64_t wait_ns) {
  read_.Clear(0, 0);
  BatchLimits one = limits;
  one.max_rows = 1;
  ASSIGN_OR_RETURN(const SourceEvent event, source_->Poll(read_, one, wait_ns));
  if (event != SourceEvent::kRows) return event;
  const DeadLetter letter = ReadDeadLetter(read_, 0);
  const LetterRoutes::Route route = filter_.Takes(letter) ? routes_.Find(letter) : LetterRoutes::Route();
  const auto replayed = std::make_shared<ReplayedLetter>();
  if (route.stage == kNoStage) {
    HandOn(letter, replayed->record, &batch);
  } else {
    Replay(letter, route, replayed->record, &batch);
    for (const RowHeader& header : read_.row_headers(0)) {
      if (SaysWhatWasLeftOut(header.name)) replayed->left_out.emplace_back(header.name, header.value);
    }
    replayed->node = plan_.StageName(route.stage);
    replayed->behind = letter.behind;
    replayed->beside = letter.beside;
    replayed->first_node = letter.first_node;
    replayed->first_code = letter.first_code;
    replayed->first_message = letter.first_message;
    replayed->first_failed_at = letter.first_failed_at;
  }
  batch.partitions = &replayed->record;
  batch.positions.assign(1, Completes());
  batch.encoded.positions = batch.positions;
  batch.encoded.replayed = replayed;
  return SourceEvent::kRows;
}

// From the letter to where its source goes on behind it. Other partitions that moved held no letters.
PositionRange ReplaySource::Completes() const {
  PositionRange range{read_.partition[0], read_.offset[0], read_.offset[0]};
  for (const PositionRange& each : read_.positions) {
    if (each.partition == range.partition) range.next = each.next;
  }
  return range;
}

void ReplaySource::Replay(const DeadLetter& letter, const LetterRoutes::Route& route, SourceTable& record,
                          RecordBatch* batch) {
  if (route.results && Restore(letter, route, record, batch).ok()) {
    CopyHeaders(batch);
    batch->payload[0] = batch->text.Copy(read_.payload[0]);
    batch->payload_bytes = batch->payload[0].size();
    batch->header_end.assign(1, static_cast<uint32_t>(batch->headers.size()));
    MarkIdle(route.idle, batch);
    return;
  }
  batch->Clear(plan_.columns.size(), plan_.stages());
  Decode(letter, route, record, batch);
  MarkIdle(route.idle, batch);
}

Status ReplaySource::Restore(const DeadLetter& letter, const LetterRoutes::Route& route, SourceTable& record,
                             RecordBatch* batch) {
  ASSIGN_OR_RETURN(const PartitionId from, record.Find(letter.from));
  const auto frame = std::make_shared<const std::string>(letter.results);
  RETURN_IF_ERROR(RestoreKeptBatch(plan_, frame, route.rules, record, batch));
  const bool same = batch->rows() == 1 && batch->partition[0] == from && batch->offset[0] == letter.offset &&
                    batch->source == route.source && !batch->complete;
  return same ? Status::Ok() : Status(Code::kInvalid, "the results are another record's");
}

void ReplaySource::Decode(const DeadLetter& letter, const LetterRoutes::Route& route, SourceTable& record,
                          RecordBatch* batch) {
  batch->source = route.source;
  CopyHeaders(batch);
  const int64_t timestamp_ms = letter.timestamp_ms >= 0 ? letter.timestamp_ms : read_.timestamp_ms[0];
  batch->AddRow(*record.Find(letter.from), letter.offset, timestamp_ms, batch->text.Copy(read_.key[0]),
                read_.key_present[0] != 0, batch->text.Copy(read_.payload[0]));
  batch->PrepareStages();
  batch->encoded.Clear(plan_.targets.size());
  batch->restored = true;
}

// Those that the record came with.
void ReplaySource::CopyHeaders(RecordBatch* batch) {
  batch->headers.clear();
  for (const RowHeader& header : read_.row_headers(0)) {
    const std::optional<std::string> name = RecordHeaderName(header.name);
    if (!name) continue;
    const bool null = header.value.data() == nullptr;
    batch->headers.push_back({batch->text.Copy(*name), null ? std::string_view() : batch->text.Copy(header.value)});
  }
}

// As it came, behind the letters that were there.
void ReplaySource::HandOn(const DeadLetter& letter, SourceTable& record, RecordBatch* batch) {
  const PartitionId partition = *record.Find(letter.ours ? letter.from : read_.partitions->at(read_.partition[0]));
  const int64_t offset = letter.ours ? letter.offset : read_.offset[0];
  batch->AddRow(partition, offset, read_.timestamp_ms[0], {}, false, {});
  batch->PrepareStages();
  batch->restored = batch->complete = true;
  batch->encoded.Clear(plan_.targets.size());
  EncodedRows& out = batch->encoded.targets[plan_.dead_letters()];
  EncodedRows::Row encoded;
  encoded.partition = partition;
  encoded.offset = offset;
  encoded.timestamp_ms = read_.timestamp_ms[0];
  if (read_.key_present[0] != 0) {
    out.bytes.append(read_.key[0]);
    encoded.key_size = out.Here();
  }
  encoded.value = out.Here();
  out.bytes.append(read_.payload[0]);
  if (read_.payload[0].data() != nullptr) encoded.value_size = out.Here() - encoded.value;
  encoded.headers = out.Here();
  for (const RowHeader& header : read_.row_headers(0)) out.AppendHeader(header.name, header.value);
  encoded.headers_size = out.Here() - encoded.headers;
  out.rows.push_back(encoded);
}

class ReplayProgram : public SourceProgram {
 public:
  ReplayProgram(const Plan& plan, std::shared_ptr<const SourceProgram> letters, LetterFilter filter)
      : plan_(plan), letters_(std::move(letters)), filter_(std::move(filter)) {}

  int Lanes(int /*workers*/) const override { return 1; }
  bool bounded() const override { return true; }
  std::string Describe() const override { return letters_->Describe(); }
  bool KeepsPosition() const override { return letters_->KeepsPosition(); }
  const SourceProgram& origin() const override { return letters_->origin(); }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    ASSIGN_OR_RETURN(std::unique_ptr<Source> letters, letters_->OpenLane(lane));
    return std::unique_ptr<Source>(std::make_unique<ReplaySource>(plan_, filter_, std::move(letters)));
  }

 private:
  const Plan& plan_;
  const std::shared_ptr<const SourceProgram> letters_;
  const LetterFilter filter_;
};

}  // namespace

StageId LetterRoutes::FindStage(std::string_view id) const {
  if (const StageId same = anabranch::FindStage(plan_, id); same != kNoStage) return same;
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    if (plan_.node(stage).was == id) return stage;
  }
  return kNoStage;
}

StageId LetterRoutes::FindSource(const DeadLetter& letter, StageId stage) const {
  const StageId named = FindStage(letter.source);
  if (named < plan_.sources.size()) return named;
  if (stage < plan_.sources.size()) return stage;
  return plan_.sources.size() == 1 ? StageId(0) : kNoStage;
}

LetterRoutes::Route LetterRoutes::Find(const DeadLetter& letter) const {
  Route route;
  const StageId stage = FindStage(letter.node);
  if (stage == kNoStage) {
    route.why = "the topology has no stage \"" + std::string(letter.node) + "\"";
    return route;
  }
  if (letter.without_value) {
    route.why = "the record's value is not in its letter, because the letters' target did not take it; " +
                std::string("read the record from its source again");
    return route;
  }
  route.source = FindSource(letter, stage);
  if (route.source == kNoStage) {
    route.why = "the topology has no source \"" + std::string(letter.source) + "\"";
    return route;
  }
  route.stage = stage;
  std::vector<bool> again = StageAndBelow(plan_, stage);
  // What lies below another stage that the record failed in, too, is made when that letter is replayed.
  for (std::string_view rest = letter.behind; !rest.empty();) {
    const size_t comma = rest.find(',');
    const StageId earlier = FindStage(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    if (earlier == kNoStage) continue;
    const std::vector<bool> theirs = StageAndBelow(plan_, earlier);
    for (StageId each = 0; each < again.size(); ++each) again[each] = again[each] && !theirs[each];
  }
  const std::vector<bool> run = WithAncestors(plan_, again);
  route.idle.resize(plan_.stages());
  for (auto each = StageId(plan_.sources.size()); each < plan_.stages(); ++each) {
    route.idle[each] = !run[each];
  }
  if (letter.results.empty() || stage < plan_.sources.size()) return route;
  const Result<KeptHeader> header = ReadKeptHeader(letter.results);
  if (!header.ok() || header->source != plan_.sources[route.source].id) return route;
  FindReuse(plan_, *header, again, &route.rules);
  // Without its inputs as they were, the stage would score something else.
  route.results = route.rules.reuse.contains(plan_.sources[route.source].id);
  for (const StageId input : plan_.node(stage).inputs) {
    const bool ours = input < plan_.sources.size() || plan_.node(input).from_source[route.source];
    route.results = route.results && (!ours || route.rules.reuse.contains(plan_.StageName(input)));
  }
  route.rules.next = [](const SourcePartition&) { return std::optional<int64_t>(0); };
  return route;
}

std::shared_ptr<const SourceProgram> MakeReplay(const Plan& plan, std::shared_ptr<const SourceProgram> letters,
                                                LetterFilter filter) {
  return std::make_shared<ReplayProgram>(plan, std::move(letters), std::move(filter));
}

}  // namespace anabranch

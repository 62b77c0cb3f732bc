#include "engine/run/dead_letter.h"

#include <charconv>

#include "engine/keep/kept_batch.h"
#include "engine/plan_graph.h"

namespace anabranch {
namespace {

constexpr size_t kHeaderBytes = 1024;
constexpr size_t kResultBytes = size_t{64} << 10;
constexpr size_t kValueBytes = size_t{512} << 10;  // above, results could make a record of it that no broker takes

// Cuts at a character boundary, so that a header stays UTF-8.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kHeaderBytes) return text;
  size_t end = kHeaderBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

uint32_t AppendBytes(std::string* bytes, std::string_view text) {
  const auto at = static_cast<uint32_t>(bytes->size());
  bytes->append(text);
  return at;
}

void PutNumber(EncodedRows* out, std::string_view name, int64_t number) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  out->AppendHeader(name, {text, static_cast<size_t>(end - text)});
}

std::string_view ClassOf(const RecordBatch& batch, StageId stage, const RowError& error) {
  if (error.code == "given_up") return "stage";
  return batch.stages[stage].outcome[error.row] == Outcome::kTimedOut ? "timed_out" : "record";
}

}  // namespace

DeadLetterWriter::DeadLetterWriter(const Plan& plan) : plan_(plan), stages_(plan.stages()), done_(plan.stages()) {
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    const bool source = stage < plan.sources.size();
    EncodedRows same;
    same.AppendHeader("anabranch.error.node", Cut(plan.StageName(stage)));
    same.AppendHeader("anabranch.error.kind", source ? "source" : Cut(plan.node(stage).kind));
    same.AppendHeader("anabranch.error.topology", Cut(plan.identity().topology));
    same.AppendHeader("anabranch.error.models", Cut(plan.models));
    const std::vector<bool> again = StageAndBelow(plan, stage);
    stages_[stage] = {std::move(same.bytes), again, WithAncestors(plan, again)};
  }
}

void DeadLetterWriter::Append(const RecordBatch& batch, std::span<const Failed> failures, std::string_view failed_at,
                              EncodedRows* out) {
  for (size_t begin = 0; begin < failures.size();) {
    size_t end = begin + 1;
    while (end < failures.size() && failures[end].error->row == failures[begin].error->row) ++end;
    const auto of_row = failures.subspan(begin, end - begin);
    for (size_t i = 0; i < of_row.size(); ++i) AppendOne(batch, of_row, i, failed_at, out);
    begin = end;
  }
}

void DeadLetterWriter::AppendOne(const RecordBatch& batch, std::span<const Failed> of_row, size_t index,
                                 std::string_view failed_at, EncodedRows* out) {
  const auto& [error, stage] = of_row[index];
  const uint32_t r = error->row;
  EncodedRows::Row row;
  AppendRecord(batch, r, out, &row);
  const SourcePartition& from = batch.partitions->at(row.partition);
  out->bytes += stages_[stage].headers;
  out->AppendHeader("anabranch.error.class", ClassOf(batch, stage, *error));
  out->AppendHeader("anabranch.error.code", Cut(error->code));
  out->AppendHeader("anabranch.error.message", Cut(error->message));
  PutNumber(out, "anabranch.error.attempts", int64_t{1} + batch.stages[stage].retried);
  out->AppendHeader("anabranch.error.source", Cut(plan_.sources[batch.source].id));
  out->AppendHeader("anabranch.error.topic", Cut(from.topic));
  PutNumber(out, "anabranch.error.partition", from.partition);
  PutNumber(out, "anabranch.error.offset", row.offset);
  out->AppendHeader("anabranch.error.failed_at", failed_at);
  AppendOrigin(batch, r, out);
  if (index > 0) {
    std::string behind;
    for (const Failed& earlier : of_row.first(index)) {
      behind += (behind.empty() ? "" : ",") + plan_.StageName(earlier.stage);
    }
    out->AppendHeader("anabranch.error.behind", Cut(behind));
  }
  AppendResults(batch, of_row, stage, out);
  row.headers_size = static_cast<uint32_t>(out->bytes.size()) - row.headers;
  out->rows.push_back(row);
}

// What the record was when it came: the headers of an earlier failure are replaced.
void DeadLetterWriter::AppendRecord(const RecordBatch& batch, uint32_t r, EncodedRows* out,
                                    EncodedRows::Row* row) const {
  row->partition = batch.partition[r];
  row->offset = batch.offset[r];
  row->timestamp_ms = batch.timestamp_ms[r];
  if (batch.record_key_present[r]) {
    row->key = AppendBytes(&out->bytes, batch.record_key[r]);
    row->key_size = static_cast<uint32_t>(batch.record_key[r].size());
  }
  row->value = AppendBytes(&out->bytes, batch.payload[r]);
  row->value_size = static_cast<uint32_t>(batch.payload[r].size());
  row->headers = static_cast<uint32_t>(out->bytes.size());
  for (const RowHeader& header : batch.row_headers(r)) {
    if (!header.name.starts_with(kErrorPrefix)) out->AppendHeader(header.name, header.value);
  }
}

void DeadLetterWriter::AppendOrigin(const RecordBatch& batch, uint32_t r, EncodedRows* out) const {
  struct Pair {
    std::string_view first, now, value;
  };
  Pair pairs[] = {{"anabranch.error.origin.failed_at", "anabranch.error.failed_at", {}},
                  {"anabranch.error.origin.node", "anabranch.error.node", {}},
                  {"anabranch.error.origin.code", "anabranch.error.code", {}}};
  for (const RowHeader& header : batch.row_headers(r)) {
    if (!header.name.starts_with(kErrorPrefix)) continue;
    for (Pair& pair : pairs) {
      if (header.name == pair.first || (header.name == pair.now && pair.value.empty())) pair.value = header.value;
    }
  }
  for (const Pair& pair : pairs) {
    if (!pair.value.empty()) out->AppendHeader(pair.first, Cut(pair.value));
  }
}

// Without what failed, and what lies below: that is to be done again. A record that failed at its source has nothing
// above it.
void DeadLetterWriter::AppendResults(const RecordBatch& batch, std::span<const Failed> of_row, StageId stage,
                                     EncodedRows* out) {
  const uint32_t r = of_row.front().error->row;
  if (stage < plan_.sources.size() || batch.payload[r].size() >= kValueBytes) return;
  bool wanted = false;
  for (StageId each = 0; each < done_.size(); ++each) {
    bool done = batch.stages[each].done;
    for (const Failed& failed : of_row) done = done && !stages_[failed.stage].and_below[each];
    done_[each] = done;
    wanted = wanted || (done && each >= plan_.sources.size() && stages_[stage].needs[each]);
  }
  if (!wanted) return;
  const std::string frame = WriteKeptRow(plan_, batch, done_, r);
  if (frame.size() <= kResultBytes) out->AppendHeader("anabranch.error.results", frame);
}

}  // namespace anabranch

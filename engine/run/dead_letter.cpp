#include "engine/run/dead_letter.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "engine/keep/kept_batch.h"
#include "engine/plan_graph.h"
#include "engine/record_id.h"
#include "engine/text/instant.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr size_t kHeaderBytes = 1024;
constexpr size_t kAllHeaderBytes = 8192;
constexpr size_t kResultBytes = size_t{64} << 10;
constexpr size_t kValueBytes = size_t{512} << 10;  // above, results could make a record of it that no broker takes

uint32_t AppendBytes(EncodedRows* out, std::string_view text) {
  const uint32_t at = out->Here();
  out->bytes.append(text);
  return at;
}

// Puts headers of ours until they are as many bytes as one letter may have. `used`: those of the first ones.
class LetterHeaders {
 public:
  LetterHeaders(EncodedRows* out, size_t used) : out_(*out), left_(kAllHeaderBytes - used) {}

  void Put(std::string_view name, std::string_view text) {
    if (text.empty() || left_ <= name.size()) return;
    const std::string_view cut = CutText(text, std::min(kHeaderBytes, left_ - name.size()));
    if (cut.empty()) return;
    out_.AppendHeader(name, cut);
    left_ -= name.size() + cut.size();
  }
  size_t used() const { return kAllHeaderBytes - left_; }
  void Put(std::string_view name, int64_t number) {
    char text[24];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    Put(name, std::string_view(text, static_cast<size_t>(end - text)));
  }

 private:
  EncodedRows& out_;
  size_t left_;
};

struct Origin {
  std::string_view node, code, message, failed_at;
};

void PutOrigin(const Origin& origin, LetterHeaders* headers) {
  headers->Put("anabranch.error.origin.failed_at", origin.failed_at);
  headers->Put("anabranch.error.origin.node", origin.node);
  headers->Put("anabranch.error.origin.code", origin.code);
  headers->Put("anabranch.error.origin.message", origin.message);
}

bool InList(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == name) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// What stands for omitted bytes: their number, and XXH3 of them.
void PutDigest(const std::string& name, std::string_view bytes, LetterHeaders* headers) {
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  headers->Put(name + "_bytes", static_cast<int64_t>(bytes.size()));
  headers->Put(name + "_xxh3", std::string_view(hex));
}

std::string_view ClassOf(const RecordBatch& batch, StageId stage, const RowError& error) {
  if (error.code == "given_up") return TextOf(ErrorClass::kStage);
  return batch.stages[stage].outcome[error.row] == Outcome::kTimedOut ? "timed_out" : "record";
}

}  // namespace

std::optional<std::string> RecordHeaderName(std::string_view name) {
  if (!name.starts_with(kErrorPrefix)) return std::string(name);
  if (!name.starts_with(kOriginalPrefix)) return std::nullopt;
  return std::string(kErrorPrefix).append(name.substr(kOriginalPrefix.size()));
}

DeadLetterWriter::DeadLetterWriter(const Plan& plan, const RefusedRows& refused, const Failure* given_up)
    : plan_(plan), refused_(refused), given_up_(given_up), stages_(plan.stages()), done_(plan.stages()) {
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    const bool source = stage < plan.sources.size();
    EncodedRows same;
    LetterHeaders headers(&same, 0);
    headers.Put("anabranch.error.node", plan.StageName(stage));
    headers.Put("anabranch.error.kind", source ? "source" : plan.node(stage).kind);
    headers.Put("anabranch.error.topology", plan.identity().topology);
    headers.Put("anabranch.error.models", plan.models);
    const std::vector<bool> again = StageAndBelow(plan, stage);
    stages_[stage] = {std::move(same.bytes), headers.used(), again, WithAncestors(plan, again)};
  }
}

void DeadLetterWriter::Append(const RecordBatch& batch, std::span<const Failed> failures, std::string_view failed_at,
                              EncodedRows* out) {
  for (size_t begin = 0; begin < failures.size();) {
    size_t end = begin + 1;
    while (end < failures.size() && failures[end].error->row == failures[begin].error->row) ++end;
    const auto of_row = failures.subspan(begin, end - begin);
    for (size_t i = 0; i < of_row.size(); ++i) {
      if (!HasLetter(batch, of_row, i)) AppendOne(batch, of_row, i, failed_at, out);
    }
    begin = end;
  }
}

void DeadLetterWriter::AppendOne(const RecordBatch& batch, std::span<const Failed> of_row, size_t index,
                                 std::string_view failed_at, EncodedRows* out) {
  const auto& [error, stage] = of_row[index];
  const uint32_t r = error->row;
  EncodedRows::Row row;
  const SourcePartition& from = batch.partitions->at(batch.partition[r]);
  const LetterForm form = refused_.FormOf(from, batch.offset[r]);
  if (form.no_timestamp || form.no_value) {
    AppendReduced(batch, r, form, out, &row);
  } else {
    AppendRecord(batch, r, out, &row);
  }
  out->bytes += stages_[stage].headers;
  LetterHeaders headers(out, stages_[stage].header_bytes);
  headers.Put("anabranch.error.class", ClassOf(batch, stage, *error));
  headers.Put("anabranch.error.code", error->code);
  headers.Put("anabranch.error.attempts", int64_t{1} + batch.stages[stage].retried);
  headers.Put("anabranch.error.source", plan_.sources[batch.source].id);
  headers.Put("anabranch.error.topic", from.topic);
  headers.Put("anabranch.error.partition", from.partition);
  headers.Put("anabranch.error.offset", row.offset);
  headers.Put("anabranch.error.failed_at", failed_at);
  headers.Put("anabranch.error.message", error->message);
  if (const ReplayedLetter* letter = batch.encoded.replayed.get(); letter != nullptr) {
    PutOrigin({letter->first_node, letter->first_code, letter->first_message, letter->first_failed_at}, &headers);
    for (const auto& [name, text] : letter->left_out) {
      if (!form.no_timestamp || name != "anabranch.error.timestamp") headers.Put(name, text);
    }
  } else if (given_up_ != nullptr && error->code == "given_up") {
    const std::string at = FormatInstant(given_up_->at_ms);
    PutOrigin({given_up_->stage, TextOf(given_up_->error_class), given_up_->message, at}, &headers);
  }
  AppendList("behind", batch, of_row.first(index), out);
  AppendList("beside", batch, of_row.subspan(index + 1), out);
  if (!form.bare) AppendResults(batch, of_row, stage, out);
  row.headers_size = out->Here() - row.headers;
  out->rows.push_back(row);
}

// A replayed record that failed again where it did before: what else it fails in beside has its letter already, waiting
// its turn. (Had it passed its own stage, a new letter would have to carry on what lies below.)
bool DeadLetterWriter::HasLetter(const RecordBatch& batch, std::span<const Failed> of_row, size_t index) const {
  const ReplayedLetter* before = batch.encoded.replayed.get();
  if (before == nullptr || !InList(before->beside, plan_.StageName(of_row[index].stage))) return false;
  return std::ranges::any_of(of_row, [&](const Failed& each) { return plan_.StageName(each.stage) == before->node; });
}

// With what the letter before said: it holds as long as the record fails.
void DeadLetterWriter::AppendList(std::string_view name, const RecordBatch& batch, std::span<const Failed> stages,
                                  EncodedRows* out) const {
  std::string list;
  if (const ReplayedLetter* before = batch.encoded.replayed.get(); before != nullptr) {
    list = name == "behind" ? before->behind : before->beside;
  }
  for (const Failed& each : stages) {
    const std::string& stage = plan_.StageName(each.stage);
    if (!InList(list, stage)) list += (list.empty() ? "" : ",") + stage;
  }
  if (!list.empty()) out->AppendHeader(std::string(kErrorPrefix).append(name), list);
}

// What the record was when it came.
void DeadLetterWriter::AppendRecord(const RecordBatch& batch, uint32_t r, EncodedRows* out,
                                    EncodedRows::Row* row) const {
  row->partition = batch.partition[r];
  row->offset = batch.offset[r];
  row->timestamp_ms = batch.timestamp_ms[r];
  if (batch.record_key_present[r]) {
    row->key = AppendBytes(out, batch.record_key[r]);
    row->key_size = static_cast<uint32_t>(batch.record_key[r].size());
  }
  row->value = AppendBytes(out, batch.payload[r]);
  row->value_size = static_cast<uint32_t>(batch.payload[r].size());
  row->headers = out->Here();
  AppendRecordHeaders(batch, r, out);
}

// Headers say what is omitted.
void DeadLetterWriter::AppendReduced(const RecordBatch& batch, uint32_t r, const LetterForm& form, EncodedRows* out,
                                     EncodedRows::Row* row) const {
  row->partition = batch.partition[r];
  row->offset = batch.offset[r];
  row->timestamp_ms = form.no_timestamp ? -1 : batch.timestamp_ms[r];
  const bool has_key = batch.record_key_present[r] != 0;
  const std::string_view key = has_key ? batch.record_key[r] : std::string_view();
  const SourcePartition& from = batch.partitions->at(batch.partition[r]);
  const std::string id = RecordId(from, batch.offset[r]);
  if (has_key || form.bare) {
    const std::string_view shown = form.bare ? std::string_view(id) : key;
    row->key = AppendBytes(out, shown);
    row->key_size = static_cast<uint32_t>(shown.size());
  }
  const std::string_view value = form.no_value ? std::string_view() : batch.payload[r];
  row->value = AppendBytes(out, value);
  row->value_size = static_cast<uint32_t>(value.size());
  row->headers = out->Here();
  LetterHeaders headers(out, 0);
  if (!form.bare) {
    AppendRecordHeaders(batch, r, out);
  } else if (!batch.row_headers(r).empty()) {
    headers.Put("anabranch.error.headers_dropped", static_cast<int64_t>(batch.row_headers(r).size()));
  }
  if (form.no_timestamp && batch.timestamp_ms[r] >= 0) {
    headers.Put("anabranch.error.timestamp", batch.timestamp_ms[r]);
  }
  if (form.no_value) PutDigest("anabranch.error.value", batch.payload[r], &headers);
  if (form.bare && has_key) PutDigest("anabranch.error.key", key, &headers);
}

void DeadLetterWriter::AppendRecordHeaders(const RecordBatch& batch, uint32_t r, EncodedRows* out) {
  for (const RowHeader& header : batch.row_headers(r)) {
    if (header.name.starts_with(kErrorPrefix)) {
      out->AppendHeader(std::string(kOriginalPrefix).append(header.name.substr(kErrorPrefix.size())), header.value);
    } else {
      out->AppendHeader(header.name, header.value);
    }
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

#include "engine/run/dead_letter.h"

#include <string>

namespace anabranch {
namespace {

constexpr size_t kHeaderBytes = 1024;
constexpr std::string_view kPrefix = "anabranch.error.";

// Cuts at a character boundary, so that a header stays UTF-8.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kHeaderBytes) return text;
  size_t end = kHeaderBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

uint32_t Append(std::string* bytes, std::string_view text) {
  const auto at = static_cast<uint32_t>(bytes->size());
  bytes->append(text);
  return at;
}

}  // namespace

void AppendDeadLetter(const Plan& plan, const RecordBatch& batch, StageId stage, const RowError& error,
                      std::string_view failed_at, EncodedRows* out) {
  const uint32_t r = error.row;
  EncodedRows::Row row;
  row.partition = batch.partition[r];
  row.offset = batch.offset[r];
  row.timestamp_ms = batch.timestamp_ms[r];
  if (batch.record_key_present[r]) {
    row.key = Append(&out->bytes, batch.record_key[r]);
    row.key_size = static_cast<uint32_t>(batch.record_key[r].size());
  }
  row.value = Append(&out->bytes, batch.payload[r]);
  row.value_size = static_cast<uint32_t>(batch.payload[r].size());

  row.headers = static_cast<uint32_t>(out->bytes.size());
  for (const RowHeader& header : batch.row_headers(r)) {
    if (!header.name.starts_with(kPrefix)) out->AppendHeader(header.name, header.value);
  }
  const SourcePartition& from = batch.partitions->at(row.partition);
  const bool is_source = stage < plan.sources.size();
  const bool timed_out = batch.stages[stage].outcome[r] == Outcome::kTimedOut;
  const auto put = [&](std::string_view name, std::string_view value) { out->AppendHeader(name, Cut(value)); };
  put("anabranch.error.node", plan.StageName(stage));
  put("anabranch.error.kind", is_source ? "source" : std::string_view(plan.node(stage).kind));
  put("anabranch.error.class", timed_out ? "timed_out" : "record");
  put("anabranch.error.code", error.code);
  put("anabranch.error.message", error.message);
  put("anabranch.error.attempts", "1");
  put("anabranch.error.topic", from.topic);
  put("anabranch.error.partition", std::to_string(from.partition));
  put("anabranch.error.offset", std::to_string(row.offset));
  put("anabranch.error.topology", plan.identity().topology);
  put("anabranch.error.models", plan.models);
  put("anabranch.error.failed_at", failed_at);
  row.headers_size = static_cast<uint32_t>(out->bytes.size()) - row.headers;
  out->rows.push_back(row);
}

}  // namespace anabranch

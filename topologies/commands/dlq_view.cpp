#include "topologies/commands/dlq_view.h"

#include <algorithm>
#include <cstdio>

#include "engine/codec/json_writer.h"
#include "engine/keep/kept_batch.h"
#include "engine/run/dead_letter.h"
#include "engine/run/replay.h"
#include "topologies/commands/failure_view.h"
#include "topologies/commands/json_text.h"

namespace anabranch {
namespace {

std::string BytesJson(std::string_view bytes) {
  if (!IsUtf8(bytes)) return JsonObject().AddText("base64", Base64(bytes)).text();
  std::string text;
  AppendJsonString(&text, bytes);
  return text;
}

// For people: control characters and bytes that are no text are escaped, the rest stays.
std::string Escaped(std::string_view bytes) {
  const bool text = IsUtf8(bytes);
  std::string escaped;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte < 0x7F) || (text && byte >= 0x80)) {
      escaped += c;
      continue;
    }
    char hex[5];
    std::snprintf(hex, sizeof hex, "\\x%02x", byte);
    escaped += c == '\n' ? std::string("\\n") : c == '\t' ? std::string("\\t") : std::string(hex);
  }
  return escaped;
}

// stage → column → JSON text of the value.
using Results = std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>>;

Results ReadResults(const Plan& plan, const DeadLetter& letter) {
  Results results;
  const LetterRoutes::Route route = LetterRoutes(plan).Find(letter);
  if (!route.results) return results;
  const auto frame = std::make_shared<const std::string>(letter.results);
  const Result<KeptHeader> header = ReadKeptHeader(*frame);
  SourceTable table;
  RecordBatch batch;
  batch.Clear(plan.columns.size(), plan.stages());
  const bool restored = header.ok() && RestoreKeptBatch(plan, frame, route.rules, table, &batch).ok();
  for (const KeptHeader::Column& kept : restored ? header->columns : std::vector<KeptHeader::Column>()) {
    const auto info = std::find_if(plan.columns.begin(), plan.columns.end(), [&kept](const ColumnInfo& column) {
      return column.name == kept.name && column.maker == kept.maker;
    });
    if (info == plan.columns.end()) continue;
    const Column& column = batch.columns[static_cast<size_t>(info - plan.columns.begin())];
    if (column.rows() != 1) continue;
    std::string value;
    AppendJsonCell(&value, column, 0);
    if (results.empty() || results.back().first != kept.maker) results.push_back({kept.maker, {}});
    results.back().second.emplace_back(kept.name, std::move(value));
  }
  batch.Clear(0, 0);
  return results;
}

bool IsResults(const RowHeader& header) { return header.name == "anabranch.error.results"; }

}  // namespace

void AddLetter(const DeadLetter& letter, LetterGroups* groups) {
  LetterGroup& group = (*groups)[letter.ours ? std::pair(std::string(letter.node), std::string(letter.code))
                                             : std::pair(std::string("?"), std::string("not a dead letter of ours"))];
  const std::string at(letter.failed_at);
  if (group.count == 0 || at < group.oldest) group.oldest = at;
  if (group.count == 0 || at > group.newest) group.newest = at;
  ++group.count;
}

std::string GroupsText(const LetterGroups& groups) {
  if (groups.empty()) return "no dead letters wait\n";
  size_t width = 5, code_width = 4;
  int64_t letters = 0;
  for (const auto& [key, group] : groups) {
    width = std::max(width, key.first.size());
    code_width = std::max(code_width, key.second.size());
    letters += group.count;
  }
  const auto line = [&](const std::string& stage, const std::string& code, const std::string& count,
                        const std::string& oldest, const std::string& newest) {
    return stage + std::string(width - stage.size() + 2, ' ') + code + std::string(code_width - code.size() + 2, ' ') +
           std::string(count.size() < 8 ? 8 - count.size() : 0, ' ') + count + "  " + oldest +
           std::string(oldest.size() < 27 ? 29 - oldest.size() : 2, ' ') + newest + "\n";
  };
  std::string text = line("stage", "code", "count", "oldest", "newest");
  for (const auto& [key, group] : groups) {
    text += line(key.first, key.second, std::to_string(group.count), group.oldest, group.newest);
  }
  return text + Count(letters, "dead letter") + "\n";
}

std::string GroupsJson(const LetterGroups& groups) {
  std::vector<std::string> values;
  int64_t letters = 0;
  for (const auto& [key, group] : groups) {
    JsonObject json;
    json.AddText("node", key.first).AddText("code", key.second).AddNumber("count", group.count);
    values.push_back(json.AddText("oldest", group.oldest).AddText("newest", group.newest).text());
    letters += group.count;
  }
  return JsonObject().AddNumber("letters", letters).AddJson("groups", JsonList(values)).text();
}

std::string LetterText(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
  std::string text = letter.Id() + " failed in " + std::string(letter.kind) + " \"" + std::string(letter.node) +
                     "\" at " + std::string(letter.failed_at) + "\n";
  text += "  " + std::string(letter.error_class) + " error \"" + std::string(letter.code) + "\" after " +
          std::string(letter.attempts) + (letter.attempts == "1" ? " attempt: " : " attempts: ") +
          Escaped(letter.message) + "\n";
  text += "key:   " + (batch.key_present[row] != 0 ? Escaped(batch.key[row]) : std::string("(none)")) + "\n";
  text += "value: " + Escaped(batch.payload[row]) + "\n";
  if (batch.timestamp_ms[row] >= 0) text += "time:  " + FormatTimestamp(batch.timestamp_ms[row] * 1000) + "\n";
  text += "headers:\n";
  for (const RowHeader& header : batch.row_headers(row)) {
    text += "  " + Escaped(header.name) + ": " +
            (IsResults(header) ? BytesText(static_cast<int64_t>(header.value.size())) : Escaped(header.value)) + "\n";
  }
  const Results results = ReadResults(plan, letter);
  if (results.empty()) return text + "no results travel with it that this topology can use\n";
  text += "results that travel with it:\n";
  for (const auto& [stage, columns] : results) {
    for (const auto& [name, value] : columns) text += "  " + stage + ": " + name + " = " + value + "\n";
  }
  return text;
}

std::string LetterJson(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
  JsonObject json;
  json.AddText("id", letter.Id()).AddText("node", letter.node).AddText("kind", letter.kind);
  json.AddText("class", letter.error_class).AddText("code", letter.code).AddText("message", letter.message);
  json.AddText("attempts", letter.attempts).AddText("failed_at", letter.failed_at);
  json.AddNumber("timestamp", batch.timestamp_ms[row]);
  json.AddJson("key", batch.key_present[row] != 0 ? BytesJson(batch.key[row]) : "null");
  json.AddJson("value", BytesJson(batch.payload[row]));
  std::vector<std::string> headers;
  for (const RowHeader& header : batch.row_headers(row)) {
    if (IsResults(header)) continue;
    headers.push_back(JsonList({BytesJson(header.name), BytesJson(header.value)}));
  }
  json.AddJson("headers", JsonList(headers)).AddNumber("result_bytes", static_cast<int64_t>(letter.results.size()));
  JsonObject results;
  for (const auto& [stage, columns] : ReadResults(plan, letter)) {
    JsonObject of_stage;
    for (const auto& [name, value] : columns) of_stage.AddJson(name, value);
    results.AddJson(stage, of_stage.text());
  }
  return json.AddJson("results", results.text()).text();
}

}  // namespace anabranch

#include "topologies/operate/dlq_view.h"

#include <algorithm>
#include <optional>

#include "engine/codec/json_writer.h"
#include "engine/keep/kept_batch.h"
#include "engine/printable.h"
#include "engine/record_id.h"
#include "engine/run/dead_letter.h"
#include "engine/run/replay.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"
#include "engine/text/timestamp.h"
#include "topologies/operate/failure_view.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

constexpr size_t kMostGroups = 1000;  // anybody may write letters: the rest is counted together
constexpr std::string_view kNoStageName = "?", kNotOurs = "not a dead letter of ours";
constexpr std::string_view kOurHeaders = "anabranch.error.";

// "12 s", "3 min", "2 h", "5 d" since `failed_at`; "?" when that is no time.
std::string AgeText(std::string_view failed_at, int64_t now_ms) {
  int64_t micros = 0;
  if (!ParseTimestamp(failed_at, &micros)) return "?";
  const int64_t seconds = std::max<int64_t>(0, now_ms - micros / 1000) / 1000;
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 2 * 3600) return std::to_string(seconds / 60) + " min";
  if (seconds < 2 * 86'400) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds / 86'400) + " d";
}

std::string Padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string LetterPlace(const RecordBatch& batch, uint32_t row) {
  return RecordId(batch.partitions->at(batch.partition[row]), batch.offset[row]);
}

// stage → columns, with the JSON text of their values.
struct KeptResult {
  std::string name, value;
  bool hidden = false;  // masking.h
};
using Results = std::vector<std::pair<std::string, std::vector<KeptResult>>>;

Results ReadResults(const Plan& plan, const DeadLetter& letter) {
  Results results;
  const LetterRoutes::Route route = LetterRoutes(plan).Find(letter);
  if (!route.results) return results;
  const auto frame = std::make_shared<const std::string>(letter.results);
  const Result<KeptHeader> header = ReadKeptHeader(*frame);
  SourceTable table;
  RecordBatch batch;
  batch.Clear(plan.columns.size(), plan.stages());
  const std::vector<bool> hidden = HiddenColumns(plan);
  const bool restored = header.ok() && RestoreKeptBatch(plan, frame, route.rules, table, &batch).ok();
  for (const KeptHeader::Column& kept : restored ? header->columns : std::vector<KeptHeader::Column>()) {
    const auto info = std::find_if(plan.columns.begin(), plan.columns.end(), [&kept](const ColumnInfo& column) {
      return column.name == kept.name && column.maker == kept.maker;
    });
    if (info == plan.columns.end()) continue;
    const auto id = static_cast<size_t>(info - plan.columns.begin());
    const Column& column = batch.columns[id];
    if (column.rows() != 1) continue;
    std::string value;
    AppendJsonCell(&value, column, 0);
    if (results.empty() || results.back().first != kept.maker) results.push_back({kept.maker, {}});
    results.back().second.push_back({kept.name, std::move(value), hidden[id]});
  }
  batch.Clear(0, 0);
  return results;
}

bool IsResults(const RowHeader& header) { return header.name == "anabranch.error.results"; }

// What is shown of a letter where masks are asked for.
class LetterMask {
 public:
  LetterMask(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter, bool masks)
      : hides_(masks && QuotesHidden(plan, letter)) {
    const auto source = std::ranges::find(plan.sources, letter.source, &PlanSource::id);
    if (!hides_ || source == plan.sources.end()) return;
    values_.emplace(*source, batch.payload[row]);
    key_rule_ = HiddenKeys(plan)[static_cast<size_t>(source - plan.sources.begin())];
    value_ = MaskRecord(*source, batch.payload[row]);
  }

  bool hides() const { return hides_; }
  std::string_view Message(std::string_view text) const { return hides_ ? kMasked : text; }
  std::string_view Key(std::string_view key) const { return hides_ && (key_rule_ || Repeats(key)) ? kMasked : key; }
  std::string_view Value(std::string_view value) const { return hides_ ? std::string_view(value_) : value; }
  std::string_view Header(const RowHeader& header) const {
    if (!hides_) return header.value;
    const bool ours = header.name.starts_with(kOurHeaders);
    return (ours ? header.name.ends_with("message") : Repeats(header.value)) ? kMasked : header.value;
  }
  std::string Result(const KeptResult& result) const {
    return hides_ && result.hidden ? JsonBytes(kMasked) : result.value;
  }

 private:
  bool Repeats(std::string_view text) const { return !values_ || !values_->known() || values_->Hold(text); }

  const bool hides_;
  bool key_rule_ = false;
  std::optional<HiddenValues> values_;  // none: of a source that this plan does not have
  std::string value_ = kMasked;
};

}  // namespace

void AddLetter(const DeadLetter& letter, LetterGroups* groups) {
  auto key = std::pair(std::string(kNoStageName), std::string(kNotOurs));
  if (letter.ours) key = {std::string(letter.node), std::string(letter.code)};
  if (groups->size() >= kMostGroups && !groups->contains(key)) key = {"(others)", ""};
  LetterGroup& group = (*groups)[std::move(key)];
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
    width = std::max(width, Printable(key.first).size());
    code_width = std::max(code_width, Printable(key.second).size());
    letters += group.count;
  }
  const auto line = [&](const std::string& stage, const std::string& code, const std::string& count,
                        const std::string& oldest, const std::string& newest) {
    const std::string before(count.size() < 8 ? 8 - count.size() : 0, ' ');
    return Padded(stage, width + 2) + Padded(code, code_width + 2) + before + count + "  " + Padded(oldest, 27) + "  " +
           newest + "\n";
  };
  std::string text = line("stage", "code", "count", "oldest", "newest");
  for (const auto& [key, group] : groups) {
    text += line(Printable(key.first), Printable(key.second), std::to_string(group.count), Printable(group.oldest),
                 Printable(group.newest));
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

std::string RecordsHead() {
  return Padded("failed at", 26) + Padded("age", 9) + Padded("stage", 14) + Padded("code", 16) + "ID\n";
}

std::string RecordLine(const RecordBatch& batch, uint32_t row, const DeadLetter& letter, int64_t now_ms) {
  if (!letter.ours) {
    return Padded("?", 26) + Padded("?", 9) + Padded(std::string(kNoStageName), 14) + std::string(kNotOurs) + ", at " +
           Printable(LetterPlace(batch, row)) + "\n";
  }
  return Padded(Printable(letter.failed_at), 24) + "  " + Padded(AgeText(letter.failed_at, now_ms), 7) + "  " +
         Padded(Printable(letter.node), 12) + "  " + Padded(Printable(letter.code), 14) + "  " +
         Printable(letter.Id()) + "\n";
}

std::string RecordJson(const RecordBatch& batch, uint32_t row, const DeadLetter& letter, int64_t now_ms) {
  JsonObject json;
  letter.ours ? json.AddText("id", letter.Id()) : json.AddJson("id", "null");
  json.AddText("node", letter.node).AddText("code", letter.code).AddText("failed_at", letter.failed_at);
  int64_t micros = 0;
  if (ParseTimestamp(letter.failed_at, &micros)) json.AddNumber("age_s", (now_ms - micros / 1000) / 1000);
  return json.AddText("letter", LetterPlace(batch, row)).text();
}

std::string LetterText(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter, bool masks) {
  const LetterMask mask(plan, batch, row, letter, masks);
  std::string text = Printable(letter.Id()) + " failed in " + Printable(letter.kind) + " \"" + Printable(letter.node) +
                     "\" at " + Printable(letter.failed_at) + "\n";
  text += "  " + Printable(letter.error_class) + " error \"" + Printable(letter.code) + "\" after " +
          Printable(letter.attempts) + (letter.attempts == "1" ? " attempt: " : " attempts: ") +
          Printable(mask.Message(letter.message)) + "\n";
  if (letter.first_failed_at != letter.failed_at) {
    text += "  it failed first in \"" + Printable(letter.first_node) + "\" at " + Printable(letter.first_failed_at) +
            ", \"" + Printable(letter.first_code) + "\": " + Printable(mask.Message(letter.first_message)) + "\n";
  }
  const std::string key(mask.Key(batch.key[row]));
  text += "key:   " + (batch.key_present[row] != 0 ? Printable(key) : std::string("(none)")) + "\n";
  text += "value: " + Printable(mask.Value(batch.payload[row])) + "\n";
  if (batch.timestamp_ms[row] >= 0) text += "time:  " + FormatInstant(batch.timestamp_ms[row]) + "\n";
  text += "headers:\n";
  for (const RowHeader& header : batch.row_headers(row)) {
    const std::string shown =
        IsResults(header) ? BytesText(static_cast<int64_t>(header.value.size())) : Printable(mask.Header(header));
    text += "  " + Printable(header.name) + ": " + shown + "\n";
  }
  const Results results = ReadResults(plan, letter);
  text += results.empty() ? "no results travel with it that this topology can use\n" : "results that travel with it:\n";
  for (const auto& [stage, columns] : results) {
    for (const KeptResult& each : columns)
      text += "  " + stage + ": " + each.name + " = " + Printable(mask.Result(each)) + "\n";
  }
  return text;
}

bool QuotesHidden(const Plan& plan, const DeadLetter& letter) {
  const auto source = std::ranges::find(plan.sources, letter.source, &PlanSource::id);
  return source != plan.sources.end() ? HidesMessages(*source) : std::ranges::any_of(plan.sources, HidesMessages);
}

std::string LetterJson(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter, bool masks) {
  const LetterMask mask(plan, batch, row, letter, masks);
  JsonObject json;
  json.AddText("id", letter.Id()).AddText("node", letter.node).AddText("kind", letter.kind);
  json.AddText("class", letter.error_class).AddText("code", letter.code);
  json.AddJson("message", JsonBytes(mask.Message(letter.message)));
  json.AddText("attempts", letter.attempts).AddText("failed_at", letter.failed_at);
  json.AddNumber("timestamp", batch.timestamp_ms[row]);
  json.AddJson("key", batch.key_present[row] != 0 ? JsonBytes(mask.Key(batch.key[row])) : "null");
  json.AddJson("value", JsonBytes(mask.Value(batch.payload[row])));
  std::vector<std::string> headers;
  for (const RowHeader& header : batch.row_headers(row)) {
    if (IsResults(header)) continue;
    headers.push_back(JsonList({JsonBytes(header.name), JsonBytes(mask.Header(header))}));
  }
  json.AddJson("headers", JsonList(headers)).AddNumber("result_bytes", static_cast<int64_t>(letter.results.size()));
  JsonObject results;
  for (const auto& [stage, columns] : ReadResults(plan, letter)) {
    JsonObject of_stage;
    for (const KeptResult& each : columns) of_stage.AddJson(each.name, mask.Result(each));
    results.AddJson(stage, of_stage.text());
  }
  json.AddJson("results", results.text());
  return mask.hides() ? json.AddFlag("masked", true).text() : json.text();
}

}  // namespace anabranch

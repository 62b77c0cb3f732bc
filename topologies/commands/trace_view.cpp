#include "topologies/commands/trace_view.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/printable.h"
#include "engine/record_id.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {
namespace {

constexpr size_t kShownValue = 400;  // bytes of a record, a row or a message
constexpr size_t kShownCell = 160;   // of a column
constexpr size_t kLabelWidth = 11;

std::string Wide(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string HeadLine(const std::string& label, const std::string& text) {
  return Wide(label, kLabelWidth) + text + "\n";
}

// One stage of the trace, as both forms show it.
struct StageView {
  StageId stage;
  std::string name, kind;
  std::string outcome;  // one word
  std::string why;      // what stands behind it, for people; may be empty
  TrialStep step;
  std::map<std::string, std::string> facts;
  std::vector<std::pair<std::string, std::string>> columns;  // name and JSON text
  std::vector<const TrialRow*> rows;
  std::string target;
  std::optional<std::string> key;  // of its results
};

// What the trial knows of its one record.
const TrialStory* StoryOf(const TrialResult& result) {
  const auto stopped = result.stopped.find(0);
  if (stopped != result.stopped.end()) return &stopped->second;
  return result.stories.empty() || result.stories.front().steps.empty() ? nullptr : &result.stories.front();
}

bool Wrote(Outcome outcome) {
  return outcome != Outcome::kFailed && outcome != Outcome::kTimedOut && outcome != Outcome::kFiltered &&
         outcome != Outcome::kAbsent;
}

std::string Reason(const TrialStep& step) { return step.code.empty() ? "" : step.code + ": " + step.message; }

std::string WhyOf(const Plan& plan, const StageView& view) {
  const TrialStep& step = view.step;
  switch (step.outcome) {
    case Outcome::kSkipped: return "\"when\" is not true: " + plan.node(view.stage).when->text;
    case Outcome::kFiltered: return "the record leaves the stream here";
    case Outcome::kAbsent: return "the record left the stream above";
    case Outcome::kMissed: return Reason(step) + "; it goes on with nulls";
    case Outcome::kDefaulted: return Reason(step) + "; it goes on with the defaults";
    default: return Reason(step);
  }
}

// False: this stage is not on the way of the record's source.
bool OnTheWay(const Plan& plan, StageId source, StageId stage) {
  return stage < plan.sources.size() ? stage == source : plan.node(stage).from_source[source];
}

StageView MakeStage(const Plan& plan, StageId stage, const TrialStory* story, const TrialResult& result) {
  StageView view;
  view.stage = stage;
  view.name = plan.StageName(stage);
  const bool source = stage < plan.sources.size();
  view.kind = source ? "source" : plan.node(stage).kind;
  if (story != nullptr) {
    view.step = story->steps[stage];
    view.key = story->key;
  }
  view.outcome = NameOf(view.step.outcome);
  view.why = WhyOf(plan, view);
  if (result.failure && view.step.outcome == Outcome::kAbsent) {
    const bool here = result.failure->stage == view.name;
    view.outcome = here ? "stopped" : "not_run";
    view.why = here ? result.failure->message : "a stage stopped before it";
  }
  for (ColumnId column = 0; story != nullptr && column < plan.columns.size(); ++column) {
    if (plan.columns[column].maker != view.name || story->cells[column].empty()) continue;
    // What a record had that failed at its source is worth a look; a node that failed made nothing.
    if (!Wrote(view.step.outcome) && (!source || story->cells[column] == "null")) continue;
    view.columns.emplace_back(plan.columns[column].name, story->cells[column]);
  }
  if (source) return view;
  view.facts = plan.node(stage).program->Facts();
  if (plan.node(stage).program->target() == nullptr) return view;
  const TargetId target = plan.node(stage).target;
  view.target = plan.targets[target].program->Describe();
  if (result.rows.size() <= target) return view;
  for (const TrialRow& row : result.rows[target]) view.rows.push_back(&row);
  return view;
}

std::vector<StageView> MakeStages(const Plan& plan, const TracedRecord& traced, const TrialResult& result) {
  const TrialStory* story = StoryOf(result);
  std::vector<StageView> stages;
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    if (OnTheWay(plan, traced.record.source, stage)) stages.push_back(MakeStage(plan, stage, story, result));
  }
  return stages;
}

const std::vector<TrialRow>* LettersOf(const Plan& plan, const TrialResult& result) {
  return result.rows.size() > plan.dead_letters() ? &result.rows[plan.dead_letters()] : nullptr;
}

// ------------------------------------------------------------------------------------------------------------- text

std::string HeadText(const Plan& plan, const TracedRecord& traced) {
  const TrialRecord& record = traced.record;
  std::string text = HeadLine("record", Printable(RecordId(record.partition, record.offset)) + "  (source \"" +
                                            plan.StageName(record.source) + "\"" +
                                            (traced.note.empty() ? ")" : "; " + Printable(traced.note) + ")"));
  text += HeadLine("key", record.key ? Printable(*record.key, kShownValue) : "(none)");
  if (record.timestamp_ms >= 0) text += HeadLine("time", FormatInstant(record.timestamp_ms));
  for (const auto& [name, value] : record.headers) {
    text += HeadLine("header", Printable(name) + ": " + (value ? Printable(*value, kShownValue) : "(null)"));
  }
  text += HeadLine("value",
                   BytesText(static_cast<int64_t>(record.value.size())) + "  " + Printable(record.value, kShownValue));
  text += HeadLine("topology", plan.identity().topology);
  if (!plan.models.empty()) text += HeadLine("models", plan.models);
  return text;
}

std::string LettersText(const TracedRecord& traced) {
  std::string text;
  for (const TracedLetter& letter : traced.letters) {
    text += HeadLine("letter", "it failed in " + Printable(letter.kind) + " \"" + Printable(letter.node) + "\" at " +
                                   Printable(letter.failed_at) + ", " + Printable(letter.code) + ": " +
                                   Printable(letter.message, kShownValue));
  }
  return text;
}

std::string ChangedText(const ChangedField& field) {
  if (!field.now) return Printable(field.name) + ": was " + Printable(*field.then, kShownCell) + ", is not there now";
  if (!field.then) return Printable(field.name) + ": is " + Printable(*field.now, kShownCell) + ", was not there";
  return Printable(field.name) + ": was " + Printable(*field.then, kShownCell) + ", is " +
         Printable(*field.now, kShownCell);
}

std::string ResultText(const TracedResult& then, const TracePast& past) {
  const std::string place = Printable(then.place);
  switch (past.value) {
    case TracePast::Value::kSameBytes:
      return HeadLine(
          "result", place + ": the record gives the same bytes now" + (past.same_key ? "" : ", but under another key"));
    case TracePast::Value::kGone:
      return HeadLine("result", place + ": the record gives no result in \"" + Printable(then.node) + "\" now");
    case TracePast::Value::kNotCompared:
      return HeadLine("result",
                      place + ": not compared, because this file has no node \"" + Printable(then.node) + "\"");
    case TracePast::Value::kChanged: break;
  }
  std::string text = HeadLine("result", place + ": the record gives other bytes now");
  for (const ChangedField& field : past.changed) text += "  " + ChangedText(field) + "\n";
  return text;
}

std::string PastText(const Plan& plan, const TracedRecord& traced, const TracePast& past) {
  std::string text = traced.result ? ResultText(*traced.result, past) : std::string();
  if (!past.known) {
    if (traced.result) text += "the result does not say which topology and models made it\n";
    return text;
  }
  const std::string verb = traced.result ? "was scored by " : "failed in ";
  const std::string then = Printable(past.topology) + (past.models.empty() ? "" : " with " + Printable(past.models));
  if (past.same_topology && past.same_models)
    return text + "this record " + verb + "this topology, with these models\n";
  const std::string now = plan.identity().topology + (plan.models.empty() ? "" : " with " + plan.models);
  return text + "this record " + verb + then + "; this file is " + now +
         ": the values below may differ from those of then\n";
}

// The expression of a column stands behind its value, the others on lines of their own.
std::string FindingsText(const StageView& view) {
  std::string text;
  for (const Finding& finding : view.step.findings) {
    const bool column = std::ranges::any_of(view.columns, [&](const auto& each) { return each.first == finding.name; });
    if (column) continue;
    text += "  " + finding.name + (finding.verdict.empty() ? "" : ": " + finding.verdict) +
            (finding.text.empty() ? "" : "   " + Printable(finding.text, kShownValue)) + "\n";
  }
  return text;
}

std::string ColumnsText(const StageView& view) {
  std::string text;
  for (const auto& [name, value] : view.columns) {
    text += "  " + name + " = " + Printable(value, kShownCell);
    const auto made = std::ranges::find(view.step.findings, name, &Finding::name);
    if (made != view.step.findings.end()) text += "   " + Printable(made->text, kShownCell);
    text += "\n";
  }
  return text;
}

std::string StageText(const StageView& view, size_t width) {
  std::string text = Wide(view.name, width) + "  " + Wide(view.kind, kLabelWidth) + Wide(view.outcome, 9);
  if (!view.why.empty()) text += "  " + Printable(view.why, kShownValue);
  const auto model = view.facts.find("model");
  if (model != view.facts.end()) {
    const auto digest = view.facts.find("sha256");
    text += "  " + model->second + (digest == view.facts.end() ? "" : ", sha256 " + digest->second.substr(0, 12));
  }
  if (!view.rows.empty()) text += "  " + Printable(view.target);
  while (text.ends_with(' ')) text.pop_back();
  text += "\n" + FindingsText(view) + ColumnsText(view);
  for (const TrialRow* row : view.rows) {
    // A file has the key within its line, and a table its fields in columns.
    const std::optional<std::string>& key = row->key ? row->key : view.key;
    const std::string& value = row->fields.empty() && row->value ? *row->value : row->fields;
    text += "  key: " + (key ? Printable(*key, kShownValue) : "(none)") + "\n";
    text += "  value: " + Printable(value, kShownValue) + "\n";
  }
  return text;
}

// ------------------------------------------------------------------------------------------------------------- JSON

std::string OrNull(const std::optional<std::string>& bytes) { return bytes ? JsonBytes(*bytes) : "null"; }

std::string Time(int64_t timestamp_ms) { return timestamp_ms < 0 ? "null" : std::to_string(timestamp_ms); }

std::string HeadersJson(const TrialHeaders& headers) {
  std::vector<std::string> all;
  for (const auto& [name, value] : headers) all.push_back(JsonList({JsonBytes(name), OrNull(value)}));
  return JsonList(all);
}

std::string RowJson(const TrialRow& row) {
  JsonObject json;
  json.AddJson("key", OrNull(row.key)).AddJson("value", OrNull(row.value)).AddJson("timestamp", Time(row.timestamp_ms));
  json.AddJson("headers", HeadersJson(row.headers));
  if (!row.fields.empty()) json.AddJson("fields", row.fields);
  return json.text();
}

std::string StageJson(const Plan& plan, const StageView& view) {
  JsonObject json;
  json.AddText("name", view.name).AddText("kind", view.kind).AddText("outcome", view.outcome);
  if (!view.step.code.empty()) json.AddText("code", view.step.code).AddText("message", view.step.message);
  if (view.outcome == "stopped") json.AddText("message", view.why);
  if (view.stage >= plan.sources.size() && plan.node(view.stage).when) {
    json.AddText("when", plan.node(view.stage).when->text);
  }
  if (!view.facts.empty()) {
    JsonObject facts;
    for (const auto& [name, fact] : view.facts) facts.AddText(name, fact);
    json.AddJson("facts", facts.text());
  }
  std::vector<std::string> findings;
  for (const Finding& finding : view.step.findings) {
    JsonObject one;
    one.AddText("name", finding.name).AddText("verdict", finding.verdict).AddText("text", finding.text);
    findings.push_back(one.text());
  }
  if (!findings.empty()) json.AddJson("findings", JsonList(findings));
  JsonObject columns;
  for (const auto& [name, value] : view.columns) columns.AddJson(name, value);
  if (!view.columns.empty()) json.AddJson("columns", columns.text());
  if (view.target.empty()) return json.text();
  std::vector<std::string> rows;
  for (const TrialRow* row : view.rows) rows.push_back(RowJson(*row));
  return json.AddText("target", view.target).AddJson("rows", JsonList(rows)).text();
}

std::string LetterOfPastJson(const TracedLetter& letter) {
  JsonObject json;
  json.AddText("node", letter.node).AddText("kind", letter.kind).AddText("code", letter.code);
  json.AddText("message", letter.message).AddText("attempts", letter.attempts).AddText("failed_at", letter.failed_at);
  return json.AddText("topology", letter.topology).AddText("models", letter.models).text();
}

std::string PastJson(const TracedRecord& traced, const TracePast& past) {
  if (!past.known && !traced.result) return "null";
  JsonObject json;
  json.AddText("topology", past.topology).AddText("models", past.models);
  json.AddFlag("same_topology", past.same_topology).AddFlag("same_models", past.same_models);
  if (!traced.result) return json.text();
  const bool compared = past.value != TracePast::Value::kNotCompared;
  json.AddText("result", traced.result->place).AddText("node", traced.result->node);
  json.AddJson("same_bytes", !compared ? "null" : past.value == TracePast::Value::kSameBytes ? "true" : "false");
  std::vector<std::string> changed;
  for (const ChangedField& field : past.changed) {
    JsonObject one;
    one.AddText("field", field.name).AddJson("then", field.then.value_or("null"));
    changed.push_back(one.AddJson("now", field.now.value_or("null")).text());
  }
  return json.AddJson("changed", JsonList(changed)).text();
}

}  // namespace

std::string TraceText(const Plan& plan, const TracedRecord& traced, const TrialResult& result, const TracePast& past) {
  std::string text = HeadText(plan, traced) + LettersText(traced) + PastText(plan, traced, past) + "\n";
  const std::vector<StageView> stages = MakeStages(plan, traced, result);
  size_t width = 0;
  for (const StageView& view : stages) width = std::max(width, view.name.size());
  for (const StageView& view : stages) text += StageText(view, width);
  const std::vector<TrialRow>* letters = LettersOf(plan, result);
  if (letters == nullptr || letters->empty()) return text;
  return text + "\nit becomes " +
         (letters->size() == 1 ? "a dead letter" : Count(int64_t(letters->size()), "dead letter")) + " in " +
         Printable(plan.targets[plan.dead_letters()].program->Describe()) + "\n";
}

std::string TraceJson(const Plan& plan, const TracedRecord& traced, const TrialResult& result, const TracePast& past) {
  const TrialRecord& record = traced.record;
  JsonObject json;
  json.AddText("id", RecordId(record.partition, record.offset)).AddText("source", plan.StageName(record.source));
  json.AddText("topology", plan.identity().topology).AddText("models", plan.models);
  json.AddJson("key", OrNull(record.key)).AddJson("timestamp", Time(record.timestamp_ms));
  json.AddJson("headers", HeadersJson(record.headers)).AddJson("value", JsonBytes(record.value));
  json.AddFlag("copy", !traced.note.empty());
  std::vector<std::string> letters, stages, written;
  for (const TracedLetter& letter : traced.letters) letters.push_back(LetterOfPastJson(letter));
  for (const StageView& view : MakeStages(plan, traced, result)) stages.push_back(StageJson(plan, view));
  if (const std::vector<TrialRow>* rows = LettersOf(plan, result); rows != nullptr) {
    for (const TrialRow& row : *rows) written.push_back(RowJson(row));
  }
  json.AddJson("letters", JsonList(letters)).AddJson("past", PastJson(traced, past));
  json.AddJson("stages", JsonList(stages)).AddJson("dead_letters", JsonList(written));
  return json.AddJson("stopped", result.failure ? JsonBytes(result.failure->stage) : "null").text();
}

}  // namespace anabranch

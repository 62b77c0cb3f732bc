#include "topologies/trial/judge.h"

#include <algorithm>
#include <map>

#include "engine/run/dead_letter.h"
#include "engine/text/json_literals.h"
#include "engine/text/utf8.h"
#include "topologies/trial/bind_parts.h"
#include "topologies/trial/compare_value.h"
#include "topologies/trial/json_value.h"
#include "topologies/trial/matchers.h"

namespace anabranch {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted;
  AppendJsonString(&quoted, IsUtf8(text) ? text : "(bytes that are no text)");
  return quoted;
}

std::string JsonOrNull(const std::optional<std::string>& text) { return text ? Quoted(*text) : "null"; }

std::string_view HeaderOf(const TrialRow& row, std::string_view name) {
  const auto header = std::ranges::find(row.headers, name, [](const auto& each) { return std::string_view(each.first); });
  return header == row.headers.end() || !header->second ? std::string_view() : *header->second;
}

// A dead letter, as expectations name its parts.
struct Letter {
  std::string node, code, message;
  size_t given = 0;
};

Letter LetterOf(const TestCase& test, const TrialRow& row) {
  const std::string prefix(kErrorPrefix);
  return {std::string(HeaderOf(row, prefix + "node")), std::string(HeaderOf(row, prefix + "code")),
          std::string(HeaderOf(row, prefix + "message")), test.GivenOf(row.record)};
}

std::string LetterItem(const Letter& letter) {
  return "{\"node\": " + Quoted(letter.node) + ", \"code\": " + Quoted(letter.code) +
         ", \"row\": " + std::to_string(letter.given) + "}";
}

// The value of a row as JSON: its fields, or the record as it went out.
std::string ValueJson(const TrialRow& row) {
  if (!row.fields.empty()) return row.fields;
  if (!row.value) return "null";
  return ParseJsonValue(*row.value) != nullptr ? *row.value : Quoted(*row.value);
}

std::string RowItem(const TrialRow& row) {
  const auto value = ParseJsonValue(ValueJson(row));
  std::string shown = value == nullptr ? "null" : SpacedJson(*value);
  return "{\"key\": " + JsonOrNull(row.key) + ", \"value\": " + shown + "}";
}

class Judge {
 public:
  Judge(const TestCase& test, const TrialResult& result) : test_(test), result_(result) {}

  std::vector<Difference> Run() {
    if (!result_.status.ok()) {
      Say(*test_.at, result_.failure ? "stage \"" + result_.failure->stage + "\" stopped: " + result_.failure->message
                                     : result_.status.message());
      return std::move(found_);
    }
    for (const ExpectedRows& rows : test_.rows) JudgeRows(rows);
    JudgeLetters();
    for (const ExpectedCell& cell : test_.cells) JudgeCell(cell);
    for (const ExpectedCount& count : test_.counts) JudgeCount(count);
    return std::move(found_);
  }

 private:
  void Say(const ConfigValue& at, std::string sentence) {
    Difference difference;
    difference.at = &at;
    difference.expected = std::move(sentence);
    found_.push_back(std::move(difference));
  }

  std::span<const TargetField> FieldsOf(TargetId target) const {
    const auto node = std::ranges::find_if(test_.plan->nodes, [&](const PlanNode& each) {
      return each.program->target() != nullptr && each.target == target;
    });
    return node->program->written();
  }

  std::vector<const TrialRow*> InOrder(TargetId target) const {
    std::vector<const TrialRow*> rows;
    for (const TrialRow& row : result_.rows[target]) rows.push_back(&row);
    std::ranges::stable_sort(rows, {}, [](const TrialRow* row) { return row->record; });
    return rows;
  }

  void JudgeRows(const ExpectedRows& expected) {
    const std::vector<const TrialRow*> rows = InOrder(expected.target);
    const std::string& target = test_.plan->targets[expected.target].id;
    if (expected.count) return JudgeNumber(*expected.at, target + ": rows", *expected.count, rows.size());
    std::vector<const TrialRow*> partners = PartnersOf(expected, rows);
    for (size_t i = 0; i < expected.rows.size(); ++i) {
      if (partners[i] == nullptr) continue;
      std::vector<Difference> row = CompareRow(expected, *expected.rows[i], *partners[i], target + "[" + std::to_string(i) + "]");
      found_.insert(found_.end(), row.begin(), row.end());
    }
    JudgeRest(expected, rows, std::move(partners), target);
  }

  // For each expected row the one that it is compared with. In any order: one that it equals, else one that is left.
  std::vector<const TrialRow*> PartnersOf(const ExpectedRows& expected, std::vector<const TrialRow*> rows) {
    std::vector<const TrialRow*> partners(expected.rows.size(), nullptr);
    if (test_.any_order) {
      for (size_t i = 0; i < partners.size(); ++i) {
        const auto same = std::ranges::find_if(rows, [&](const TrialRow* row) {
          return CompareRow(expected, *expected.rows[i], *row, "").empty();
        });
        if (same == rows.end()) continue;
        partners[i] = *same;
        rows.erase(same);
      }
    }
    size_t next = 0;
    for (const TrialRow*& partner : partners) {
      if (partner == nullptr && next < rows.size()) partner = rows[next++];
    }
    return partners;
  }

  // Rows that are missing, and rows that nobody expects.
  void JudgeRest(const ExpectedRows& expected, const std::vector<const TrialRow*>& rows,
                 std::vector<const TrialRow*> partners, const std::string& target) {
    if (expected.rows.size() == rows.size()) return;
    Difference difference;
    difference.at = expected.at;
    difference.where = target;
    const auto count = [](size_t number) { return std::to_string(number) + (number == 1 ? " row" : " rows"); };
    difference.expected = count(expected.rows.size());
    difference.actual = count(rows.size());
    for (const TrialRow* row : rows) {
      if (std::ranges::find(partners, row) != partners.end()) continue;
      difference.actual += "; not expected: " + std::string(CutText(RowItem(*row), 300)) + " of " +
                           GivenName(test_, test_.GivenOf(row->record));
      difference.record = row->record;
      break;
    }
    for (size_t i = 0; i < partners.size(); ++i) {
      if (partners[i] == nullptr && !difference.record) difference.where = target + "[" + std::to_string(i) + "]";
    }
    difference.recorded = RowList(rows);
    found_.push_back(std::move(difference));
  }

  static Recorded RowList(const std::vector<const TrialRow*>& rows) {
    Recorded list;
    list.list = true;
    for (const TrialRow* row : rows) list.items.push_back(RowItem(*row));
    return list;
  }

  std::vector<Difference> CompareRow(const ExpectedRows& expected, const ConfigValue& row, const TrialRow& actual,
                                     const std::string& where) const {
    std::vector<Difference> found;
    const auto add = [&](const ConfigValue& at, const std::string& part, std::string wanted, std::string is) {
      found.push_back({&at, where + part, std::move(wanted), is, actual.record, {.text = std::move(is), .items = {}, .member = {}}});
    };
    const size_t given = test_.GivenOf(actual.record);
    if (const ConfigValue* at = row.Find("row"); at != nullptr && static_cast<size_t>(at->integer) != given) {
      add(*at, ".row", ShowValue(*at), std::to_string(given));
    }
    if (const ConfigValue* key = row.Find("key"); key != nullptr && !IsText(*key, actual.key)) {
      add(*key, ".key", ShowValue(*key), JsonOrNull(actual.key));
    }
    if (const ConfigValue* time = row.Find("timestamp")) {
      FaultSink checked_before{std::string()};
      const int64_t wanted = InstantOf(*time, checked_before).value_or(-1);
      if (wanted != actual.timestamp_ms) add(*time, ".timestamp", ShowValue(*time), std::to_string(actual.timestamp_ms));
    }
    if (const ConfigValue* headers = row.Find("headers")) {
      for (const ConfigValue& header : headers->children) {
        const auto has = std::ranges::find(actual.headers, header.name, [](const auto& each) { return each.first; });
        if (has != actual.headers.end() && IsText(header, has->second)) continue;
        add(header, ".headers." + header.name, ShowValue(header),
            has == actual.headers.end() ? "no such header" : JsonOrNull(has->second));
        if (has == actual.headers.end()) found.back().recorded = {};
      }
    }
    if (const ConfigValue* value = row.Find("value")) CompareFields(expected, *value, actual, where, &found);
    return found;
  }

  static bool IsText(const ConfigValue& expected, const std::optional<std::string>& actual) {
    if (IsMatcher(expected)) return expected.Find("$any") != nullptr;
    return expected.is_string() ? actual && *actual == expected.text : !actual;
  }

  void CompareFields(const ExpectedRows& expected, const ConfigValue& value, const TrialRow& row,
                     const std::string& where, std::vector<Difference>* found) const {
    const std::span<const TargetField> fields = FieldsOf(expected.target);
    const std::unique_ptr<ConfigValue> actual = ParseJsonValue(ValueJson(row));
    std::vector<ValueDifference> differences;
    if (actual == nullptr || !actual->is_object() || !value.is_object() || IsMatcher(value)) {
      CompareValue(value, actual.get(), true, test_.tolerance, "", &differences);
    } else {
      for (const ConfigValue& each : value.children) {
        const auto field = std::ranges::find(fields, each.name, &TargetField::name);
        const bool floats = field == fields.end() || HoldsFloats(field->type);
        CompareValue(each, actual->Find(each.name), floats, test_.tolerance, "." + each.name, &differences);
      }
      for (const ConfigValue& each : actual->children) {
        if (test_.contains || value.Find(each.name) != nullptr) continue;
        differences.push_back({&value, "." + each.name, "no such field", &each});
      }
    }
    for (const ValueDifference& each : differences) {
      found->push_back({each.at, where + ".value" + each.path, each.expected,
                        each.actual == nullptr ? "no such field" : ShowValue(*each.actual), row.record,
                        RecordedValue(each, value, actual.get())});
    }
    if (actual == nullptr) return;
    for (const FieldCondition& condition : expected.conditions) {
      if (!Holds(value, condition.at) || IsTrueFor(*condition.expression, fields, *actual)) continue;
      found->push_back({condition.at, where + ".value", condition.expression->text, ShowValue(*actual), row.record, {}});
    }
  }

  // The smallest text whose replacement helps: the value itself, or the whole object for a field too many or too few.
  static Recorded RecordedValue(const ValueDifference& difference, const ConfigValue& whole, const ConfigValue* actual) {
    Recorded recorded;
    if (difference.actual == nullptr) return recorded;
    const bool field_too_many = difference.at == &whole && actual != nullptr;
    recorded.text = SpacedJson(field_too_many ? *actual : *difference.actual);
    return recorded;
  }

  static bool Holds(const ConfigValue& value, const ConfigValue* part) {
    return part == &value || std::ranges::any_of(value.children, [&](const auto& each) { return Holds(each, part); });
  }

  void JudgeNumber(const ConfigValue& at, const std::string& where, int64_t expected, size_t actual) {
    if (static_cast<size_t>(expected) == actual) return;
    const ConfigValue* number = at.is_object() ? at.Find("count") : &at;
    found_.push_back({number, where, std::to_string(expected), std::to_string(actual), std::nullopt,
                      {.text = std::to_string(actual), .items = {}, .member = {}}});
  }

  void JudgeLetters() {
    std::vector<std::pair<Letter, const TrialRow*>> left;
    for (const TrialRow* row : InOrder(test_.plan->dead_letters())) left.emplace_back(LetterOf(test_, *row), row);
    const ExpectedLetters& expected = test_.letters;
    if (expected.count) return JudgeNumber(*expected.at, "dead_letters", *expected.count, left.size());
    Recorded all;
    all.list = true;
    for (const auto& [letter, row] : left) all.items.push_back(LetterItem(letter));
    for (size_t i = 0; i < expected.letters.size(); ++i) {
      const ConfigValue& wanted = *expected.letters[i];
      const auto found = std::ranges::find_if(left, [&](const auto& each) { return IsLetter(wanted, each.first); });
      if (found != left.end()) {
        left.erase(found);
        continue;
      }
      found_.push_back({expected.at, "dead_letters[" + std::to_string(i) + "]", ShowValue(wanted), "no such dead letter",
                        std::nullopt, all});
    }
    for (const auto& [letter, row] : left) {
      Difference difference;
      difference.at = expected.at != nullptr ? expected.at : test_.at->Find("expect");
      if (difference.at == nullptr) difference.at = test_.at;
      difference.where = "dead_letters";
      difference.expected = "no dead letter of " + GivenName(test_, letter.given);
      difference.actual = letter.node + ": " + letter.code + ": " + letter.message;
      difference.record = row->record;
      difference.recorded = all;
      if (expected.at == nullptr) difference.recorded.member = "dead_letters";
      found_.push_back(std::move(difference));
    }
  }

  static bool IsLetter(const ConfigValue& wanted, const Letter& letter) {
    const ConfigValue* row = wanted.Find("row");
    return (wanted.Find("node") == nullptr || wanted.Text("node") == letter.node) &&
           (wanted.Find("code") == nullptr || wanted.Text("code") == letter.code) &&
           (row == nullptr || static_cast<size_t>(row->integer) == letter.given) &&
           letter.message.find(wanted.Text("message")) != std::string::npos;
  }

  void JudgeCell(const ExpectedCell& cell) {
    const std::string where = test_.plan->columns[cell.column].maker + "." + cell.value->name + " of " + GivenName(test_, cell.given);
    const std::optional<size_t> record = test_.given[cell.given].record;
    const TrialStory* story = record ? &result_.stories[*record] : nullptr;
    const bool made = story != nullptr && !story->cells.empty() && !story->cells[cell.column].empty();
    if (!made) {
      found_.push_back({cell.value, where, ShowValue(*cell.value), "the record did not get there", record, {}});
      return;
    }
    const std::unique_ptr<ConfigValue> actual = ParseJsonValue(story->cells[cell.column]);
    std::vector<ValueDifference> differences;
    const bool floats = HoldsFloats(test_.plan->columns[cell.column].type);
    CompareValue(*cell.value, actual.get(), floats, test_.tolerance, "", &differences);
    for (const ValueDifference& each : differences) {
      found_.push_back({each.at, where + each.path, each.expected,
                        each.actual == nullptr ? "nothing" : ShowValue(*each.actual), record,
                        RecordedValue(each, *cell.value, actual.get())});
    }
  }

  void JudgeCount(const ExpectedCount& expected) {
    const StageCounts& counts = result_.counts.stages[expected.stage];
    const std::map<std::string_view, int64_t> all = {
        {"rows_in", counts.rows_in}, {"rows_out", counts.rows_out},   {"filtered", counts.filtered},
        {"skipped", counts.skipped}, {"failed", counts.failed},       {"missed", counts.missed},
        {"defaulted", counts.defaulted}, {"dead_lettered", counts.dead_lettered}};
    JudgeNumber(*expected.value, counts.id + "." + expected.value->name, expected.value->integer,
                static_cast<size_t>(all.at(expected.value->name)));
  }

  const TestCase& test_;
  const TrialResult& result_;
  std::vector<Difference> found_;
};

std::string StepWord(const TrialStep& step) {
  switch (step.outcome) {
    case Outcome::kOk: return "ok";
    case Outcome::kSkipped: return "skipped";
    case Outcome::kFiltered: return "filtered";
    case Outcome::kFailed: return "failed (" + step.code + ")";
    case Outcome::kTimedOut: return "timed out";
    case Outcome::kAbsent: return "not reached";
    case Outcome::kMissed: return "null (" + step.code + ")";
    case Outcome::kDefaulted: return "default (" + step.code + ")";
  }
  return {};
}

}  // namespace

std::vector<Difference> JudgeTrial(const TestCase& test, const TrialResult& result) { return Judge(test, result).Run(); }

std::vector<Recorded> RecordAll(const TestCase& test, const TrialResult& result) {
  std::vector<Recorded> all;
  for (const PlanNode& node : test.plan->nodes) {
    if (node.program->target() == nullptr) continue;
    Recorded rows{.text = {}, .items = {}, .list = true, .member = node.id};
    for (const TrialRow& row : result.rows[node.target]) rows.items.push_back(RowItem(row));
    all.push_back(std::move(rows));
  }
  Recorded letters{.text = {}, .items = {}, .list = true, .member = "dead_letters"};
  for (const TrialRow& row : result.rows[test.plan->dead_letters()]) letters.items.push_back(LetterItem(LetterOf(test, row)));
  if (!letters.items.empty()) all.push_back(std::move(letters));
  return all;
}

std::string GivenName(const TestCase& test, size_t given) {
  if (given >= test.given.size()) return "no given record";
  return test.plan->StageName(test.given[given].source) + "[" + std::to_string(test.given[given].index) + "]";
}

std::string WayOf(const TestCase& test, const TrialResult& result, size_t record) {
  const TrialStory& story = result.stories[record];
  std::string way;
  for (StageId stage = 0; stage < story.steps.size(); ++stage) {
    if (test.idle.contains(stage)) continue;
    const bool source = stage < test.plan->sources.size();
    if (source && test.records[record].source != stage) continue;
    const TrialStep& step = story.steps[stage];
    if (source && step.outcome == Outcome::kOk) continue;
    const std::vector<ColumnId> made = ColumnsOf(*test.plan, stage);
    const bool one = made.size() == 1 && step.outcome == Outcome::kOk && !story.cells[made.front()].empty();
    way += (way.empty() ? "" : ", ") + test.plan->StageName(stage) + (test.mocked.contains(stage) ? " mocked " : " ") +
           (one ? std::string(CutText(story.cells[made.front()], 40)) : StepWord(step));
  }
  return way;
}

}  // namespace anabranch

#include "topologies/trial/judge.h"

#include <algorithm>
#include <map>

#include "engine/run/dead_letter.h"
#include "engine/text/base64.h"
#include "engine/text/json_literals.h"
#include "engine/text/timestamp.h"
#include "engine/text/utf8.h"
#include "topologies/trial/bind_parts.h"
#include "topologies/trial/compare_value.h"
#include "topologies/trial/json_value.h"
#include "topologies/trial/matchers.h"
#include "topologies/trial/pair_rows.h"

namespace anabranch {
namespace {

std::string Quoted(std::string_view text) {
  if (!IsUtf8(text)) return std::to_string(text.size()) + " bytes that are not text";
  std::string quoted;
  AppendJsonString(&quoted, text);
  return quoted;
}

std::string JsonOrNull(const std::optional<std::string>& text) { return text ? Quoted(*text) : "null"; }

std::string_view HeaderOf(const TrialRow& row, std::string_view name) {
  const auto header =
      std::ranges::find(row.headers, name, [](const auto& each) { return std::string_view(each.first); });
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
  if (!IsUtf8(*row.value)) return "\"" + Quoted(*row.value) + "\"";
  return ParseJsonValue(*row.value) != nullptr ? *row.value : Quoted(*row.value);
}

std::string CutLong(const std::string& text) {
  constexpr size_t kShown = 300;
  return text.size() <= kShown ? text : std::string(CutText(text, kShown)) + "…";
}

std::string RowItem(const TrialRow& row) {
  const bool text_key = !row.key || IsUtf8(*row.key);
  std::string item = text_key ? "{\"key\": " + JsonOrNull(row.key) + ", " : "{";
  if (row.fields.empty() && row.value && !IsUtf8(*row.value))
    return item + "\"base64\": " + Quoted(Base64(*row.value)) + "}";
  const auto value = ParseJsonValue(ValueJson(row));
  return item + "\"value\": " + (value == nullptr ? "null" : SpacedJson(*value)) + "}";
}

std::string RowsText(int64_t number) { return std::to_string(number) + (number == 1 ? " row" : " rows"); }

Recorded Replacing(std::string text) {
  return {.edit = Recorded::Edit::kReplace, .value = {.text = std::move(text), .items = {}}, .name = {}};
}

Recorded Removing() { return {.edit = Recorded::Edit::kRemove, .value = {}, .name = {}}; }

Recorded AddingItem(std::string text, const ConfigValue* behind) {
  return {.edit = Recorded::Edit::kItem, .value = {.text = std::move(text), .items = {}}, .name = {}, .behind = behind};
}

Recorded AddingMember(std::string name, RecordedValue value) {
  return {.edit = Recorded::Edit::kMember, .value = std::move(value), .name = std::move(name)};
}

// The partners from the other side: by index of what is there, whether an expected thing is paired with it.
std::vector<bool> Paired(const Partners& partners, size_t actual) {
  std::vector<bool> paired(actual, false);
  for (const std::optional<size_t>& partner : partners) {
    if (partner) paired[*partner] = true;
  }
  return paired;
}

// A row with its value as JSON.
struct JudgedRow {
  const TrialRow* row;
  size_t given;
  std::unique_ptr<ConfigValue> value;
};

class Judge {
 public:
  Judge(const TestCase& test, const TrialResult& result) : test_(test), result_(result) {}

  std::vector<Difference> Run() {
    if (!result_.status.ok()) {
      SayWhatStopped();
      return std::move(found_);
    }
    JudgeLetters();  // they explain rows that are missing
    for (const ExpectedRows& rows : test_.rows) JudgeRows(rows);
    for (const ExpectedCell& cell : test_.cells) JudgeCell(cell);
    for (const ExpectedCount& count : test_.counts) JudgeCount(count);
    return std::move(found_);
  }

 private:
  void SayWhatStopped() {
    Difference difference;
    difference.at = test_.at;
    difference.expected = result_.failure
                              ? "stage \"" + result_.failure->stage + "\" stopped: " + result_.failure->message
                              : result_.status.message();
    for (const auto& [record, story] : result_.stopped) {
      const bool failed = std::ranges::any_of(story.steps, [](const TrialStep& step) { return !step.code.empty(); });
      if (failed && !difference.record) difference.record = record;
    }
    found_.push_back(std::move(difference));
  }

  std::span<const TargetField> FieldsOf(TargetId target) const {
    const auto node = std::ranges::find_if(test_.plan->nodes, [&](const PlanNode& each) {
      return each.program->target() != nullptr && each.target == target;
    });
    return node->program->written();
  }

  void JudgeRows(const ExpectedRows& expected) {
    const std::string& target = test_.plan->targets[expected.target].id;
    if (expected.count) {
      const auto number = static_cast<int64_t>(result_.rows[expected.target].size());
      return JudgeNumber(*expected.at, target, *expected.count, number, RowsText(*expected.count), RowsText(number));
    }
    std::vector<JudgedRow> rows;
    for (const TrialRow* row : RowsInOrder(result_, expected.target)) {
      rows.push_back({row, test_.GivenOf(row->record), ParseJsonValue(ValueJson(*row))});
    }
    const Alike equal = [&](size_t i, size_t j) {
      return CompareRow(expected, *expected.rows[i], rows[j], "").empty();
    };
    const Alike alike = [&](size_t i, size_t j) { return IsNamed(*expected.rows[i], rows[j]); };
    const Partners partners = test_.any_order ? PairInAnyOrder(expected.rows.size(), rows.size(), equal, alike, true)
                                              : PairInOrder(expected.rows.size(), rows.size(), equal, alike);
    for (size_t i = 0; i < expected.rows.size(); ++i) {
      const std::string where = target + "[" + std::to_string(i) + "]";
      if (!partners[i]) {
        found_.push_back(
            {expected.rows[i], where, ShowValue(*expected.rows[i]), "no such row", std::nullopt, Removing()});
        continue;
      }
      std::vector<Difference> row = CompareRow(expected, *expected.rows[i], rows[*partners[i]], where);
      found_.insert(found_.end(), row.begin(), row.end());
    }
    SayWhatIsTooMany(expected, rows, partners, target);
  }

  // Whether the expected row says that it is this one, by its record or its key.
  static bool IsNamed(const ConfigValue& expected, const JudgedRow& row) {
    if (const ConfigValue* at = expected.Find("row")) return static_cast<size_t>(at->integer) == row.given;
    const ConfigValue* key = expected.Find("key");
    return key != nullptr && IsText(*key, row.row->key);
  }

  void SayWhatIsTooMany(const ExpectedRows& expected, const std::vector<JudgedRow>& rows, const Partners& partners,
                        const std::string& target) {
    const std::vector<bool> paired = Paired(partners, rows.size());
    std::vector<const ConfigValue*> expected_as(rows.size(), nullptr);
    for (size_t i = 0; i < partners.size(); ++i) {
      if (partners[i]) expected_as[*partners[i]] = expected.rows[i];
    }
    const ConfigValue* behind = nullptr;
    for (size_t j = 0; j < rows.size(); ++j) {
      if (paired[j]) {
        behind = expected_as[j];
        continue;
      }
      const std::string item = RowItem(*rows[j].row);
      found_.push_back({expected.at, target, "no row of " + GivenName(test_, rows[j].given), CutLong(item),
                        rows[j].row->record, AddingItem(item, behind)});
    }
  }

  std::vector<Difference> CompareRow(const ExpectedRows& expected, const ConfigValue& row, const JudgedRow& judged,
                                     const std::string& where) const {
    std::vector<Difference> found;
    const TrialRow& actual = *judged.row;
    const auto add = [&](const ConfigValue& at, const std::string& part, std::string wanted, const std::string& is) {
      found.push_back({&at, where + part, std::move(wanted), is, actual.record, {}});
      if (ParseJsonValue(is) != nullptr) found.back().recorded = Replacing(is);
    };
    if (const ConfigValue* at = row.Find("row"); at != nullptr && static_cast<size_t>(at->integer) != judged.given) {
      add(*at, ".row", ShowValue(*at), std::to_string(judged.given));
    }
    if (const ConfigValue* key = row.Find("key"); key != nullptr && !IsText(*key, actual.key)) {
      add(*key, ".key", ShowValue(*key), JsonOrNull(actual.key));
    }
    if (const ConfigValue* time = row.Find("timestamp")) {
      FaultSink checked_before{std::string()};
      const int64_t wanted = InstantOf(*time, checked_before).value_or(-1);
      if (wanted != actual.timestamp_ms)
        add(*time, ".timestamp", ShowValue(*time), InstantText(*time, actual.timestamp_ms));
    }
    if (const ConfigValue* headers = row.Find("headers")) {
      for (const ConfigValue& header : headers->children) {
        const auto has = std::ranges::find(actual.headers, header.name, [](const auto& each) { return each.first; });
        if (has != actual.headers.end() && IsText(header, has->second)) continue;
        const bool none = has == actual.headers.end();
        add(header, ".headers." + header.name, ShowValue(header), none ? "no such header" : JsonOrNull(has->second));
        if (none) found.back().recorded = Removing();
      }
    }
    if (const ConfigValue* base64 = row.Find("base64")) {
      const std::string is = actual.value ? Quoted(Base64(*actual.value)) : "null";
      if (is != Quoted(base64->text)) add(*base64, ".base64", ShowValue(*base64), is);
    }
    if (const ConfigValue* value = row.Find("value")) CompareFields(expected, *value, judged, where, &found);
    return found;
  }

  // In the form of the expected one.
  static std::string InstantText(const ConfigValue& expected, int64_t ms) {
    if (expected.is_number()) return std::to_string(ms);
    return Quoted(FormatTimestamp(ms * 1000));
  }

  static bool IsText(const ConfigValue& expected, const std::optional<std::string>& actual) {
    if (IsMatcher(expected)) return expected.Find("$any") != nullptr;
    return expected.is_string() ? actual && *actual == expected.text : !actual;
  }

  // One point in time may be written in several ways.
  static bool IsSameTime(const Type& type, const ConfigValue& expected, const ConfigValue* actual) {
    int64_t wanted = 0, is = 0;
    return type.kind == Kind::kTimestamp && expected.is_string() && actual != nullptr && actual->is_string() &&
           ParseTimestamp(expected.text, &wanted) && ParseTimestamp(actual->text, &is) && wanted == is;
  }

  void CompareFields(const ExpectedRows& expected, const ConfigValue& value, const JudgedRow& judged,
                     const std::string& where, std::vector<Difference>* found) const {
    const std::span<const TargetField> fields = FieldsOf(expected.target);
    const ConfigValue* const actual = judged.value.get();
    const size_t record = judged.row->record;
    std::vector<ValueDifference> differences;
    if (actual == nullptr || !actual->is_object() || !value.is_object() || IsMatcher(value)) {
      CompareValue(value, actual, true, test_.tolerance, "", &differences);
    } else {
      for (const ConfigValue& each : value.children) {
        const auto field = std::ranges::find(fields, each.name, &TargetField::name);
        if (field != fields.end() && IsSameTime(field->type, each, actual->Find(each.name))) continue;
        // Of a record that goes out unchanged nothing may differ.
        const bool floats = field != fields.end() && HoldsFloats(field->type);
        CompareValue(each, actual->Find(each.name), floats, test_.tolerance, "." + each.name, &differences);
      }
      for (const ConfigValue& each : actual->children) {
        if (test_.contains || value.Find(each.name) != nullptr) continue;
        differences.push_back({&value, "." + each.name, "no such field", &each, {}, true});
      }
    }
    const bool bytes = fields.empty() && judged.row->value && !IsUtf8(*judged.row->value);
    for (const ValueDifference& each : differences) {
      found->push_back(DifferenceOf(each, where + ".value", record));
      if (bytes) found->back().recorded = {};
    }
    if (actual == nullptr) return;
    for (const FieldCondition& condition : expected.conditions) {
      if (!Holds(value, condition.at) || IsTrueFor(*condition.expression, fields, *actual)) continue;
      const std::string step = condition.at == &value ? "" : "." + condition.at->name;
      found->push_back(
          {condition.at, where + ".value" + step, condition.expression->text, ShowValue(*actual), record, {}});
    }
  }

  static Difference DifferenceOf(const ValueDifference& value, const std::string& where, std::optional<size_t> record) {
    Difference difference{value.at, where + value.path, value.expected, "no such field", record, {}};
    if (value.actual == nullptr) {
      if (value.at->parent != nullptr && value.at->parent->is_object()) difference.recorded = Removing();
    } else {
      difference.actual = value.actual_text.empty() ? ShowValue(*value.actual) : value.actual_text;
      const std::string text = SpacedJson(*value.actual);
      difference.recorded =
          value.extra ? AddingMember(value.actual->name, {.text = text, .items = {}}) : Replacing(text);
    }
    return difference;
  }

  static bool Holds(const ConfigValue& value, const ConfigValue* part) {
    return part == &value || std::ranges::any_of(value.children, [&](const auto& each) { return Holds(each, part); });
  }

  // `wanted`, `is`: what a message shows.
  void JudgeNumber(const ConfigValue& at, const std::string& where, int64_t expected, int64_t actual,
                   std::string wanted, std::string is) {
    if (expected == actual) return;
    const ConfigValue* number = at.is_object() ? at.Find("count") : &at;
    found_.push_back(
        {number, where, std::move(wanted), std::move(is), std::nullopt, Replacing(std::to_string(actual))});
  }

  void JudgeLetters() {
    std::vector<std::pair<Letter, const TrialRow*>> letters;
    for (const TrialRow* row : RowsInOrder(result_, test_.plan->dead_letters()))
      letters.emplace_back(LetterOf(test_, *row), row);
    const ExpectedLetters& expected = test_.letters;
    if (expected.count) {
      const auto number = static_cast<int64_t>(letters.size());
      return JudgeNumber(*expected.at, "dead_letters", *expected.count, number, std::to_string(*expected.count),
                         std::to_string(number));
    }
    const Alike equal = [&](size_t i, size_t j) {
      return OtherPart(*expected.letters[i], letters[j].first) == nullptr;
    };
    const Alike alike = [&](size_t i, size_t j) {
      const ConfigValue* row = expected.letters[i]->Find("row");
      return row != nullptr && static_cast<size_t>(row->integer) == letters[j].first.given;
    };
    const Partners partners = PairInAnyOrder(expected.letters.size(), letters.size(), equal, alike, false);
    for (size_t i = 0; i < partners.size(); ++i) {
      const ConfigValue& wanted = *expected.letters[i];
      const std::string where = "dead_letters[" + std::to_string(i) + "]";
      if (!partners[i]) {
        found_.push_back({&wanted, where, ShowValue(wanted), "no such dead letter", std::nullopt, Removing()});
      } else if (const ConfigValue* part = OtherPart(wanted, letters[*partners[i]].first)) {
        const auto& [letter, row] = letters[*partners[i]];
        found_.push_back({part, where + "." + part->name, ShowValue(*part), LetterText(letter), row->record,
                          Replacing(LetterPart(letter, part->name))});
      }
    }
    SayWhichLettersAreTooMany(letters, partners);
  }

  void SayWhichLettersAreTooMany(const std::vector<std::pair<Letter, const TrialRow*>>& letters,
                                 const Partners& partners) {
    const std::vector<bool> paired = Paired(partners, letters.size());
    const ConfigValue* const at = test_.letters.at;
    const ConfigValue* const expect = test_.at->Find("expect");
    RecordedValue all{.text = {}, .items = {}, .list = true};
    for (const auto& [letter, row] : letters) all.items.push_back(LetterItem(letter));
    for (size_t j = 0; j < letters.size(); ++j) {
      if (paired[j]) continue;
      const auto& [letter, row] = letters[j];
      Difference difference{at != nullptr       ? at
                            : expect != nullptr ? expect
                                                : test_.at,
                            "dead_letters",
                            "no dead letter of " + GivenName(test_, letter.given),
                            LetterText(letter),
                            row->record,
                            {}};
      const ConfigValue* const last = at == nullptr || at->children.empty() ? nullptr : &at->children.back();
      difference.recorded = at != nullptr ? AddingItem(LetterItem(letter), last) : AddingMember("dead_letters", all);
      found_.push_back(std::move(difference));
    }
  }

  static std::string LetterText(const Letter& letter) {
    return letter.node + ": " + letter.code + ": " + CutLong(letter.message);
  }

  static std::string LetterPart(const Letter& letter, const std::string& name) {
    if (name == "row") return std::to_string(letter.given);
    return Quoted(name == "node" ? letter.node : name == "code" ? letter.code : letter.message);
  }

  // The first part of the expectation that the letter does not meet; null: it meets all.
  static const ConfigValue* OtherPart(const ConfigValue& wanted, const Letter& letter) {
    for (const ConfigValue& part : wanted.children) {
      const bool met = part.name == "row"    ? static_cast<size_t>(part.integer) == letter.given
                       : part.name == "node" ? part.text == letter.node
                       : part.name == "code" ? part.text == letter.code
                                             : letter.message.find(part.text) != std::string::npos;
      if (!met) return &part;
    }
    return nullptr;
  }

  void JudgeCell(const ExpectedCell& cell) {
    const std::string where =
        test_.plan->columns[cell.column].maker + "." + cell.value->name + " of " + GivenName(test_, cell.given);
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
    for (const ValueDifference& each : differences) found_.push_back(DifferenceOf(each, where, record));
  }

  void JudgeCount(const ExpectedCount& expected) {
    const StageCounts& counts = result_.counts.stages[expected.stage];
    const std::map<std::string_view, int64_t> all = {
        {"rows_in", counts.rows_in},     {"rows_out", counts.rows_out},
        {"filtered", counts.filtered},   {"skipped", counts.skipped},
        {"failed", counts.failed},       {"missed", counts.missed},
        {"defaulted", counts.defaulted}, {"dead_lettered", counts.dead_lettered}};
    const int64_t actual = all.at(expected.value->name);
    JudgeNumber(*expected.value, counts.id + "." + expected.value->name, expected.value->integer, actual,
                std::to_string(expected.value->integer), std::to_string(actual));
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

std::vector<Difference> JudgeTrial(const TestCase& test, const TrialResult& result) {
  return Judge(test, result).Run();
}

std::vector<Recorded> RecordAll(const TestCase& test, const TrialResult& result) {
  std::vector<Recorded> all;
  const auto stage_of = [&](const PlanNode& node) {
    return StageId(test.plan->sources.size() + static_cast<size_t>(&node - test.plan->nodes.data()));
  };
  for (const PlanNode& node : test.plan->nodes) {
    if (node.program->target() == nullptr || test.idle.contains(stage_of(node))) continue;
    RecordedValue rows{.text = {}, .items = {}, .list = true};
    for (const TrialRow* row : RowsInOrder(result, node.target)) rows.items.push_back(RowItem(*row));
    all.push_back(AddingMember(node.id, std::move(rows)));
  }
  RecordedValue letters{.text = {}, .items = {}, .list = true};
  for (const TrialRow* row : RowsInOrder(result, test.plan->dead_letters())) {
    letters.items.push_back(LetterItem(LetterOf(test, *row)));
  }
  if (!letters.items.empty()) all.push_back(AddingMember("dead_letters", std::move(letters)));
  return all;
}

std::string GivenName(const TestCase& test, size_t given) {
  return test.plan->StageName(test.given[given].source) + "[" + std::to_string(test.given[given].index) + "]";
}

std::string WayOf(const TestCase& test, const TrialResult& result, size_t record) {
  const auto stopped = result.stopped.find(record);
  const TrialStory& story = stopped == result.stopped.end() ? result.stories[record] : stopped->second;
  std::string way;
  for (StageId stage = 0; stage < story.steps.size(); ++stage) {
    if (test.idle.contains(stage)) continue;
    const bool source = stage < test.plan->sources.size();
    const TrialStep& step = story.steps[stage];
    // What did not get to a stage has its reason above it.
    if (step.outcome == Outcome::kAbsent || (source && step.outcome == Outcome::kOk)) continue;
    const std::vector<ColumnId> made = ColumnsOf(*test.plan, stage);
    const bool one = made.size() == 1 && step.outcome == Outcome::kOk && !story.cells[made.front()].empty();
    way += (way.empty() ? "" : ", ") + test.plan->StageName(stage) + (test.mocked.contains(stage) ? " mocked " : " ") +
           (one ? std::string(CutText(story.cells[made.front()], 40)) : StepWord(step));
  }
  return way;
}

}  // namespace anabranch

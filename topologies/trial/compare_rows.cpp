#include "topologies/trial/compare_rows.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "engine/plan_graph.h"
#include "engine/record_id.h"

namespace anabranch {
namespace {

using nlohmann::json;

constexpr size_t kMostIds = 3;
constexpr std::string_view kOwnHeaders = "anabranch.";  // ids, topology and models differ with the plan

// One side of a target: who writes it.
struct TargetSide {
  const Plan* plan = nullptr;
  StageId stage = kNoStage;
  std::vector<bool> above;  // by StageId: the node and all above it

  TargetSide(const Plan& of, StageId writer) : plan(&of), stage(writer) {
    std::vector<bool> one(of.stages(), false);
    one[writer] = true;
    above = WithAncestors(of, std::move(one));
  }
  TargetId target() const { return plan->node(stage).target; }
  std::span<const TargetField> fields() const { return plan->node(stage).program->written(); }
};

bool Fails(Outcome outcome) { return outcome == Outcome::kFailed || outcome == Outcome::kTimedOut; }

// What became of a record that has no row here.
std::string FateOf(const TargetSide& side, const TrialStory& story) {
  for (StageId stage = 0; stage < story.steps.size(); ++stage) {
    const TrialStep& step = story.steps[stage];
    if (!side.above[stage]) continue;
    const std::string& name = side.plan->StageName(stage);
    if (Fails(step.outcome)) return "failed at " + name + " (" + step.code + ")";
    if (step.outcome == Outcome::kFiltered) return "filtered at " + name;
    if (stage == side.stage && step.outcome == Outcome::kSkipped) return "skipped at " + name;
  }
  return "not written";
}

// Node and code of every dead letter of a record.
using LetterNames = std::multiset<std::pair<std::string, std::string>>;

LetterNames LettersOf(const Plan& plan, const std::map<std::string, std::string>& renamed, const TrialStory& story) {
  LetterNames letters;
  for (StageId stage = 0; stage < story.steps.size(); ++stage) {
    const bool node = stage >= plan.sources.size();
    if (!Fails(story.steps[stage].outcome)) continue;
    if (node && plan.node(stage).on_record_error != RecordPolicy::kDeadLetter) continue;
    const auto now = renamed.find(plan.StageName(stage));
    letters.emplace(now == renamed.end() ? plan.StageName(stage) : now->second, story.steps[stage].code);
  }
  return letters;
}

json TextJson(const std::optional<std::string>& text) { return text ? json(*text) : json(nullptr); }

class TargetComparison {
 public:
  TargetComparison(std::optional<TargetSide> before, std::optional<TargetSide> after, const Tolerance& tolerance)
      : before_(std::move(before)), after_(std::move(after)), tolerance_(tolerance) {
    const TargetSide& named = after_ ? *after_ : *before_;
    report_.id = named.plan->StageName(named.stage);
    report_.added = !before_;
    report_.removed = !after_;
    if (before_ && after_ && before_->plan->StageName(before_->stage) != report_.id) {
      report_.was = before_->plan->StageName(before_->stage);
    }
    if (before_ && after_) MakeFields();
  }

  // `changed`, by record: set where a row differs.
  void Add(std::span<const TrialRecord> records, const TrialResult& before, const TrialResult& after,
           std::vector<bool>* changed) {
    const std::vector<const TrialRow*> rows_before = RowsOf(before_, before, records.size());
    const std::vector<const TrialRow*> rows_after = RowsOf(after_, after, records.size());
    for (size_t record = 0; record < records.size(); ++record) {
      const TrialRow* const old = rows_before[record];
      const TrialRow* const now = rows_after[record];
      if (old == nullptr && now == nullptr) continue;
      const auto id = [&] { return RecordId(records[record].partition, records[record].offset); };
      report_.rows_before += old != nullptr ? 1 : 0;
      report_.rows_after += now != nullptr ? 1 : 0;
      if (old != nullptr && now != nullptr) {
        if (!AddBoth(id(), *old, *now)) (*changed)[record] = true;
      } else if (old != nullptr) {
        AddOneSided(id(), after_ ? FateOf(*after_, after.stories[record]) : "its node is gone", &report_.only_before);
        (*changed)[record] = true;
      } else {
        AddOneSided(id(), before_ ? FateOf(*before_, before.stories[record]) : "its node is new", &report_.only_after);
        if (before_) (*changed)[record] = true;
      }
    }
  }

  TargetReport Report() const {
    TargetReport report = report_;
    for (const FieldComparison& field : fields_) {
      report.fields.push_back(field.Report());
      if (report.fields.back().removed()) report.fields.back().changed = report.both;
    }
    for (const auto& [name, part] : envelope_) {
      FieldReport field = part.Report();
      if (field.changed > 0) report.envelope.push_back(std::move(field));
    }
    return report;
  }

 private:
  void MakeFields() {
    const auto type_of = [](const TargetSide& side, const std::string& name) {
      const auto found = std::ranges::find(side.fields(), name, &TargetField::name);
      return found == side.fields().end() ? std::nullopt : std::optional(found->type);
    };
    const auto add = [&](const std::string& name) {
      const auto before = type_of(*before_, name), after = type_of(*after_, name);
      fields_.emplace_back(name, before, after, tolerance_);
      gone_ = gone_ || !after;
      names_.push_back(before && after ? name : "");
    };
    for (const TargetField& field : after_->fields()) add(field.name);
    for (const TargetField& field : before_->fields()) {
      if (!type_of(*after_, field.name)) add(field.name);
    }
  }

  static std::vector<const TrialRow*> RowsOf(const std::optional<TargetSide>& side, const TrialResult& result,
                                             size_t records) {
    std::vector<const TrialRow*> rows(records, nullptr);
    if (!side) return rows;
    for (const TrialRow& row : result.rows[side->target()]) rows[row.record] = &row;
    return rows;
  }

  // False: the rows differ.
  bool AddBoth(const std::string& id, const TrialRow& before, const TrialRow& after) {
    ++report_.both;
    bool same = AddEnvelope(id, before, after) && !gone_;
    if (!before.fields.empty() && !after.fields.empty()) {
      const json old = json::parse(before.fields);
      const bool equal = before.fields == after.fields;
      const json other = equal ? json() : json::parse(after.fields);
      const json& now = equal ? old : other;
      for (size_t i = 0; i < fields_.size(); ++i) {
        if (!names_[i].empty() && !fields_[i].Add(id, old.at(names_[i]), now.at(names_[i]))) same = false;
      }
    }
    report_.changed += same ? 0 : 1;
    return same;
  }

  bool AddEnvelope(const std::string& id, const TrialRow& before, const TrialRow& after) {
    bool same = AddPart("key", id, TextJson(before.key), TextJson(after.key));
    // The same fields as other bytes: the format or the envelope is another. A renamed node has other ids in its rows.
    const bool same_fields = before.fields == after.fields && before.key == after.key && report_.was.empty();
    if (before.fields.empty() || after.fields.empty() || same_fields) {
      same = AddPart("value", id, TextJson(before.value), TextJson(after.value)) && same;
    }
    if (before.headers == after.headers) return same;
    std::map<std::string, std::pair<json, json>> headers;  // a name may come more than once
    for (const auto& [name, value] : before.headers) headers[name].first.push_back(TextJson(value));
    for (const auto& [name, value] : after.headers) headers[name].second.push_back(TextJson(value));
    for (auto& [name, values] : headers) {
      if (name.starts_with(kOwnHeaders)) continue;
      for (json* list : {&values.first, &values.second}) {
        if (list->is_array() && list->size() == 1) *list = json(list->front());
      }
      same = AddPart("header " + name, id, values.first, values.second) && same;
    }
    return same;
  }

  bool AddPart(const std::string& name, const std::string& id, const json& before, const json& after) {
    if (before == after) return true;
    const auto found = std::ranges::find(envelope_, name, &std::pair<std::string, FieldComparison>::first);
    if (found != envelope_.end()) return found->second.Add(id, before, after);
    const Type text = Type::Scalar(Kind::kString);
    envelope_.emplace_back(name, FieldComparison(name, text, text, tolerance_));
    return envelope_.back().second.Add(id, before, after);
  }

  static void AddOneSided(const std::string& id, const std::string& why, OneSidedRows* rows) {
    ++rows->rows;
    ++rows->why[why];
    if (rows->examples.size() < kMostIds) rows->examples.push_back(id);
  }

  const std::optional<TargetSide> before_, after_;
  const Tolerance tolerance_;
  TargetReport report_;
  std::vector<FieldComparison> fields_;
  std::vector<std::string> names_;  // of fields_; empty: one side only
  bool gone_ = false;               // a field is written no more
  std::vector<std::pair<std::string, FieldComparison>> envelope_;
};

}  // namespace

class RowsComparison::Impl {
 public:
  Impl(const Plan& before, const Plan& after, const std::vector<StageId>& stages_before, const Tolerance& tolerance)
      : before_(before), after_(after) {
    std::set<StageId> found;
    for (StageId stage = StageId(after.sources.size()); stage < after.stages(); ++stage) {
      const StageId old = stages_before[stage];
      if (old != kNoStage) renamed_[before.StageName(old)] = after.StageName(stage);
      if (!IsSink(after, stage)) continue;
      const bool both = old != kNoStage && IsSink(before, old);
      if (both) found.insert(old);
      targets_.push_back(std::make_unique<TargetComparison>(
          both ? std::optional(TargetSide(before, old)) : std::nullopt, TargetSide(after, stage), tolerance));
    }
    for (StageId stage = StageId(before.sources.size()); stage < before.stages(); ++stage) {
      if (!IsSink(before, stage) || found.contains(stage)) continue;
      targets_.push_back(std::make_unique<TargetComparison>(TargetSide(before, stage), std::nullopt, tolerance));
    }
  }

  void Add(std::span<const TrialRecord> records, const TrialResult& before, const TrialResult& after) {
    std::vector<bool> changed(records.size(), false);
    for (const auto& target : targets_) target->Add(records, before, after, &changed);
    for (size_t record = 0; record < records.size(); ++record) {
      const LetterNames old = LettersOf(before_, renamed_, before.stories[record]);
      const LetterNames now = LettersOf(after_, {}, after.stories[record]);
      if (old != now) changed[record] = true;
      for (const auto& name : old) ++letters_[name].first;
      for (const auto& name : now) ++letters_[name].second;
    }
    records_ += static_cast<int64_t>(records.size());
    changed_ += std::ranges::count(changed, true);
  }

  RowsReport Report() const {
    RowsReport report;
    report.records = records_;
    report.changed = changed_;
    for (const auto& target : targets_) report.targets.push_back(target->Report());
    for (const auto& [name, counts] : letters_) {
      report.letters.push_back({name.first, name.second, counts.first, counts.second});
    }
    return report;
  }

 private:
  static bool IsSink(const Plan& plan, StageId stage) { return plan.node(stage).program->target() != nullptr; }

  const Plan& before_;
  const Plan& after_;
  std::map<std::string, std::string> renamed_;  // node ids before → after
  std::vector<std::unique_ptr<TargetComparison>> targets_;
  std::map<std::pair<std::string, std::string>, std::pair<int64_t, int64_t>> letters_;  // before, after
  int64_t records_ = 0, changed_ = 0;
};

RowsComparison::RowsComparison(const Plan& before, const Plan& after, const std::vector<StageId>& stages_before,
                               const Tolerance& tolerance)
    : impl_(std::make_unique<Impl>(before, after, stages_before, tolerance)) {}
RowsComparison::~RowsComparison() = default;

void RowsComparison::Add(std::span<const TrialRecord> records, const TrialResult& before, const TrialResult& after) {
  impl_->Add(records, before, after);
}
RowsReport RowsComparison::Report() const { return impl_->Report(); }

}  // namespace anabranch

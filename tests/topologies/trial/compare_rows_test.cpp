#include "topologies/trial/compare_rows.h"

#include <gtest/gtest.h>

#include "tests/topologies/trial/compared_plan.h"
#include "topologies/trial/compare_plans.h"

namespace anabranch {
namespace {

const Type kFloat = Type::Scalar(Kind::kFloat64);
const Type kText = Type::Scalar(Kind::kString);

TrialStep StepOf(Outcome outcome, const std::string& code = "") {
  TrialStep step;
  step.outcome = outcome;
  step.code = code;
  return step;
}

// check → out, and what a trial of it is said to have made.
struct Side {
  ComparedPlan plan;
  StageId check, out;
  TrialResult result;

  Side(std::vector<TargetField> fields, const std::string& sink = "out", const std::string& was = "") {
    check = plan.Node("check", {plan.source()}, "c1");
    out = plan.Sink(sink, {check}, std::move(fields));
    plan.node(out).was = was;
  }
  void Record() {
    result.rows.resize(2);
    result.stories.emplace_back().steps.assign(3, StepOf(Outcome::kOk));
  }
  TrialRow& Row(const std::string& fields) {
    Record();
    TrialRow row;
    row.record = result.stories.size() - 1;
    row.key = "k";
    row.fields = fields;
    result.rows[0].push_back(row);
    return result.rows[0].back();
  }
  void Fail(StageId stage, const std::string& code) {
    Record();
    result.stories.back().steps[stage] = StepOf(Outcome::kFailed, code);
    for (StageId below(stage + 1); below < 3; ++below) result.stories.back().steps[below] = StepOf(Outcome::kAbsent);
  }
  void Filter(StageId stage) {
    Record();
    result.stories.back().steps[stage].outcome = Outcome::kFiltered;
  }
};

RowsReport Compare(Side& before, Side& after) {
  std::vector<TrialRecord> records(before.result.stories.size());
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].partition = {"in", 0};
    records[i].offset = static_cast<int64_t>(10 * i);
  }
  const Plan& a = before.plan.Build();
  const Plan& b = after.plan.Build();
  RowsComparison comparison(a, b, StagesBefore(a, b), Tolerance{});
  comparison.Add(records, before.result, after.result);
  return comparison.Report();
}

TargetField Field(const std::string& name, const Type& type) { return {name, ColumnId(0), type, false, nullptr}; }

TEST(CompareRows, NamesTheFieldsThatChangedAndOnlyThose) {
  const std::vector<TargetField> fields = {Field("id", kText), Field("score", kFloat), Field("label", kText)};
  Side before(fields), after(fields);
  before.Row(R"({"id":"a","score":0.5,"label":"no"})");
  after.Row(R"({"id":"a","score":0.5,"label":"no"})");
  before.Row(R"({"id":"b","score":0.5,"label":"no"})");
  after.Row(R"({"id":"b","score":0.75,"label":"yes"})");
  before.Row(R"({"id":"c","score":0.5,"label":"no"})");
  after.Row(R"({"id":"c","score":0.500001,"label":"no"})");  // within the tolerance
  const RowsReport report = Compare(before, after);
  EXPECT_EQ(report.records, 3);
  EXPECT_EQ(report.changed, 1);
  EXPECT_DOUBLE_EQ(report.share(), 1.0 / 3);
  ASSERT_EQ(report.targets.size(), 1U);
  const TargetReport& out = report.targets[0];
  EXPECT_EQ(out.id, "out");
  EXPECT_EQ(out.both, 3);
  EXPECT_EQ(out.changed, 1);
  ASSERT_EQ(out.fields.size(), 3U);
  EXPECT_EQ(out.fields[0].changed, 0);
  EXPECT_EQ(out.fields[1].changed, 1);
  EXPECT_EQ(out.fields[1].near, 1);
  EXPECT_DOUBLE_EQ(out.fields[1].max_delta, 0.25);
  EXPECT_EQ(out.fields[1].examples[0].record, "in/0/10");
  EXPECT_EQ(out.fields[2].flips[0].after, "\"yes\"");
  EXPECT_TRUE(out.envelope.empty());
  EXPECT_TRUE(report.letters.empty());
}

TEST(CompareRows, AFieldThatIsGoneChangesEveryRowAndANewOneNone) {
  Side before({Field("a", kFloat), Field("b", kFloat)}), after({Field("b", kFloat), Field("c", kFloat)});
  for (int i = 0; i < 4; ++i) {
    before.Row(R"({"a":1,"b":2})");
    after.Row(R"({"b":2,"c":3})");
  }
  const RowsReport gone = Compare(before, after);
  EXPECT_EQ(gone.changed, 4);
  ASSERT_EQ(gone.targets[0].fields.size(), 3U);
  EXPECT_EQ(gone.targets[0].fields[0].equal, 4);
  EXPECT_TRUE(gone.targets[0].fields[1].added());
  EXPECT_EQ(gone.targets[0].fields[1].changed, 0);
  EXPECT_TRUE(gone.targets[0].fields[2].removed());
  EXPECT_EQ(gone.targets[0].fields[2].name, "a");
  EXPECT_EQ(gone.targets[0].fields[2].changed, 4);
  Side small({Field("b", kFloat)}), large({Field("b", kFloat), Field("c", kFloat)});
  small.Row(R"({"b":2})");
  large.Row(R"({"b":2,"c":3})");
  EXPECT_EQ(Compare(small, large).changed, 0);
}

TEST(CompareRows, ARowOnOneSideSaysWhatBecameOfItOnTheOther) {
  Side before({Field("a", kFloat)}), after({Field("a", kFloat)});
  before.Row(R"({"a":1})");
  after.Fail(after.check, "rule");
  before.Row(R"({"a":1})");
  after.Filter(after.check);
  before.Row(R"({"a":1})");
  after.Filter(after.check);
  before.Fail(before.check, "rule");
  after.Row(R"({"a":1})");
  before.Fail(before.check, "rule");
  after.Fail(after.check, "rule");  // the same on both sides
  const RowsReport report = Compare(before, after);
  EXPECT_EQ(report.records, 5);
  EXPECT_EQ(report.changed, 4);
  const TargetReport& out = report.targets[0];
  EXPECT_EQ(out.rows_before, 3);
  EXPECT_EQ(out.rows_after, 1);
  EXPECT_EQ(out.only_before.rows, 3);
  EXPECT_EQ(out.only_before.why,
            (std::map<std::string, int64_t>{{"failed at check (rule)", 1}, {"filtered at check", 2}}));
  EXPECT_EQ(out.only_before.examples, (std::vector<std::string>{"in/0/0", "in/0/10", "in/0/20"}));
  EXPECT_EQ(out.only_after.rows, 1);
  EXPECT_EQ(out.only_after.why.at("failed at check (rule)"), 1);
  ASSERT_EQ(report.letters.size(), 1U);
  EXPECT_EQ(report.letters[0].node, "check");
  EXPECT_EQ(report.letters[0].code, "rule");
  EXPECT_EQ(report.letters[0].before, 2);
  EXPECT_EQ(report.letters[0].after, 2);
}

TEST(CompareRows, ALetterWithAnotherCodeIsAChangeAndASkippedRecordIsNoLetter) {
  Side before({}), after({});
  before.Fail(before.check, "rule");
  after.Fail(after.check, "schema");
  EXPECT_EQ(Compare(before, after).changed, 1);
  Side dropped({}), kept({});
  for (Side* side : {&dropped, &kept}) side->plan.node(side->check).on_record_error = RecordPolicy::kSkip;
  dropped.Fail(dropped.check, "rule");
  kept.Fail(kept.check, "schema");
  EXPECT_EQ(Compare(dropped, kept).changed, 0);
  EXPECT_TRUE(Compare(dropped, kept).letters.empty());
}

TEST(CompareRows, ARenamedTargetAndARenamedNodeAreTheSame) {
  Side before({Field("a", kFloat)}), after({Field("a", kFloat)}, "result", "out");
  after.plan.node(after.check).id = "sane";
  after.plan.node(after.check).was = "check";
  before.Row(R"({"a":1})");
  after.Row(R"({"a":1})");
  before.Fail(before.check, "rule");
  after.Fail(after.check, "rule");
  const RowsReport report = Compare(before, after);
  EXPECT_EQ(report.changed, 0);
  ASSERT_EQ(report.targets.size(), 1U);
  EXPECT_EQ(report.targets[0].id, "result");
  EXPECT_EQ(report.targets[0].was, "out");
  EXPECT_EQ(report.letters[0].node, "sane");
}

TEST(CompareRows, ATargetThatIsGoneChangesItsRecordsAndANewOneNone) {
  Side before({Field("a", kFloat)}), after({Field("a", kFloat)}, "other");
  before.Row(R"({"a":1})");
  after.Row(R"({"a":1})");
  const RowsReport report = Compare(before, after);
  EXPECT_EQ(report.changed, 1);
  ASSERT_EQ(report.targets.size(), 2U);
  EXPECT_EQ(report.targets[0].id, "other");
  EXPECT_TRUE(report.targets[0].added);
  EXPECT_EQ(report.targets[0].only_after.rows, 1);
  EXPECT_TRUE(report.targets[1].removed);
  EXPECT_EQ(report.targets[1].only_before.why.at("its node is gone"), 1);
}

TEST(CompareRows, KeysAndForeignHeadersCount) {
  Side before({Field("a", kFloat)}), after({Field("a", kFloat)});
  before.Row(R"({"a":1})").headers = {{"anabranch.topology", "t@1"}, {"h", "x"}, {"twice", "1"}, {"twice", "2"}};
  after.Row(R"({"a":1})").headers = {{"anabranch.topology", "t@2"}, {"h", "x"}, {"twice", "1"}, {"twice", "2"}};
  before.Row(R"({"a":1})").headers = {{"h", "x"}};
  after.Row(R"({"a":1})").headers = {{"h", "y"}};
  before.Row(R"({"a":1})");
  after.Row(R"({"a":1})").key = "other";
  const RowsReport report = Compare(before, after);
  EXPECT_EQ(report.changed, 2);
  ASSERT_EQ(report.targets[0].envelope.size(), 2U);
  EXPECT_EQ(report.targets[0].envelope[0].name, "header h");
  EXPECT_EQ(report.targets[0].envelope[0].changed, 1);
  EXPECT_EQ(report.targets[0].envelope[1].name, "key");
  EXPECT_EQ(report.targets[0].envelope[1].flips[0].after, "\"other\"");
}

TEST(CompareRows, RowsWithoutFieldsAreComparedByTheirBytes) {
  Side before({}), after({});
  before.Row("").value = "as it came";
  after.Row("").value = "as it came";
  before.Row("").value = "x";
  after.Row("").value = "y";
  const RowsReport report = Compare(before, after);
  EXPECT_EQ(report.changed, 1);
  EXPECT_EQ(report.targets[0].envelope[0].name, "value");
}

TEST(CompareRows, TheSameFieldsInAnotherFormatAreAChange) {
  const std::vector<TargetField> fields = {Field("n", Type::Scalar(Kind::kInt64))};
  Side before(fields), after(fields);
  before.Row(R"({"n":1})").value = R"({"n":1})";
  after.Row(R"({"n":1})").value = "1";
  const RowsReport report = Compare(before, after);
  EXPECT_EQ(report.changed, 1);
  EXPECT_EQ(report.targets[0].envelope[0].name, "value");
}

}  // namespace
}  // namespace anabranch

#include "topologies/operate/compare_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/models/deployment.h"
#include "topologies/operate/model_events.h"
#include "topologies/operate/rollout_view.h"

// What people and programs are shown of two versions that scored the same rows. The figures themselves are tested in
// tests/engine/strategy.

namespace anabranch {
namespace {

using ReadJson = nlohmann::json;

constexpr uint32_t kShadowStep = 3;

CompareSpec Outputs() {
  CompareSpec spec;
  spec.outputs = {{.name = "p[0]", .is_label = false, .edges = {0.5}}, {.name = "word", .is_label = true}};
  spec.segment = "country";
  return spec;
}

// Four rows: two in de, of which the candidate fails one; one in fr, whose words differ; one in it.
ArmCounts Counts() {
  ArmCounts counts(Outputs(), 1, 2);
  const auto add = [&](const char* id, const char* country, double a, double b, const char* word, bool fails) {
    const ComparedValue serving[] = {{ComparedValue::Kind::kNumber, a, {}}, {ComparedValue::Kind::kLabel, 0, "yes"}};
    const ComparedValue candidate[] = {{ComparedValue::Kind::kNumber, b, {}}, {ComparedValue::Kind::kLabel, 0, word}};
    ComparedRow row;
    row.id = id;
    row.segment = country;
    row.a_ns = 1000;
    row.b_ns = 2000;
    row.a = serving;
    row.b_failed = fails;
    if (!fails) row.b = candidate;
    counts.compare.Add(row);
    counts.drawn[1] += 1;
    counts.answered[0] += 1;
  };
  add("t/0/1", "de", 0.25, 0.5, "yes", false);
  add("t/0/2", "de", 0.25, 0, "", true);
  add("t/0/3", "fr", 0.75, 0.5, "no", false);
  add("t/0/4", "it", 0.5, 0.5, "yes", false);
  return counts;
}

ControlEntry Generation(uint32_t number, ArmRule rule, std::vector<GenerationRecord::Arm> arms) {
  ControlEntry entry = CommandEntry(ControlEntry::Kind::kActive);
  entry.number = number;
  entry.action = "start";
  entry.generation.model = "sum";
  entry.generation.rule = rule;
  entry.generation.arms = std::move(arms);
  entry.generation.share = 1;
  entry.generation.step = entry.generation.arms.size() > 1 ? 1 : 0;
  return entry;
}

// Version 7 scored, and scores with version 8 as its shadow.
ControlState InShadow() {
  ControlState state;
  state.Apply(Generation(1, ArmRule::kOne, {{"7", "a"}}));
  ControlEntry step = Generation(kShadowStep, ArmRule::kShadow, {{"7", "a"}, {"8", "b"}});
  step.kind = ControlEntry::Kind::kStep;
  step.after = 1;
  state.Apply(step);
  return state;
}

// Version 7 scored; then version 8 as a shadow, whose counts two instances noted; then version 8.
ControlState Log() {
  ControlState state = InShadow();
  for (const char* instance : {"0", "1"}) {
    ControlEntry counts = CommandEntry(ControlEntry::Kind::kCounts);
    counts.number = state.last() + 1;
    counts.instance = instance;
    counts.generation_number = kShadowStep;
    counts.counts["score"] = Counts().Print();
    state.Apply(counts);
  }
  ControlEntry last = Generation(9, ArmRule::kOne, {{"8", "b"}});
  last.kind = ControlEntry::Kind::kStep;
  last.after = kShadowStep;
  state.Apply(last);
  return state;
}

ReadJson JsonOf(const CompareChoice& choice, const CompareMask& mask = {}) {
  const auto comparison = ComparisonIn(Log(), "sum");
  EXPECT_TRUE(comparison.ok()) << comparison.status().message();
  return ReadJson::parse(CompareJson(*comparison, choice, mask));
}

TEST(CompareView, AddsWhatAllInstancesCountedOfTheNewestTwoVersions) {
  const ReadJson json = JsonOf({});
  EXPECT_EQ(json["model"], "sum");
  EXPECT_EQ(json["generation"], kShadowStep);
  EXPECT_EQ(json["serving"], "7");
  EXPECT_EQ(json["candidate"], "8");
  EXPECT_EQ(json["rule"], "shadow");
  ASSERT_EQ(json["nodes"].size(), 1u);
  const ReadJson& node = json["nodes"][0];
  EXPECT_EQ(node["node"], "score");
  EXPECT_EQ(node["rows"], 8);
  ASSERT_EQ(node["segments"].size(), 4u) << "the total, and each value";
  const ReadJson& total = node["segments"][0];
  EXPECT_TRUE(total["value"].is_null());
  EXPECT_EQ(total["rows"], 8);
  EXPECT_EQ(total["both_ok"], 6);
  EXPECT_EQ(total["only_candidate_failed"], 2);
  EXPECT_NEAR(total["serving_seconds"]["p50"].get<double>(), 1e-6, 1e-8);
  const ReadJson& p = total["outputs"][0];
  EXPECT_EQ(p["name"], "p[0]");
  EXPECT_EQ(p["compared"], 6);
  EXPECT_EQ(p["equal"], 2);
  EXPECT_EQ(p["mean_difference"], 0);
  EXPECT_EQ(p["edges"], ReadJson::array({0.5}));
  EXPECT_EQ(p["serving_bins"].size(), 2u);
  const ReadJson& word = total["outputs"][1];
  EXPECT_EQ(word["is_label"], true);
  EXPECT_EQ(word["compared"], 6);
  EXPECT_EQ(word["equal"], 4);
  EXPECT_FALSE(word.contains("mean_difference"));
  EXPECT_EQ(node["segments"][1]["value"], "de");
  EXPECT_EQ(node["segments"][1]["rows"], 4);
  EXPECT_EQ(node["worst"]["p[0]"][0]["id"], "t/0/1");
  EXPECT_EQ(node["worst"]["word"][0]["candidate"], "no");
}

TEST(CompareView, ShowsOneSegmentAloneAndNoneThatIsNotThere) {
  CompareChoice choice;
  choice.segment = "fr";
  const ReadJson segments = JsonOf(choice)["nodes"][0]["segments"];
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0]["value"], "fr");
  EXPECT_EQ(segments[0]["rows"], 2);
  choice.segment = "es";
  EXPECT_TRUE(JsonOf(choice)["nodes"][0]["segments"].empty());
}

TEST(CompareView, MasksWhatIsSensitive) {
  CompareMask mask;
  mask.is_sensitive = true;
  mask.open_outputs["score"] = {"word"};
  const ReadJson node = JsonOf({}, mask)["nodes"][0];
  EXPECT_EQ(node["worst"]["p[0]"][0]["serving"], "***");
  EXPECT_TRUE(node["worst"]["p[0]"][0]["difference"].is_null());
  EXPECT_EQ(node["worst"]["word"][0]["candidate"], "no");
  EXPECT_EQ(node["segments"][1]["value"], "***");
  mask = {};
  mask.values = true;
  const ReadJson unread = JsonOf({}, mask)["nodes"][0];
  EXPECT_EQ(unread["worst"]["word"][0]["candidate"], "***");
  EXPECT_EQ(unread["segments"][1]["value"], "***");
}

// Counts outlive an edit of the file: the segment and the node may not be in it any more.
TEST(CompareView, MasksWhatThePlanDoesNotKnowUnlessNothingIsSensitive) {
  CompareMask mask;
  EXPECT_FALSE(mask.Hides("gone", "word"));
  EXPECT_FALSE(mask.HidesSegment("gone", "country"));
  mask.is_sensitive = true;
  mask.open_outputs["score"] = {"p", "list[0]"};
  mask.open_columns = {"country"};
  EXPECT_FALSE(mask.Hides("score", "p[0]"));
  EXPECT_FALSE(mask.Hides("score", "p[0][1]")) << "an element of an element";
  EXPECT_TRUE(mask.Hides("score", "word"));
  EXPECT_TRUE(mask.Hides("gone", "p[0]"));
  EXPECT_FALSE(mask.HidesSegment("score", "country"));
  EXPECT_TRUE(mask.HidesSegment("score", "pin")) << "the segment of the counts, not that of the file";
  EXPECT_TRUE(mask.HidesSegment("gone", "country"));
}

ControlEntry CountsOf(uint32_t number, const char* instance, const std::string& text) {
  ControlEntry entry = CommandEntry(ControlEntry::Kind::kCounts);
  entry.number = number;
  entry.instance = instance;
  entry.generation_number = kShadowStep;
  entry.counts["score"] = text;
  return entry;
}

TEST(CompareView, LeavesOutCountsThatDoNotFitTheNewestAndNamesThem) {
  ControlState state = Log();
  ArmCounts other_guards = Counts();
  other_guards.guards.resize(3);
  CompareSpec old = Outputs();
  old.outputs.pop_back();
  state.Apply(CountsOf(20, "old", ArmCounts(old, 1, 2).Print()));
  state.Apply(CountsOf(21, "torn", "{"));
  state.Apply(CountsOf(22, "edited", other_guards.Print()));
  const auto comparison = ComparisonIn(state, "sum", kShadowStep);
  ASSERT_TRUE(comparison.ok()) << comparison.status().message();
  EXPECT_EQ(comparison->counts.at("score").paired(), 12) << "two instances, and the one with other guards";
  ASSERT_EQ(comparison->omitted.size(), 2u);
  EXPECT_NE(comparison->omitted[0].find("torn"), std::string::npos) << comparison->omitted[0];
  EXPECT_NE(comparison->omitted[1].find("old"), std::string::npos) << comparison->omitted[1];
  EXPECT_NE(CompareText(*comparison, {}, {}).find("omitted: instance torn"), std::string::npos);
  EXPECT_EQ(ReadJson::parse(CompareJson(*comparison, {}, {}))["omitted"].size(), 2u);
}

// What the instances judge by is what `status` and `promote` show.
TEST(RolloutView, AddsTheCountsThatFitAndNamesTheOthers) {
  ControlState state = InShadow();
  RolloutSpec spec;
  spec.guards = {{.what = RolloutSpec::Guard::What::kErrors, .limit = 0.01, .size = 0, .per_key = true}};
  spec.steps = {{.rule = ArmRule::kShadow, .share = 1}, {}};
  PlanModel model;
  model.name = "sum";
  model.rollout = std::make_shared<const RolloutSpec>(spec);
  ControlEntry good = CountsOf(20, "0", Counts().Print()), torn = CountsOf(21, "torn", "{");
  good.guards[kCountedAs] = torn.guards[kCountedAs] = CountedAs(spec);
  state.Apply(good);
  state.Apply(torn);
  const auto status = RolloutIn(state, model, 0);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->paired, 4);
  EXPECT_NE(status->text.find("torn"), std::string::npos) << status->text;
}

TEST(ModelEvents, TellWhoHeldAStepAndWhy) {
  ControlState state = Log();
  ControlEntry hold = CommandEntry(ControlEntry::Kind::kHold);
  hold.number = 8;
  hold.at_ms = 5;
  hold.action = "hold";
  hold.after = kShadowStep;
  hold.instance = "0";
  hold.reason = "step 1 of 2: errors 0.02";
  hold.guards["errors"] = "errors 0.02 of 0.01";
  ControlState held = InShadow();
  held.Apply(hold);
  const std::vector<ModelEvent> events = ModelEvents(held, "sum");
  const auto found = std::ranges::find(events, "held", &ModelEvent::state);
  ASSERT_NE(found, events.end());
  EXPECT_EQ(found->generation, 0u) << "it is none of its own";
  EXPECT_EQ(found->step, 1);
  EXPECT_EQ(found->version, "8");
  EXPECT_EQ(found->by, "instance 0");
  EXPECT_EQ(found->reason, hold.reason);
  EXPECT_EQ(found->guards, hold.guards);
  hold.number = 12;  // too late: generation 9 was there
  state.Apply(hold);
  EXPECT_EQ(std::ranges::count(ModelEvents(state, "sum"), "held", &ModelEvent::state), 0);
}

TEST(CompareView, IsATableForPeople) {
  const auto comparison = ComparisonIn(Log(), "sum", kShadowStep);
  ASSERT_TRUE(comparison.ok());
  const std::string all = CompareText(*comparison, {}, {});
  for (const char* part : {"version 7 (serving) and version 8 (candidate), generation 3", "node score: 8 rows",
                           "8 scored by both", "candidate alone 2", "p[0]", "word", "66.67 %", "t/0/1"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << "\n" << all;
  }
  EXPECT_EQ(all.find("country ="), std::string::npos) << all;
  CompareChoice each;
  each.by_segment = true;
  const std::string apart = CompareText(*comparison, each, {});
  for (const char* part : {"country = de: 4 scored by both", "country = fr", "country = it"}) {
    EXPECT_NE(apart.find(part), std::string::npos) << part << "\n" << apart;
  }
}

TEST(CompareView, SaysWhatThereIsWhereNothingIsToBeCompared) {
  const auto wrong = ComparisonIn(Log(), "sum", 1);
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.status().message().find("those that have: 3"), std::string::npos) << wrong.status().message();
  ControlState one;
  one.Apply(Generation(1, ArmRule::kOne, {{"7", "a"}}));
  const auto none = ComparisonIn(one, "sum");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find("no two versions"), std::string::npos);
  EXPECT_FALSE(ComparisonIn(Log(), "other").ok());
}

}  // namespace
}  // namespace anabranch

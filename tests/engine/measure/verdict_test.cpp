#include "engine/measure/verdict.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anabranch {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

struct Share {
  LaneState state;
  const char* by;
  int percent;
};

// Ten seconds of a pipeline payments → feat, gbt → out. What is not said is starved by the source.
struct Scenario {
  const char* name;
  std::vector<std::vector<Share>> lanes;
  int64_t came;  // records
  int64_t lag;   // -1: not known
  Verdict::Kind kind;
  const char* by;
  std::string text;
  std::string advice;  // a part of it
  int rows_per_call = 64;
  int workers = 2;
  double large_calls = 1;  // what a row of a large call costs, against one of a call with 64 rows
  double commit_s = 0.01;
  int commits = 100;
};

using L = LaneState;
using K = Verdict::Kind;

const std::vector<Scenario> kScenarios = {
    {"a slow target",
     {{{L::kBlocked, "out", 72}, {L::kBusy, "gbt", 20}}},
     10'000,
     50'000,
     K::kTarget,
     "out",
     "target \"out\" (kafka) is the limit: lanes wait 72 % of the time for it; commit p50 7.5 ms",
     "its load"},
    {"a slow commit",
     {{{L::kCommitting, "out", 90}}},
     10'000,
     50'000,
     K::kTarget,
     "out",
     "target \"out\" (kafka) is the limit: lanes wait 90 % of the time for it; commit p50 180 ms",
     "\"commit_ms\"",
     64,
     2,
     1,
     0.25,
     40},
    {"a slow target in one of two lanes",
     {{{L::kBlocked, "out", 100}}, {{L::kBusy, "gbt", 30}}},
     10'000,
     50'000,
     K::kTarget,
     "out",
     "target \"out\" (kafka) is the limit: lanes wait 50 % of the time for it; commit p50 7.5 ms",
     ""},
    {"blocked and committing together",
     {{{L::kBlocked, "out", 30}, {L::kCommitting, "out", 25}, {L::kBusy, "gbt", 45}}},
     10'000,
     0,
     K::kTarget,
     "out",
     "target \"out\" (kafka) is the limit: lanes wait 55 % of the time for it; commit p50 7.5 ms",
     ""},
    {"the dead letters are the slow target",
     {{{L::kBlocked, "dead_letters", 80}, {L::kBusy, "gbt", 20}}},
     10'000,
     90'000,
     K::kTarget,
     "dead_letters",
     "target \"dead_letters\" (file) is the limit: lanes wait 80 % of the time for it",
     ""},
    {"the slower of two targets",
     {{{L::kBlocked, "out", 40}, {L::kBlocked, "dead_letters", 30}}},
     10'000,
     90'000,
     K::kTarget,
     "out",
     "target \"out\" (kafka) is the limit: lanes wait 40 % of the time for it; commit p50 7.5 ms",
     ""},
    {"a slow target beside a node in trouble",
     {{{L::kPaused, "gbt", 10}, {L::kBlocked, "out", 45}, {L::kBusy, "gbt", 45}}},
     10'000,
     90'000,
     K::kTarget,
     "out",
     "target \"out\" (kafka) is the limit: lanes wait 45 % of the time for it; commit p50 7.5 ms",
     ""},
    {"a node in trouble beside a slow target",
     {{{L::kPaused, "gbt", 45}, {L::kBlocked, "out", 10}, {L::kBusy, "gbt", 45}}},
     10'000,
     90'000,
     K::kPaused,
     "gbt",
     "\"gbt\" is in trouble: lanes wait 45 % of the time to try it again",
     "log"},
    {"two of three waits are for one of two targets",
     {{{L::kBlocked, "dead_letters", 35}, {L::kBlocked, "out", 30}, {L::kCommitting, "out", 10}}},
     10'000,
     90'000,
     K::kTarget,
     "out",
     "target \"out\" (kafka) is the limit: lanes wait 40 % of the time for it; commit p50 7.5 ms",
     ""},
    {"two inputs, and one of them is slow",
     {{{L::kStarved, "cards", 100}}, {{L::kBusy, "gbt", 30}}},
     10'000,
     50'000,
     K::kReading,
     "payments",
     "reading is the limit: records wait, and lanes starve 35 % of the time for source \"payments\"",
     ""},
    {"a slow model",
     {{{L::kBusy, "gbt", 61}, {L::kBusy, "feat", 30}, {L::kBusy, "payments", 9}}},
     10'000,
     50'000,
     K::kNode,
     "gbt",
     "node \"gbt\" is the limit: 61 % of busy time, 64 rows per call",
     ""},
    {"a model whose larger calls are cheaper",
     {{{L::kBusy, "gbt", 95}}},
     10'000,
     50'000,
     K::kNode,
     "gbt",
     "node \"gbt\" is the limit: 100 % of busy time, 64 rows per call",
     "calls of 256 rows take 40 % less time per row",
     64,
     2,
     0.6},
    {"a model on few threads",
     {{{L::kBusy, "gbt", 95}}},
     10'000,
     50'000,
     K::kNode,
     "gbt",
     "node \"gbt\" is the limit: 100 % of busy time, 64 rows per call",
     "--workers 4",
     64,
     1},
    {"a model on the crew",
     {{{L::kCrew, "gbt", 70}, {L::kBusy, "gbt", 25}}},
     10'000,
     50'000,
     K::kNode,
     "gbt",
     "node \"gbt\" is the limit: 100 % of busy time, 64 rows per call",
     ""},
    {"a slow node without a model",
     {{{L::kBusy, "feat", 81}, {L::kBusy, "gbt", 9}}},
     10'000,
     50'000,
     K::kNode,
     "feat",
     "node \"feat\" is the limit: 90 % of busy time, 64 rows per batch",
     ""},
    {"a busy model that keeps up",
     {{{L::kBusy, "gbt", 85}}},
     10'000,
     300,
     K::kKeepingUp,
     "",
     "keeping up: lanes are busy 85 % of the time",
     ""},
    {"a busy node of an input whose end nobody knows",
     {{{L::kBusy, "gbt", 97}}},
     10'000,
     -1,
     K::kNode,
     "gbt",
     "node \"gbt\" is the limit: 100 % of busy time, 64 rows per call",
     ""},
    {"decoding takes the time",
     {{{L::kBusy, "payments", 70}, {L::kBusy, "gbt", 20}}},
     10'000,
     50'000,
     K::kReading,
     "payments",
     "source \"payments\" is the limit: 78 % of busy time goes into reading and decoding",
     ""},
    {"slow reading",
     {{{L::kBusy, "gbt", 20}}},
     10'000,
     50'000,
     K::kReading,
     "payments",
     "reading is the limit: records wait, and lanes starve 80 % of the time for source \"payments\"",
     "brokers"},
    {"an open transaction holds records back",
     {{}},
     0,
     5'000,
     K::kReading,
     "payments",
     "reading is the limit: records wait, and lanes starve 100 % of the time for source \"payments\"",
     "transaction"},
    {"an empty topic", {{}}, 0, 0, K::kIdle, "", "nothing comes: everything is read and committed", ""},
    {"an input that is silent and has no end",
     {{}},
     0,
     -1,
     K::kIdle,
     "",
     "nothing comes: everything is read and committed",
     ""},
    {"a few records",
     {{{L::kBusy, "gbt", 10}, {L::kCommitting, "out", 5}}},
     100,
     3,
     K::kKeepingUp,
     "",
     "keeping up: lanes are busy 10 % of the time",
     ""},
    {"a target in trouble",
     {{{L::kPaused, "out", 85}, {L::kBlocked, "out", 15}}},
     0,
     50'000,
     K::kPaused,
     "out",
     "\"out\" is in trouble: lanes wait 85 % of the time to try it again",
     "log"},
};

HistogramCounts Values(const std::vector<double>& edges, double value, int64_t times) {
  Histogram histogram(edges);
  histogram.Add(value, times);
  return histogram.Counts();
}

NodeMeasures Node(const std::string& id, const std::string& kind) {
  NodeMeasures node;
  node.id = id;
  node.kind = kind;
  node.batch_rows = Values(RowsEdges(), 64, 100);
  return node;
}

MeasureSnapshot Before() {
  MeasureSnapshot before;
  before.elapsed_ns = 5 * kSecond;
  before.sources.emplace_back().id = "payments";
  before.nodes = {Node("feat", "transform"), Node("gbt", "infer")};
  before.nodes[1].call_rows = Values(RowsEdges(), 1, 1000);
  for (const char* id : {"out", "dead_letters"}) before.targets.emplace_back().id = id;
  before.targets[0].commit_seconds = Values(SecondsEdges(), 30, 1000);
  return before;
}

MeasureSnapshot After(const Scenario& scenario) {
  MeasureSnapshot now = Before();
  now.elapsed_ns += 10 * kSecond;
  now.sources[0].records = scenario.came;
  PartitionMeasures& partition = now.sources[0].partitions.emplace_back();
  partition.next = 1'000;
  if (scenario.lag >= 0) partition.end = 1'000 + scenario.lag;
  partition.lag_records = scenario.lag;
  now.nodes[1].call_rows.Add(Values(RowsEdges(), scenario.rows_per_call, 100));
  for (NodeMeasures& node : now.nodes) node.batch_rows.Add(Values(RowsEdges(), 64, 200));
  now.nodes[1].curve = {{1, 1e-3}, {16, 1.6e-3}, {64, 6.4e-3}, {256, 25.6e-3 * scenario.large_calls}};
  now.targets[0].connector = "kafka";
  now.targets[1].connector = "file";
  now.targets[0].commit_seconds.Add(Values(SecondsEdges(), scenario.commit_s, scenario.commits));
  for (const std::vector<Share>& shares : scenario.lanes) {
    LaneMeasures& lane = now.lanes.emplace_back();
    lane.source = "payments";
    lane.wall_ns = 10 * kSecond;
    int left = 100;
    for (const Share& share : shares) {
      lane.shares.push_back({share.state, share.by, share.percent * kSecond / 10});
      left -= share.percent;
    }
    if (left > 0) lane.shares.push_back({L::kStarved, "payments", left * kSecond / 10});
  }
  return now;
}

TEST(Verdicts, EachScenarioIsNamedRightly) {
  EXPECT_EQ(kScenarios.size(), 24U);
  for (const Scenario& scenario : kScenarios) {
    const JudgeOptions options{.workers = scenario.workers, .cores = scenario.workers == 1 ? 4 : scenario.workers};
    const Verdict verdict = Judge(Before(), After(scenario), options).verdict;
    EXPECT_STREQ(NameOf(verdict.kind), NameOf(scenario.kind)) << scenario.name;
    EXPECT_EQ(verdict.by, scenario.by) << scenario.name;
    EXPECT_EQ(verdict.text.substr(0, scenario.text.size()), scenario.text) << scenario.name;
    EXPECT_NE(verdict.advice.find(scenario.advice), std::string::npos) << scenario.name << ": " << verdict.advice;
  }
}

TEST(Verdicts, AWindowThatIsTooShortTellsNothing) {
  EXPECT_EQ(Judge({}, {}, {}).verdict.kind, K::kStarting);
  const MeasureSnapshot now = After(kScenarios[0]);
  EXPECT_EQ(Judge(now, now, {}).verdict.kind, K::kStarting);
}

TEST(Verdicts, OnlyTheWindowCounts) {
  MeasureSnapshot before = After(kScenarios[0]);
  MeasureSnapshot now = before;
  now.elapsed_ns += 10 * kSecond;
  now.lanes[0].wall_ns += 10 * kSecond;
  now.lanes[0].shares.push_back({L::kStarved, "payments", 10 * kSecond});
  now.sources[0].partitions[0].lag_records = 0;
  EXPECT_EQ(Judge(before, now, {}).verdict.kind, K::kIdle);
}

TEST(Verdicts, WithoutAMajorityTheLargestPartDecides) {
  Scenario scenario = kScenarios[0];
  scenario.lanes = {{{L::kBlocked, "out", 45}, {L::kBusy, "gbt", 40}}};
  EXPECT_EQ(Judge(Before(), After(scenario), {}).verdict.kind, K::kTarget);
  scenario.lanes = {{{L::kBlocked, "out", 35}, {L::kBusy, "gbt", 40}}};
  EXPECT_EQ(Judge(Before(), After(scenario), {}).verdict.kind, K::kNode);
  scenario.lag = 0;
  EXPECT_EQ(Judge(Before(), After(scenario), {}).verdict.kind, K::kKeepingUp);
}

TEST(Verdicts, ANodeHasItsShareAndALevel) {
  Scenario scenario = kScenarios[0];
  scenario.lanes = {{{L::kBusy, "gbt", 60}, {L::kBusy, "feat", 20}}};
  const LoadReport high = Judge(Before(), After(scenario), {});
  ASSERT_EQ(high.nodes.size(), 2U);
  EXPECT_EQ(high.nodes[1].id, "gbt");
  EXPECT_DOUBLE_EQ(high.nodes[1].share, 0.75);
  EXPECT_STREQ(high.nodes[1].level, "HIGH");
  EXPECT_STREQ(high.nodes[0].level, "LOW");
  scenario.lanes = {{{L::kBusy, "gbt", 9}}};
  const LoadReport low = Judge(Before(), After(scenario), {});
  EXPECT_DOUBLE_EQ(low.nodes[1].share, 1);
  EXPECT_STREQ(low.nodes[1].level, "OK");
}

}  // namespace
}  // namespace anabranch

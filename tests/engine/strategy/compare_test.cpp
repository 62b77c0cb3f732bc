#include "engine/strategy/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "engine/strategy/drift.h"
#include "tests/engine/strategy/oracles.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;

CompareSpec OracleSpec() {
  const Json& oracle = Oracle("comparison");
  CompareSpec spec;
  spec.segment = "country";
  spec.outputs = {{.name = "p", .edges = oracle["edges"], .reference = oracle["reference"]},
                  {.name = "far", .edges = oracle["far_edges"], .reference = {1, 1, 1, 1}},
                  {.name = "label", .is_label = true, .classes = oracle["classes"], .reference = {1, 1, 1}}};
  return spec;
}

std::vector<ComparedValue> ValuesOf(const Json& answers) {
  if (answers.is_null()) return {};
  using Kind = ComparedValue::Kind;
  std::vector<ComparedValue> values(3);
  if (answers[0].is_string()) values[0] = {Kind::kNumber, std::nan("")};
  if (answers[0].is_number()) values[0] = {Kind::kNumber, answers[0].get<double>()};
  values[1] = {Kind::kNumber, answers[1].get<double>()};
  values[2] = {.kind = Kind::kLabel, .label = answers[2].get_ref<const std::string&>()};
  return values;
}

void AddRow(const Json& row, CompareCounters* counters) {
  const std::vector<ComparedValue> a = ValuesOf(row[2]), b = ValuesOf(row[3]);
  counters->Add({.id = row[0].get_ref<const std::string&>(),
                 .segment = row[1].get_ref<const std::string&>(),
                 .a_failed = a.empty(),
                 .b_failed = b.empty(),
                 .a = a,
                 .b = b});
}

// What `lanes` lanes and their merge make of the oracle's rows, each through its text.
CompareCounters Counted(size_t lanes, bool shuffled = false) {
  std::vector<size_t> order(Oracle("comparison")["rows"].size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::mt19937 random(4);
  if (shuffled) std::shuffle(order.begin(), order.end(), random);
  std::vector<CompareCounters> parts(lanes, CompareCounters(OracleSpec()));
  for (size_t i = 0; i < order.size(); ++i) AddRow(Oracle("comparison")["rows"][order[i]], &parts[i % lanes]);
  CompareCounters sum(OracleSpec());
  for (const CompareCounters& part : parts) {
    const Result<CompareCounters> read = CompareCounters::Parse(OracleSpec(), part.Print());
    EXPECT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->Print(), part.Print());
    EXPECT_TRUE(sum.Add(*read).ok());
  }
  return sum;
}

void ExpectNumbers(const CompareSpec::Output& output, const OutputCounts& counts, const Json& expected) {
  const CompareFigures figures = FiguresOf(output, counts);
  EXPECT_EQ(counts.compared, expected["compared"]);
  EXPECT_EQ(counts.equal, expected["equal"]);
  EXPECT_EQ(Json(counts.a_bins), expected["a_bins"]);
  EXPECT_EQ(Json(counts.b_bins), expected["b_bins"]);
  Json buckets = Json::array();
  for (const auto& [bucket, times] : counts.difference.buckets()) buckets.push_back({bucket, times});
  EXPECT_EQ(buckets, expected["buckets"]);
  const std::pair<double, const char*> exact[] = {{figures.mean_difference, "mean_difference"},
                                                  {figures.deviation, "deviation"},
                                                  {figures.interval, "half"},
                                                  {figures.max, "max"},
                                                  {figures.pearson, "pearson"},
                                                  {figures.psi, "psi"},
                                                  {figures.ks, "ks"},
                                                  {figures.a_psi, "a_psi"},
                                                  {figures.b_psi, "b_psi"}};
  for (const auto& [value, name] : exact)
    EXPECT_NEAR(value, expected[name].get<double>(), 1e-9) << output.name << " " << name;
  const std::pair<double, const char*> sketched[] = {{figures.p50, "p50"}, {figures.p90, "p90"}, {figures.p99, "p99"}};
  for (const auto& [value, name] : sketched) {
    EXPECT_NEAR(value, expected[name].get<double>(), expected[name].get<double>() / 128) << output.name << " " << name;
  }
}

void ExpectSegment(const SegmentCounts& counts, const Json& expected) {
  const std::vector<int64_t> rows = {counts.both_ok, counts.only_a_failed, counts.only_b_failed, counts.both_failed};
  EXPECT_EQ(Json(rows), expected["rows"]);
  const OutputCounts& p = counts.outputs[0];
  EXPECT_EQ((Json{p.a_null, p.b_null}), expected["null"]);
  EXPECT_EQ((Json{p.a_unusable, p.b_unusable}), expected["unusable"]);
  const CompareSpec spec = OracleSpec();
  ExpectNumbers(spec.outputs[0], p, expected["p"]);
  ExpectNumbers(spec.outputs[1], counts.outputs[1], expected["far"]);
  const OutputCounts& label = counts.outputs[2];
  EXPECT_EQ(label.compared, expected["label"]["compared"]);
  EXPECT_EQ(label.equal, expected["label"]["equal"]);
  EXPECT_EQ(Json(label.a_bins), expected["label"]["a_bins"]);
  EXPECT_EQ(Json(label.b_bins), expected["label"]["b_bins"]);
  const CompareFigures figures = FiguresOf(spec.outputs[2], label);
  EXPECT_NEAR(figures.psi, expected["label"]["psi"].get<double>(), 1e-9);
  EXPECT_NEAR(figures.b_psi, expected["label"]["b_psi"].get<double>(), 1e-9);
  EXPECT_NEAR(figures.agreement, static_cast<double>(label.equal) / static_cast<double>(label.compared), 1e-15);
}

TEST(Comparisons, AreThoseOfAPythonPass) {
  const CompareCounters counters = Counted(1);
  const Json& oracle = Oracle("comparison");
  ExpectSegment(counters.Total(), oracle["total"]);
  EXPECT_EQ(counters.segments().size(), oracle["segments"].size());
  for (const auto& [name, counts] : counters.segments()) ExpectSegment(counts, oracle["segments"][name]);
  ASSERT_EQ(counters.worst()[0].size(), oracle["worst"].size());
  for (size_t i = 0; i < counters.worst()[0].size(); ++i) {
    EXPECT_EQ(counters.worst()[0][i].id, oracle["worst"][i][0]);
    EXPECT_EQ(counters.worst()[0][i].difference, oracle["worst"][i][1]);
  }
}

TEST(Comparisons, AreTheSameWhoeverCountsInWhateverOrder) {
  const CompareCounters one = Counted(1);
  for (const size_t lanes : {2, 7}) {
    const CompareCounters sum = Counted(lanes, true);
    ExpectSegment(sum.Total(), Oracle("comparison")["total"]);
    for (const auto& [name, counts] : sum.segments()) ExpectSegment(counts, Oracle("comparison")["segments"][name]);
    EXPECT_EQ(sum.worst(), one.worst());
  }
}

CompareSpec Small() { return {.outputs = {{.name = "p"}}, .segment = "s"}; }

void AddPair(double a, double b, const std::string& segment, const std::string& id, CompareCounters* counters) {
  const ComparedValue values[] = {{ComparedValue::Kind::kNumber, a}, {ComparedValue::Kind::kNumber, b}};
  counters->Add({.id = id, .segment = segment, .a_ns = 2000, .b_ns = 3000, .a = {&values[0], 1}, .b = {&values[1], 1}});
}

TEST(Comparisons, OfManySegmentsKeepTheSameOnesInAnyOrder) {
  std::vector<std::string> rows;
  for (int i = 0; i < 2000; ++i) rows.push_back("s" + std::to_string(1000 + i % 130));
  std::mt19937 random(1);
  std::string texts[2];
  for (std::string& text : texts) {
    std::shuffle(rows.begin(), rows.end(), random);
    CompareCounters parts[] = {CompareCounters(Small()), CompareCounters(Small()), CompareCounters(Small())};
    for (size_t i = 0; i < rows.size(); ++i) AddPair(1, 2, rows[i], "id", &parts[i % 3]);
    ASSERT_TRUE(parts[0].Add(parts[1]).ok());
    ASSERT_TRUE(parts[2].Add(parts[0]).ok());
    EXPECT_EQ(parts[2].segments().size(), CompareCounters::kSegments);
    EXPECT_EQ(parts[2].segments().rbegin()->first, "s1099");
    for (const auto& [name, counts] : parts[2].segments()) EXPECT_GE(counts.rows, 15) << name;
    EXPECT_EQ(parts[2].Total().rows, 2000);
    text = parts[2].Print();
  }
  EXPECT_EQ(texts[0], texts[1]);
}

TEST(Comparisons, TakeStrangeValues) {
  CompareCounters counters(Small());
  const double inf = std::numeric_limits<double>::infinity();
  for (const double strange : {std::nan(""), inf, -inf, 1e200}) AddPair(strange, 1, "\xff", "id", &counters);
  AddPair(1e139, -1e139, std::string(200, 'x'), "\xc3", &counters);
  AddPair(0.0, -0.0, "", "id", &counters);
  AddPair(5e-324, 0, "", "id", &counters);
  const SegmentCounts total = counters.Total();
  EXPECT_EQ(total.outputs[0].a_unusable, 4);
  EXPECT_EQ(total.outputs[0].compared, 3);
  EXPECT_EQ(total.outputs[0].equal, 1);
  EXPECT_EQ(total.a_ns.count(), 7);
  EXPECT_NEAR(total.b_ns.Quantile(0.5), 3000, 3000 / 128);
  const Result<CompareCounters> read = CompareCounters::Parse(Small(), counters.Print());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->Print(), counters.Print());
  const CompareFigures figures = FiguresOf(counters.spec().outputs[0], total.outputs[0]);
  EXPECT_TRUE(std::isfinite(figures.deviation) && std::isfinite(figures.pearson));
}

TEST(Comparisons, DamagedAndForeignTextsAreRefused) {
  CompareCounters counters(Small());
  AddPair(0.25, 0.5, "DE", "id", &counters);
  const std::string text = counters.Print();
  int refused = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    refused += !CompareCounters::Parse(Small(), text.substr(0, i)).ok();
    std::string damaged = text;
    damaged[i] = '~';
    (void)CompareCounters::Parse(Small(), damaged);  // any answer, but no crash
    damaged[i] = '-';
    (void)CompareCounters::Parse(Small(), damaged);
  }
  EXPECT_EQ(refused, static_cast<int>(text.size()));
  CompareSpec other = Small();
  other.outputs[0].edges = {0.5};
  EXPECT_EQ(CompareCounters::Parse(other, text).status().code(), Code::kInvalid);
  EXPECT_FALSE(CompareCounters(other).Add(counters).ok());
}

TEST(Comparisons, SpecsThatCannotBeAreRefused) {
  EXPECT_TRUE(OracleSpec().Check().ok());
  EXPECT_FALSE((CompareSpec{.outputs = {{.name = "p", .edges = {1, 1}}}}).Check().ok());
  EXPECT_FALSE((CompareSpec{.outputs = {{.name = "p", .edges = {1, 2}, .reference = {1, 2}}}}).Check().ok());
  EXPECT_FALSE((CompareSpec{.outputs = {{.name = "p"}, {.name = "p"}}}).Check().ok());
}

TEST(Comparisons, TheIntervalIsTheMixtureOfNormalBounds) {
  for (const auto& each : Oracle("intervals")) {
    EXPECT_TRUE(IsNear(DifferenceInterval(each["n"], each["deviation"], each["alpha"], each["at"]), each["half"]))
        << each;
  }
}

TEST(Comparisons, TheIntervalHoldsAtEveryLook) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> difference(0.3, 2);
  int missed = 0;
  for (int run = 0; run < 300; ++run) {
    CompareCounters counters({.outputs = {{.name = "p"}}});
    bool holds = true;
    for (int i = 1; i <= 4000; ++i) {
      AddPair(0, difference(random), "", "id", &counters);
      if (i < 200 || i % 50 != 0) continue;
      const OutputCounts& counts = counters.segments().begin()->second.outputs[0];
      const CompareFigures figures = FiguresOf(counters.spec().outputs[0], counts, 0.05);
      holds = holds && std::abs(figures.mean_difference - 0.3) <= figures.interval;
    }
    missed += !holds;
  }
  std::printf("5 %% intervals that were wrong at one of 77 looks: %d of 300\n", missed);
  EXPECT_LE(missed, 15);
}

TEST(Sketches, BucketsAreNarrow) {
  for (double value = 1e-17; value < 1e17; value *= 1.0007) {
    EXPECT_NEAR(QuantileSketch::MiddleOf(QuantileSketch::BucketOf(value)), value, value / 128);
  }
  EXPECT_EQ(QuantileSketch::BucketOf(0), 0);
  QuantileSketch empty;
  EXPECT_EQ(empty.Quantile(0.5), 0);
  EXPECT_FALSE(empty.Restore({{3, 1}, {2, 1}}, 1));
  EXPECT_FALSE(empty.Restore({{3, 0}}, 1));
}

TEST(Drift, ABinContainsItsLowerEdge) {
  const std::vector<double> edges = {1, 2};
  EXPECT_EQ(BinOf(edges, 0.5), 0U);
  EXPECT_EQ(BinOf(edges, 1), 1U);
  EXPECT_EQ(BinOf(edges, 2), 2U);
  EXPECT_EQ(BinOf(edges, 3), 2U);
}

TEST(Drift, OfNothingIsZero) {
  const std::vector<int64_t> none = {0, 0}, some = {3, 1};
  EXPECT_EQ(PopulationStability(none, some), 0);
  EXPECT_EQ(KolmogorovSmirnov(some, none), 0);
  EXPECT_EQ(PopulationStability(some, some), 0);
}

}  // namespace
}  // namespace anabranch

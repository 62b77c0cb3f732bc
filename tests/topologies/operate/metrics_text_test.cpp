#include "topologies/operate/metrics_text.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace anabranch {
namespace {

std::shared_ptr<const CheckedTopology> Checked(const std::string& name) {
  auto plan = std::make_shared<Plan>();
  plan->name = name;
  plan->hash = "abc123abc123";
  plan->nodes.emplace_back().id = "gbt";
  plan->nodes.back().on_record_error = RecordPolicy::kSkip;
  auto checked = std::make_shared<CheckedTopology>();
  checked->plan = std::move(plan);
  return checked;
}

HistogramCounts Counts(std::vector<double> edges, std::vector<int64_t> buckets, double sum) {
  return {std::move(edges), std::move(buckets), sum};
}

LivePipeline::Look LookAt(const std::string& name) {
  LivePipeline::Look look;
  look.state = LivePipeline::State::kRunning;
  look.checked = Checked(name);
  look.measures.sources.push_back({"payments", 10, 500, 1, 2, {{"payments", 0, 8, 10, 2, 1.5}}});
  StageCounts stage;
  stage.id = "gbt";
  stage.kind = "infer";
  stage.rows_in = 20;
  stage.rows_out = 12;
  stage.skipped = 3;
  stage.failed = 8;
  stage.defaulted = 2;
  stage.filtered = 2;
  stage.reasons["model"].count = 8;
  look.run.stages.push_back(stage);
  NodeMeasures node;
  node.id = "gbt";
  node.batch_seconds = Counts({0.001, 1}, {3, 1, 2}, 7.5);
  look.measures.nodes.push_back(node);
  return look;
}

bool Has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

size_t SeriesOf(const std::string& text, const std::string& name) {
  size_t series = 0;
  for (size_t at = text.find("\n" + name); at != std::string::npos; at = text.find("\n" + name, at + 1)) ++series;
  return series;
}

TEST(MetricsText, HasHelpTypeAndLabelsOfEachMetric) {
  const std::string text = MetricsText(LookAt("payments"), {});
  EXPECT_TRUE(Has(text, "# TYPE anabranch_source_records_total counter")) << text;
  EXPECT_TRUE(Has(text, "anabranch_source_records_total{topology=\"payments\",source=\"payments\"} 10")) << text;
  EXPECT_TRUE(Has(text,
                  "anabranch_source_lag_seconds{topology=\"payments\",source=\"payments\",topic=\"payments\","
                  "partition=\"0\"} 1.5"))
      << text;
  EXPECT_TRUE(Has(text, "anabranch_state{topology=\"payments\",state=\"running\"} 1")) << text;
  EXPECT_TRUE(Has(text, "anabranch_state{topology=\"payments\",state=\"failed\"} 0")) << text;
}

TEST(MetricsText, CountsEachRowInOneOutcome) {
  const std::string text = MetricsText(LookAt("p"), {});
  const std::string row = "anabranch_node_rows_total{topology=\"p\",node=\"gbt\",kind=\"infer\",outcome=\"";
  for (const char* const end :
       {"ok\"} 7", "skipped\"} 3", "filtered\"} 2", "failed\"} 6", "missed\"} 0", "defaulted\"} 2"}) {
    EXPECT_TRUE(Has(text, row + end)) << end << "\n" << text;
  }
  EXPECT_TRUE(Has(text, "anabranch_node_failures_total{topology=\"p\",node=\"gbt\",code=\"model\",action=\"skip\"} 8"))
      << text;
}

TEST(MetricsText, HasCumulativeBuckets) {
  const std::string text = MetricsText(LookAt("p"), {});
  const std::string name = "anabranch_node_batch_seconds";
  const std::string labels = "{topology=\"p\",node=\"gbt\"";
  EXPECT_TRUE(Has(text, name + "_bucket" + labels + ",le=\"0.001\"} 3")) << text;
  EXPECT_TRUE(Has(text, name + "_bucket" + labels + ",le=\"1\"} 4")) << text;
  EXPECT_TRUE(Has(text, name + "_bucket" + labels + ",le=\"+Inf\"} 6")) << text;
  EXPECT_TRUE(Has(text, name + "_sum" + labels + "} 7.5")) << text;
  EXPECT_TRUE(Has(text, name + "_count" + labels + "} 6")) << text;
  EXPECT_EQ(text.find("anabranch_model_call_seconds"), std::string::npos) << "no model, no series";
}

TEST(MetricsText, EscapesLabels) {
  LivePipeline::Look look = LookAt("p");
  look.measures.sources[0].partitions[0].topic = "a\"b\\c\n\xff.jsonl";
  EXPECT_NE(MetricsText(look, {}).find("topic=\"a\\\"b\\\\c\\\\n\\\\xff.jsonl\""), std::string::npos)
      << MetricsText(look, {});
}

TEST(MetricsText, HasNoSeriesOfUnknownNumbers) {
  LivePipeline::Look look = LookAt("p");
  look.measures.sources[0].partitions[0] = {.topic = "payments", .partition = 0};
  const std::string text = MetricsText(look, {});
  EXPECT_EQ(text.find("anabranch_source_lag_records"), std::string::npos) << text;
  EXPECT_EQ(text.find("anabranch_source_position"), std::string::npos) << text;
}

TEST(MetricsText, OfVeryManyPartitionsHasOneSeries) {
  LivePipeline::Look look = LookAt("p");
  std::vector<PartitionMeasures>& partitions = look.measures.sources[0].partitions;
  partitions.clear();
  for (int32_t i = 0; i < 513; ++i) partitions.push_back({"t", i, 1, 3, 2, 0.5 * i});
  std::string text = MetricsText(look, {});
  EXPECT_EQ(SeriesOf(text, "anabranch_source_lag_records"), 1u);
  const std::string labels = "{topology=\"p\",source=\"payments\",topic=\"\",partition=";
  EXPECT_TRUE(Has(text, "anabranch_source_lag_records" + labels + "\"sum\"} 1026"));
  EXPECT_TRUE(Has(text, "anabranch_source_lag_seconds" + labels + "\"max\"} 256"));
  partitions.pop_back();
  text = MetricsText(look, {});
  EXPECT_EQ(SeriesOf(text, "anabranch_source_lag_records"), 512u);
}

TEST(MetricsText, CutsTheLastMetricsAndCountsThem) {
  LivePipeline::Look look = LookAt("p");
  NodeMeasures node;
  node.batch_seconds = Counts({0.001, 1}, {3, 1, 2}, 7.5);
  for (int i = 0; i < 2'000; ++i) {
    node.id = "n" + std::to_string(i);
    look.measures.nodes.push_back(node);
  }
  const std::string text = MetricsText(look, {});
  EXPECT_LE(SeriesOf(text, "anabranch_"), kMostSeries + 1);
  EXPECT_GT(SeriesOf(text, "anabranch_"), kMostSeries - 5);
  const size_t at = text.find("\nanabranch_series_dropped{topology=\"p\"} ");
  ASSERT_NE(at, std::string::npos);
  EXPECT_GT(std::stoi(text.substr(text.find("} ", at) + 2)), 5'000);
  EXPECT_TRUE(Has(text, "anabranch_state{topology=\"p\",state=\"running\"} 1"));
  EXPECT_NE(text.find("\nprocess_threads "), std::string::npos);
}

TEST(MetricsText, BeforeTheFirstSessionIsAboutTheProcess) {
  const std::string text = MetricsText({}, {});
  EXPECT_EQ(text.find("anabranch_"), std::string::npos) << text;
  for (const MetricSpec& spec : ProcessMetricCatalogue()) {
    const size_t at = text.find("\n" + std::string(spec.name) + " ");
    ASSERT_NE(at, std::string::npos) << spec.name;
    EXPECT_NE(std::stod(text.substr(text.find(' ', at + 1))), 0) << spec.name;
  }
}

TEST(MetricsText, TellsOfARolloutThatIsUnderWay) {
  LivePipeline::Look look = LookAt("p");
  RolloutSpec spec;
  spec.guards = {{.what = RolloutSpec::Guard::What::kErrors, .limit = 0.01, .size = 0, .per_key = true}};
  Plan plan = *look.checked->plan;
  PlanModel& model = plan.managed.emplace_back();
  model.name = "gbt";
  model.rollout = std::make_shared<const RolloutSpec>(spec);
  const auto checked = std::make_shared<CheckedTopology>();
  checked->plan = std::make_shared<Plan>(std::move(plan));
  look.checked = checked;
  RolloutStatus rollout;
  rollout.model = "gbt";
  rollout.state = RolloutStatus::State::kBreached;
  rollout.step = 2;
  rollout.generation = 3;
  rollout.record.arms = {{"7", "a"}, {"8", "b"}};
  rollout.answered = {95, 5};
  rollout.verdict.guards = {{.state = GuardState::kBreached, .measured = 0.04}};
  look.rollouts = {rollout};
  const std::string text = MetricsText(look, {});
  for (const char* line :
       {R"(anabranch_model_rollout_step{topology="p",model="gbt",state="breached"} 2)",
        R"(anabranch_model_arm_rows_total{topology="p",model="gbt",version="7",arm="serving",generation="3"} 95)",
        R"(anabranch_model_arm_rows_total{topology="p",model="gbt",version="8",arm="candidate",generation="3"} 5)",
        R"(anabranch_model_guard{topology="p",model="gbt",guard="errors"} 0.04)",
        R"(anabranch_model_guard_limit{topology="p",model="gbt",guard="errors"} 0.01)"}) {
    EXPECT_TRUE(Has(text, line)) << line << "\n" << text;
  }
}

TEST(MetricCatalogue, NamesEachMetricOnce) {
  std::set<std::string> names;
  for (const auto* catalogue : {&MetricCatalogue(), &ProcessMetricCatalogue()}) {
    for (const MetricSpec& spec : *catalogue) {
      EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
      EXPECT_EQ(FindMetric(spec.name), &spec);
      EXPECT_EQ(std::string_view(spec.type) == "counter", std::string_view(spec.name).ends_with("_total")) << spec.name;
    }
  }
}

TEST(MetricCatalogue, HasNoLabelWithoutBound) {
  for (const MetricSpec& spec : MetricCatalogue()) {
    for (const std::string& label : LabelsOf(spec)) {
      EXPECT_FALSE(label == "instance" || label == "key" || label == "run" || label == "message") << spec.name;
    }
  }
}

}  // namespace
}  // namespace anabranch

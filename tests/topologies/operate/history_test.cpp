#include "topologies/operate/history.h"

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/testing/manual_clock.h"
#include "tests/topologies/operate/operated_run.h"
#include "topologies/operate/history_store.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;
using Look = LivePipeline::Look;

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMinuteNs = 60 * kSecondNs;

class History : public OperatedRun {
 protected:
  std::string folder() const { return folder_; }

  static void AddStage(std::string id, Look* look) {
    StageCounts stage;
    stage.id = std::move(id);
    look->run.stages.push_back(std::move(stage));
  }
  static Look LookOf(std::vector<std::string> stages) {
    Look look;
    look.state = LivePipeline::State::kRunning;
    for (std::string& stage : stages) AddStage(std::move(stage), &look);
    return look;
  }
  // A minute in which each stage took in `rows`, failed one of them, and was busy half of the time.
  void PassMinute(Look* look, int64_t rows) {
    clock_.Advance(kMinuteNs);
    look->run.elapsed_ns += kMinuteNs;
    look->run.rows_committed += rows;
    for (StageCounts& stage : look->run.stages) {
      stage.rows_in += rows;
      stage.rows_out += rows - 1;
      stage.failed += 1;
      stage.busy_ns += kMinuteNs / 2;
    }
  }
  std::unique_ptr<HistoryReader> Reader() {
    auto reader = HistoryReader::Open(folder(), clock_);
    EXPECT_TRUE(reader.ok()) << reader.status().message();
    return std::move(reader).value();
  }
  Json Runs(int64_t before = 0, int limit = 200) { return Json::parse(*Reader()->Runs(before, limit)); }
  Json Series(const std::string& stage, const std::string& metric, int64_t from = 0) {
    return Json::parse(*Reader()->Series(stage, metric, from == 0 ? clock_.WallMs() - kDayMs : from));
  }
  static RunSummary Failed(const std::string& stage) {
    RunSummary summary;
    summary.status = Status(Code::kStage, "no");
    summary.failure.emplace();
    summary.failure->stage = stage;
    summary.failure->error_class = ErrorClass::kStage;
    summary.failure->message = "pan 4111 is odd";
    return summary;
  }
  int64_t Count(const std::string& sql) {
    auto db = ReadHistory(folder());
    auto statement = (*db)->Prepare(sql);
    EXPECT_TRUE(statement->Step().ok());
    return statement->Integer(0);
  }

  void SetUp() override {
    OperatedRun::SetUp();
    history_ = std::make_unique<HistoryWriter>(folder(), clock_);
  }

  ManualClock clock_;
  std::unique_ptr<HistoryWriter> history_;
};

TEST_F(History, OfNothingSaysSo) {
  const auto reader = HistoryReader::Open(folder());
  EXPECT_EQ(reader.status().code(), Code::kUnavailable);
  EXPECT_NE(reader.status().message().find("no history"), std::string::npos);
}

TEST_F(History, HasARunFromItsBeginning) {
  const Look look = LookOf({"in", "feat"});
  ASSERT_TRUE(history_->Begin(look).ok());
  const Json runs = Runs();
  EXPECT_EQ(runs["total"], 1);
  EXPECT_EQ(runs["stages"], (Json{"in", "feat"}));
  const Json run = runs["runs"][0];
  EXPECT_EQ(run["state"], "running");
  EXPECT_EQ(run["ended"], nullptr);
  EXPECT_EQ(run["parent"], nullptr);
  EXPECT_EQ(run["root"], run["id"]);
  EXPECT_EQ(run["cells"], "..");
  EXPECT_EQ(run["started"], "2023-11-14T22:13:20.000Z");
}

TEST_F(History, HasMinutes) {
  Look look = LookOf({"in"});
  HistogramCounts seconds{.edges = {0.001, 0.01}, .buckets = {0, 0, 0}, .sum = 0};
  look.measures.nodes.resize(1);
  look.measures.nodes[0].id = "in";
  look.measures.nodes[0].batch_seconds = seconds;
  ASSERT_TRUE(history_->Begin(look).ok());
  for (const int rows : {100, 300}) {
    PassMinute(&look, rows);
    look.measures.nodes[0].batch_seconds.buckets[1] += 10;
    ASSERT_TRUE(history_->Note(look).ok());
    ASSERT_TRUE(history_->Note(look).ok());  // in the same minute
  }
  const int64_t first = 1'700'000'000'000 / kMinuteMs * kMinuteMs;
  EXPECT_EQ(Series("in", "rows")["points"], (Json{{first, 100}, {first + kMinuteMs, 300}}));
  EXPECT_EQ(Series("in", "failed")["points"][1][1], 1);
  EXPECT_EQ(Series("in", "busy")["points"][1][1], 0.5);
  EXPECT_NEAR(Series("in", "p50")["points"][1][1].get<double>(), 0.0055, 1e-6);
  EXPECT_EQ(Series("in", "rows")["step"], 60);
  EXPECT_EQ(Series("in", "p99")["unit"], "seconds");
  EXPECT_EQ(Series("other", "rows")["points"], Json::array());
  EXPECT_EQ(Reader()->Series("in", "rows; DROP TABLE run", 0).status().code(), Code::kInvalid);
}

TEST_F(History, AGapInASeriesIsSeen) {
  Look look = LookOf({"in"});
  ASSERT_TRUE(history_->Begin(look).ok());
  PassMinute(&look, 1);
  ASSERT_TRUE(history_->Note(look).ok());
  clock_.Advance(10 * kMinuteNs);
  PassMinute(&look, 1);
  ASSERT_TRUE(history_->End(look, {}, true).ok());
  ASSERT_TRUE(history_->Begin(look).ok());
  clock_.Advance(10 * kMinuteNs);
  PassMinute(&look, 1);
  ASSERT_TRUE(history_->Note(look).ok());
  const Json points = Series("in", "rows")["points"];
  ASSERT_EQ(points.size(), 4u);
  EXPECT_EQ(points[2][1], nullptr);
}

TEST_F(History, TellsHowARunEnded) {
  Look look = LookOf({"in", "gbt", "out"});
  look.run.stages[0].rows_in = 5;
  ASSERT_TRUE(history_->Begin(look).ok());
  ASSERT_TRUE(history_->End(look, {}, true).ok());
  ASSERT_TRUE(history_->Begin(look).ok());
  ASSERT_TRUE(history_->End(look, {}, false).ok());
  clock_.Advance(kSecondNs);
  ASSERT_TRUE(history_->Begin(look).ok());
  look.failure = Failed("gbt").failure;
  clock_.Advance(2 * kSecondNs);
  ASSERT_TRUE(history_->End(look, Failed("gbt"), false).ok());
  const Json runs = Runs()["runs"];
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0]["state"], "failed");
  EXPECT_EQ(runs[0]["stage"], "gbt");
  EXPECT_EQ(runs[0]["cells"], "of.");
  EXPECT_EQ(runs[0]["seconds"], 2);
  EXPECT_EQ(runs.dump().find("4111"), std::string::npos);  // the message may quote a record
  EXPECT_NE(runs[0]["cause"].get<std::string>(), "");
  const std::set<std::string> others = {runs[1]["state"], runs[2]["state"]};
  EXPECT_EQ(others, (std::set<std::string>{"done", "stopped"}));
  // A restart is a child of what failed.
  clock_.Advance(kSecondNs);
  look.failure.reset();
  look.options.start = RunStart::kRestart;
  ASSERT_TRUE(history_->Begin(look).ok());
  const Json child = Runs()["runs"][0];
  EXPECT_EQ(child["parent"], runs[0]["id"]);
  EXPECT_EQ(child["root"], runs[0]["id"]);
}

TEST_F(History, LettersFollowTheGraph) {
  Check(R"("id": {"type": "string"}, "a": {"type": "number"})",
        R"("one": {"kind": "transform", "inputs": ["in"], "set": {"b": "a + 1"}},
           "two": {"kind": "transform", "inputs": ["one"], "set": {"c": "b + 1"}},
           "out": {"kind": "persist", "inputs": ["two"], "to": {"file": {"path": "o"}}, "fields": ["c"]})");
  const auto checked = std::make_shared<const CheckedTopology>(std::move(checked_));
  Look look = LookOf({"in", "one", "two", "out"});
  look.checked = checked;
  ASSERT_TRUE(history_->Begin(look).ok());
  for (int i = 0; i < 3; ++i) look.run.stages[static_cast<size_t>(i)].rows_in = 5;
  look.run.stages[1].dead_lettered = 1;
  look.failure = Failed("two").failure;
  ASSERT_TRUE(history_->End(look, Failed("two"), false).ok());
  EXPECT_EQ(Runs()["runs"][0]["cells"], "odfs");
  EXPECT_EQ(Runs()["runs"][0]["hash"], checked->plan->hash);
  Look again = LookOf({"in", "one", "two", "out"});
  again.checked = checked;
  again.options.start = RunStart::kRestart;
  clock_.Advance(kSecondNs);
  ASSERT_TRUE(history_->Begin(again).ok());
  again.run.stages[2].rows_in = again.run.stages[3].rows_in = 5;
  ASSERT_TRUE(history_->End(again, {}, true).ok());
  EXPECT_EQ(Runs()["runs"][0]["cells"], "rrcc");  // reused above, computed again from the failed stage on
}

TEST_F(History, AProcessThatDiedIsSeenByTheNext) {
  Look look = LookOf({"in"});
  ASSERT_TRUE(history_->Begin(look).ok());
  PassMinute(&look, 5);
  ASSERT_TRUE(history_->Note(look).ok());
  history_ = std::make_unique<HistoryWriter>(folder(), clock_);
  clock_.Advance(60 * kMinuteNs);
  ASSERT_TRUE(history_->Begin(look).ok());
  const Json lost = Runs()["runs"][1];
  EXPECT_EQ(lost["state"], "failed");
  EXPECT_NE(lost["cause"].get<std::string>().find("killed"), std::string::npos);
  EXPECT_EQ(lost["seconds"], 60);
}

TEST_F(History, TellsAllOfOneRun) {
  Look look = LookOf({"in", "feat"});
  look.measures.sources.resize(1);
  look.measures.sources[0].id = "in";
  look.measures.sources[0].partitions = {{.topic = "payments", .partition = 3, .next = 12}};
  ASSERT_TRUE(history_->Begin(look).ok());
  for (int i = 0; i < 20; ++i) {
    PassMinute(&look, 10);
    ASSERT_TRUE(history_->Note(look).ok());
  }
  ASSERT_TRUE(history_->End(look, {}, true).ok());
  const std::string id = Runs()["runs"][0]["id"];
  const Json run = Json::parse(*Reader()->Run(id));
  EXPECT_EQ(run["run"]["id"], id);
  EXPECT_EQ(run["stages"]["feat"]["rows_in"], 200);
  EXPECT_EQ(run["stages"]["feat"]["failed"], 20);
  EXPECT_EQ(run["stages"]["feat"]["seconds"], 600);
  EXPECT_EQ(run["positions"], (Json{{"in", {{"payments/3", 12}}}}));
  int64_t rows = 0;
  for (const Json& slot : run["minutes"]) rows += slot["rows"].get<int64_t>();
  EXPECT_EQ(rows, 200);
  EXPECT_LE(run["minutes"].size(), 3u);  // quarters of an hour
  EXPECT_EQ(Reader()->Run("none").status().code(), Code::kInvalid);
}

TEST_F(History, StagesOfOlderRunsAreThere) {
  Look look = LookOf({"in", "old"});
  look.run.stages[1].rows_in = 1;
  ASSERT_TRUE(history_->Begin(look).ok());
  ASSERT_TRUE(history_->End(look, {}, true).ok());
  clock_.Advance(kSecondNs);
  Look newer = LookOf({"in", "new"});
  newer.run.stages[0].rows_in = 1;
  ASSERT_TRUE(history_->Begin(newer).ok());
  ASSERT_TRUE(history_->End(newer, {}, true).ok());
  const Json runs = Runs();
  EXPECT_EQ(runs["stages"], (Json{"in", "new", "old"}));
  EXPECT_EQ(runs["runs"][0]["cells"], "o..");
  EXPECT_EQ(runs["runs"][1]["cells"], "..o");
}

TEST_F(History, KeepsSevenDaysOfMinutesAndNinetyOfHours) {
  Look look = LookOf({"in"});
  ASSERT_TRUE(history_->Begin(look).ok());
  PassMinute(&look, 10);
  ASSERT_TRUE(history_->Note(look).ok());
  PassMinute(&look, 20);
  ASSERT_TRUE(history_->Note(look).ok());
  const int64_t begin = clock_.WallMs();
  clock_.Advance(8 * 24 * 60 * kMinuteNs);
  ASSERT_TRUE(history_->Note(look).ok());  // writes the third minute, then trims
  EXPECT_EQ(Count("SELECT count(*) FROM minute"), 0);
  const Json hours = Series("in", "rows", begin - kDayMs);
  EXPECT_EQ(hours["step"], 3600);
  ASSERT_GE(hours["points"].size(), 1u);
  EXPECT_EQ(hours["points"][0][1], 30);
  clock_.Advance(83LL * 24 * 60 * kMinuteNs);
  ASSERT_TRUE(history_->Note(look).ok());
  EXPECT_LE(Count("SELECT count(*) FROM hour"), 1);
}

class Filled : public History {
 protected:
  // Rows as the writer makes them, many at once.
  void Fill(int runs, int stages, int minutes) {
    Look look = LookOf({});
    for (int i = 0; i < stages; ++i) AddStage("stage_" + std::to_string(i), &look);
    ASSERT_TRUE(history_->Begin(look).ok());
    PassMinute(&look, 10);
    ASSERT_TRUE(history_->End(look, {}, true).ok());
    auto db = SqliteDatabase::Open(HistoryPath(folder()), SqliteDatabase::Mode::kReadWrite, 1000);
    ASSERT_TRUE(db.ok());
    const std::string n = std::to_string(runs - 1), m = std::to_string(minutes);
    const Status filled = (*db)->Execute(
        "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + n +
        ") INSERT INTO run SELECT 'r' || i, NULL, 'r' || i, started - i * 60000, seen - i * 60000, ended - i * 60000, "
        "state, cause, stage, hash, version, records, layout, cells, positions FROM run, n WHERE id NOT LIKE 'r%';"
        "INSERT INTO run_stage SELECT r.id, position, s.stage, rows_in, rows_out, failed, skipped, dead_lettered, "
        "seconds FROM run_stage s, run r WHERE r.id LIKE 'r%';"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        m + ") INSERT INTO minute SELECT stage, t - i * 60000, rows, failed, busy, p50, p99 FROM minute, n; COMMIT");
    ASSERT_TRUE(filled.ok()) << filled.message();
  }
};

TEST_F(Filled, TheGridCostsWhatIsAskedFor) {
  Fill(10'000, 50, 10);
  EXPECT_EQ(Count("SELECT count(*) FROM run_stage"), 500'000);
  const auto reader = Reader();
  (void)reader->Runs(0, 200);
  const auto begin = std::chrono::steady_clock::now();
  const Result<std::string> text = reader->Runs(0, 200);
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  ASSERT_TRUE(text.ok()) << text.status().message();
  RecordProperty("runs_ms", std::to_string(ms));
  std::printf("200 of 10000 runs of 50 stages: %.1f ms, %zu bytes\n", ms, text->size());
  EXPECT_LT(ms, 100);
  EXPECT_LT(text->size(), 100'000u);
  EXPECT_EQ(Json::parse(*text)["runs"].size(), 200u);
  EXPECT_EQ(Json::parse(*text)["total"], 10'000);
}

TEST_F(Filled, KeepsTenThousandRuns) {
  Fill(10'050, 2, 1);
  Look look = LookOf({"stage_0", "stage_1"});
  clock_.Advance(kMinuteNs);
  ASSERT_TRUE(history_->Begin(look).ok());
  EXPECT_EQ(Runs(0, 1)["total"], 10'000);
  EXPECT_EQ(Count("SELECT count(*) FROM run_stage WHERE run NOT IN (SELECT id FROM run)"), 0);
  EXPECT_EQ(Runs(0, 1)["runs"][0]["state"], "running");
}

TEST_F(Filled, StaysBelowItsSize) {
  Fill(2000, 100, 10'000);  // a million minutes
  EXPECT_GT(std::filesystem::file_size(HistoryPath(folder())), size_t(kMostHistoryBytes) * 3 / 4);
  Look look = LookOf({"stage_0"});
  const Status begun = history_->Begin(look);
  ASSERT_TRUE(begun.ok()) << begun.message();
  EXPECT_LE(std::filesystem::file_size(HistoryPath(folder())), size_t(kMostHistoryBytes));
  EXPECT_GT(Count("SELECT count(*) FROM minute"), 0);
  EXPECT_EQ(Runs(0, 1)["total"], 2001);
}

TEST_F(History, ADamagedOneIsMovedAsideWithOneWarning) {
  std::ofstream(HistoryPath(folder())) << std::string(8192, 'x');
  Look look = LookOf({"in"});
  const Status told = history_->Begin(look);
  EXPECT_EQ(told.code(), Code::kInternal);
  EXPECT_NE(told.message().find(".damaged"), std::string::npos) << told.message();
  EXPECT_TRUE(std::filesystem::exists(HistoryPath(folder()) + ".damaged"));
  PassMinute(&look, 5);
  EXPECT_TRUE(history_->Note(look).ok());
  EXPECT_EQ(Series("in", "rows")["points"].size(), 1u);
}

TEST_F(History, ALockedOneIsSkippedWithOneWarning) {
  Look look = LookOf({"in"});
  ASSERT_TRUE(history_->Begin(look).ok());
  auto other = SqliteDatabase::Open(HistoryPath(folder()), SqliteDatabase::Mode::kReadWrite, 100);
  ASSERT_TRUE((*other)->Execute("BEGIN IMMEDIATE").ok());
  PassMinute(&look, 5);
  const Status told = history_->Note(look);
  EXPECT_EQ(told.code(), Code::kRetry);
  EXPECT_NE(told.message().find("the run goes on"), std::string::npos) << told.message();
  PassMinute(&look, 5);
  EXPECT_TRUE(history_->Note(look).ok());  // said once
  ASSERT_TRUE((*other)->Execute("ROLLBACK").ok());
  PassMinute(&look, 5);
  EXPECT_TRUE(history_->Note(look).ok());
  const Json points = Series("in", "rows")["points"];
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0][1], 15);  // nothing is lost but the minutes' boundaries
}

TEST_F(History, AFullDiskIsSkippedWithOneWarning) {
  Look look = LookOf({"in"});
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit none{4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const Status told = history_->Begin(look);
  const Status again = history_->End(look, {}, true);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old);
  EXPECT_FALSE(told.ok());
  EXPECT_TRUE(again.ok()) << again.message();
  ASSERT_TRUE(history_->Begin(look).ok());
  EXPECT_EQ(Runs()["total"], 1);
}

TEST_F(History, AFolderThatIsGoneHarmsNothing) {
  HistoryWriter nowhere("/nonexistent/state", clock_);
  const Look look = LookOf({"in"});
  EXPECT_FALSE(nowhere.Begin(look).ok());
  EXPECT_TRUE(nowhere.End(look, {}, true).ok());
}

TEST_F(History, IsReadWhileItIsWritten) {
  Look look = LookOf({"in"});
  ASSERT_TRUE(history_->Begin(look).ok());
  const auto reader = Reader();
  PassMinute(&look, 5);
  ASSERT_TRUE(history_->Note(look).ok());
  EXPECT_EQ(Json::parse(*reader->Runs(0, 1))["runs"][0]["records"], 5);
  PassMinute(&look, 5);
  ASSERT_TRUE(history_->Note(look).ok());
  EXPECT_EQ(Json::parse(*reader->Runs(0, 1))["runs"][0]["records"], 10);
}

}  // namespace
}  // namespace anabranch

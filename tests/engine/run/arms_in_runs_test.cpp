// Two arms in a run: what is counted of them is what was committed, and what the unseen one does costs no row.
#include <signal.h>

#include <set>

#include "engine/arm_scores.h"
#include "engine/strategy/arm_counts.h"
#include "engine/strategy/arm_rules.h"
#include "tests/engine/run/switch_runs.h"

namespace anabranch {
namespace {

constexpr int64_t kNumbers = 460;  // of all rows

class ArmsTest : public SwitchesTest {
 protected:
  ArmsTest() {
    generations.rules = [](GenerationId generation) -> std::shared_ptr<const ArmRules> {
      if (RuleOf(generation) == ArmRule::kOne) return nullptr;
      auto rules = std::make_shared<ArmRules>();
      rules->compare.outputs = {{.name = "number"}};
      for (int64_t i = 1; i < kNumbers; ++i) {
        rules->compare.outputs[0].edges.push_back(static_cast<double>(i) - 0.5);
      }
      rules->guards = {{RolloutSpec::Guard::What::kErrors, 0.01}};
      return rules;
    };
    generations.counted = [this](GenerationId generation, const ArmCounts& counts) { Note(generation, counts); };
  }

  static ArmRule RuleOf(GenerationId generation) {
    const ArmRule rules[] = {ArmRule::kOne, ArmRule::kShadow, ArmRule::kCanary};
    return rules[generation % 3];
  }
  // Each row has a number of its own.
  static int64_t NumberOf(const SourcePartition& partition, int64_t offset) {
    constexpr int64_t kFirst[] = {0, 300, 420, 420};
    return kFirst[partition.partition] + offset;
  }
  static bool Draws(GenerationId generation, int64_t number) {
    return (static_cast<uint64_t>(number) * 2654435761U + generation) % 4 != 0;
  }
  static bool CandidateFails(int64_t number) { return number % 5 == 0; }

  // A canary answers in its call; a shadow scores afterwards.
  class ArmedNode : public Node {
   public:
    ArmedNode(ArmsTest& test, std::unique_ptr<Node> serving) : test_(test), serving_(std::move(serving)) {}
    Status Process(const NodeRun& run) override {
      test_.within(run.batch);
      RETURN_IF_ERROR(serving_->Process(run));
      Column& column = run.batch.columns[0];
      column.Reset(Type::Scalar(Kind::kFloat64), run.batch.rows());
      std::ranges::fill(column.states(), kValid);
      for (uint32_t row = 0; row < run.batch.rows(); ++row) {
        column.values<double>()[row] = static_cast<double>(Number(run.batch, row));
      }
      Score(run.batch, run.stage, ArmRule::kCanary);
      return Status::Ok();
    }
    Status AfterHandOver(const NodeRun& run) override {
      ++test_.unseen;
      RETURN_IF_ERROR(test_.after(run.batch));
      Score(run.batch, run.stage, ArmRule::kShadow);
      return Status::Ok();
    }
    bool works_after() const override { return test_.shadows; }

   private:
    static int64_t Number(const RecordBatch& batch, uint32_t row) {
      return NumberOf(batch.partitions->at(batch.partition[row]), batch.offset[row]);
    }
    void Score(RecordBatch& batch, StageId stage, ArmRule rule) const {
      std::map<GenerationId, std::shared_ptr<ArmScores>> scores;
      for (uint32_t row = 0; row < batch.rows(); ++row) {
        const auto of = std::ranges::find(batch.positions, batch.partition[row], &PositionRange::partition);
        const GenerationId generation = of->scoring.At(batch.offset[row]);
        if (RuleOf(generation) != rule) continue;
        std::shared_ptr<ArmScores>& arms = scores[generation];
        if (arms == nullptr) arms = Empty(generation, batch.rows());
        const int64_t number = Number(batch, row);
        const bool drawn = Draws(generation, number), fails = CandidateFails(number);
        arms->drawn[row] = drawn ? 1 : 0;
        arms->answered[row] = rule == ArmRule::kCanary && drawn && !fails ? 1 : 0;
        arms->paired[row] = drawn ? 1 : 0;
        arms->other_outcome[row] = arms->answered[row] == 0 && fails ? Outcome::kFailed : Outcome::kOk;
        arms->other[0].values<double>()[row] = static_cast<double>(number);
      }
      for (auto& [generation, arms] : scores) batch.stages[stage].arms.push_back(std::move(arms));
    }
    static std::shared_ptr<ArmScores> Empty(GenerationId generation, uint32_t rows) {
      auto arms = std::make_shared<ArmScores>();
      arms->generation = generation;
      arms->drawn.assign(rows, ArmScores::kNoArm);
      arms->answered.assign(rows, 0);
      arms->paired.assign(rows, 0);
      arms->other_outcome.assign(rows, Outcome::kOk);
      arms->columns = {ColumnId{0}};
      arms->other.resize(1);
      arms->other[0].Reset(Type::Scalar(Kind::kFloat64), rows);
      std::ranges::fill(arms->other[0].states(), kValid);
      return arms;
    }

    ArmsTest& test_;
    const std::unique_ptr<Node> serving_;
  };

  std::shared_ptr<const NodeProgram> Managed(std::shared_ptr<const NodeProgram> node) override {
    class ArmedProgram : public VersionedProgram {
     public:
      ArmedProgram(ArmsTest& test, std::shared_ptr<const NodeProgram> serving)
          : VersionedProgram(std::move(serving)), test_(test) {}
      Result<std::unique_ptr<Node>> Open() const override {
        ASSIGN_OR_RETURN(auto opened, VersionedProgram::Open());
        return std::unique_ptr<Node>(std::make_unique<ArmedNode>(test_, std::move(opened)));
      }

     private:
      ArmsTest& test_;
    };
    plan.plan().columns = {{"number", Type::Scalar(Kind::kFloat64), "score"}};
    return std::make_shared<ArmedProgram>(*this, std::move(node));
  }

  // Writer threads.
  void Note(GenerationId generation, const ArmCounts& counts) {
    {
      const MutexLock lock(outside.mutex);
      const std::vector<int64_t> bins = counts.compare.Total().outputs[0].a_bins;
      for (const auto& [unit, rows] : outside.units) {
        std::set<int64_t> there;
        for (const auto& [row, value] : rows.rows) there.insert(NumberOf(row.first, row.second));
        for (int64_t number = 0; number < kNumbers; ++number) {
          early += bins[static_cast<size_t>(number)] > 0 && !there.contains(number);
        }
      }
    }
    const MutexLock lock(mutex);
    const auto known = sums.find(generation);
    if (known == sums.end()) {
      sums.emplace(generation, counts);
    } else {
      EXPECT_TRUE(known->second.Add(counts).ok());
    }
  }

  struct Expected {
    std::vector<int64_t> drawn{0, 0}, answered{0, 0};
    int64_t paired = 0, failed = 0;
    std::set<int64_t> numbers;
  };
  // What the committed rows, by the generation that their results name, and the rule of the draw say.
  std::map<GenerationId, Expected> Independently() {
    std::map<GenerationId, Expected> expected;
    const MutexLock lock(outside.mutex);
    for (const auto& [row, value] : outside.units["a"].rows) {
      const auto generation = GenerationId(static_cast<uint32_t>(std::stoul(value)));
      if (RuleOf(generation) == ArmRule::kOne) continue;
      const int64_t number = NumberOf(row.first, row.second);
      const bool drawn = Draws(generation, number), fails = CandidateFails(number);
      Expected& each = expected[generation];
      each.drawn[drawn] += 1;
      each.answered[drawn && !fails && RuleOf(generation) == ArmRule::kCanary] += 1;
      if (!drawn) continue;
      each.paired += 1;
      each.failed += fails;
      each.numbers.insert(number);
    }
    return expected;
  }
  // Every committed row at most once, and no other one; `all`: exactly once.
  void ExpectCommittedRowsOnly(bool all) {
    const MutexLock lock(mutex);
    EXPECT_EQ(early, 0) << "rows were counted before they were durable in every target";
    std::map<GenerationId, Expected> expected = Independently();
    int64_t counted = 0, committed = 0;
    for (const auto& [generation, counts] : sums) {
      SCOPED_TRACE("generation " + std::to_string(generation));
      const Expected& most = expected[generation];
      const std::vector<int64_t> bins = counts.compare.Total().outputs[0].a_bins;
      for (int64_t number = 0; number < kNumbers; ++number) {
        EXPECT_LE(bins[static_cast<size_t>(number)], most.numbers.contains(number) ? 1 : 0) << "row " << number;
      }
      for (const size_t arm : {0U, 1U}) {
        EXPECT_LE(counts.drawn[arm], most.drawn[arm]);
        EXPECT_LE(counts.answered[arm], most.answered[arm]);
      }
      EXPECT_LE(counts.compare.Total().only_b_failed, most.failed);
      EXPECT_EQ(counts.guards[0].rows, counts.paired());
      EXPECT_EQ(counts.guards[0].events, counts.compare.Total().only_b_failed);
      counted += counts.paired() + counts.rows() + counts.answered[1] + counts.guards[0].events;
    }
    for (const auto& [generation, each] : expected) {
      committed += each.paired + each.drawn[0] + each.drawn[1] + each.answered[1] + each.failed;
    }
    EXPECT_LE(counted, committed);
    if (all) {
      EXPECT_EQ(counted, committed);
    }
    EXPECT_GT(counted, committed / 3) << "most are counted";
  }

  void BeginAnew() {
    outside.units.clear();
    outside.group = {};
    std::filesystem::remove_all(options.state_dir);
  }
  // A run that dies where the unseen arm, or else the node, scores row `offset`; it starts anew.
  int DieAt(int64_t offset, bool in_unseen_arm = true) {
    return SignalOf([&] {
      const auto die = [offset](const RecordBatch& batch) {
        if (Holds(batch, offset)) kill(getpid(), SIGKILL);
      };
      if (!in_unseen_arm) within = die;
      if (in_unseen_arm) after = [die](const RecordBatch& batch) { return die(batch), Status::Ok(); };
      (void)RunOnce();
    });
  }

  std::function<void(const RecordBatch&)> within = [](const RecordBatch&) {};
  std::function<Status(const RecordBatch&)> after = [](const RecordBatch&) { return Status::Ok(); };
  std::atomic<bool> shadows{true};
  std::atomic<int> unseen{0};
  Mutex mutex;
  std::map<GenerationId, ArmCounts> sums;
  int early = 0;
};

TEST_F(ArmsTest, AreCountedOnceWithTheRowsThatAreCommitted) {
  outside.records = {300, 120, 0, 40};
  Build();
  for (int i = 0; i < 4; ++i) generations.Activate({{Outside::Named(0), 100}});
  ASSERT_EQ(RuleOf(generations.active()), ArmRule::kShadow);
  outside.poll = [&, polls = 0]() mutable -> std::optional<SourceEvent> {
    if (++polls % 20 == 0 && generations.active() < 8) generations.Activate();
    return std::nullopt;
  };
  ASSERT_TRUE(RunOnce().status.ok());
  ExpectOneGenerationPerRecord();
  ASSERT_GE(sums.size(), 2U);
  ExpectCommittedRowsOnly(true);
}

TEST_F(ArmsTest, AnUnseenArmChangesNoByteOfTheResults) {
  outside.records = {200, 50};
  Build();
  generations.Activate();
  std::map<std::string, Outside::Unit> units[2];
  for (const bool with : {false, true}) {
    shadows = with;
    BeginAnew();
    const RunSummary run = RunOnce();
    ASSERT_TRUE(run.status.ok()) << run.status.message();
    units[with] = outside.units;
  }
  EXPECT_GT(unseen, 10);
  ASSERT_EQ(units[0]["a"].rows.size(), 250U);
  for (const char* unit : {"a", "b"}) EXPECT_EQ(units[0][unit].rows, units[1][unit].rows);
  EXPECT_EQ(sums.at(GenerationId{1}).rows(), 250);
}

TEST_F(ArmsTest, WhatTheUnseenArmCannotDoCostsNoRow) {
  outside.records = {200};
  Build();
  generations.Activate();
  std::vector<std::string> warnings;
  observer.warn = [&](const std::string& line) { warnings.push_back(line); };
  int calls = 0;
  after = [&](const RecordBatch&) -> Status {
    if (++calls % 2 == 0) throw std::runtime_error("no memory");
    return calls % 4 == 1 ? Status(Code::kInternal, "the session is gone") : Status::Ok();
  };
  ASSERT_TRUE(RunOnce().status.ok());
  ExpectOneGenerationPerRecord();
  EXPECT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings.at(0).find("node \"score\": the session is gone"), std::string::npos) << warnings.at(0);
  EXPECT_GT(sums.begin()->second.rows(), 0);
  EXPECT_LT(sums.begin()->second.rows(), 150);
}

TEST_F(ArmsTest, UnseenWorkIsTimeOfItsNode) {
  outside.records = {8};
  Build();
  generations.Activate();
  after = [](const RecordBatch&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return Status::Ok();
  };
  ASSERT_TRUE(RunOnce().status.ok());
  int64_t busy = 0;
  for (const LaneShare& share : measures.lanes.at(0).shares) {
    if (share.state == LaneState::kBusy && share.by == "score") busy += share.ns;
  }
  EXPECT_GE(busy, 55'000'000);
}

TEST_F(ArmsTest, AnUnseenArmThatKillsTheProcessIsGivenUpAtTheThirdTime) {
  outside.records = {80};
  Build();
  generations.Activate();
  std::vector<std::string> asked, warnings;
  generations.give_up = [&](const std::string& why) {
    asked.push_back(why);
    shadows = false;
    return true;
  };
  observer.warn = [&](const std::string& line) { warnings.push_back(line); };
  for (const int64_t offset : {9, 30, 60}) ASSERT_EQ(DieAt(offset), SIGKILL) << "anywhere in the input";
  const RunSummary run = RunOnce();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_NE(asked[0].find("died 3 times in a row while stage \"score\" worked on the records from topic/0/"),
            std::string::npos)
      << asked[0];
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("is rolled back, and the run goes on"), std::string::npos) << warnings[0];
  ExpectOneGenerationPerRecord();

  // Its crashes are forgotten: the next one is the first.
  shadows = true;
  outside.records = {160};
  ASSERT_EQ(DieAt(100), SIGKILL);
  ASSERT_TRUE(RunOnce().status.ok());
  EXPECT_EQ(asked.size(), 1U);
  EXPECT_NE(warnings.at(1).find("It was time 1 in a row; after 3 the new version of its model is rolled back"),
            std::string::npos)
      << warnings[1];
}

TEST_F(ArmsTest, KillsFromOutsideGiveNoCandidateUp) {
  outside.records = {80};
  Build();
  generations.Activate();
  int asked = 0;
  generations.give_up = [&](const std::string&) { return ++asked > 0; };
  for (const int64_t offset : {9, 30, 60}) ASSERT_EQ(DieAt(offset, false), SIGKILL);
  ASSERT_TRUE(RunOnce().status.ok());
  EXPECT_EQ(asked, 0) << "the node was hit at three places";

  BeginAnew();
  for (int i = 0; i < 2; ++i) ASSERT_EQ(DieAt(9, false), SIGKILL);
  ASSERT_EQ(DieAt(9), SIGKILL);
  ASSERT_TRUE(RunOnce().status.ok());
  EXPECT_EQ(asked, 0) << "what the unseen arm does counts apart";

  BeginAnew();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(DieAt(9, false), SIGKILL);
  ASSERT_TRUE(RunOnce().status.ok()) << "the candidate is given up before the stage fails";
  EXPECT_EQ(asked, 1);
}

TEST_F(ArmsTest, WithoutACandidateOnlyCrashesAtOnePlaceStopTheStage) {
  outside.records = {80};
  Build();
  generations.Activate();
  for (const int64_t offset : {9, 30, 60}) ASSERT_EQ(DieAt(offset), SIGKILL);
  ASSERT_TRUE(RunOnce().status.ok());
  BeginAnew();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(DieAt(9), SIGKILL);
  const RunSummary run = RunOnce();
  EXPECT_EQ(run.status.code(), Code::kStage);
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->stage, "score");
}

TEST_F(ArmsTest, ACandidateThatCannotBeGivenUpStopsTheStageOrTheStart) {
  outside.records = {80};
  Build();
  generations.Activate();
  Result<bool> answer = Status(Code::kUnavailable, "the log is away");
  generations.give_up = [&](const std::string&) { return answer; };
  for (int i = 0; i < 3; ++i) ASSERT_EQ(DieAt(9), SIGKILL);
  EXPECT_EQ(RunOnce().status.code(), Code::kUnavailable);
  ASSERT_TRUE(RunOnce().status.ok()) << "it was not the stage";
  BeginAnew();
  answer = false;
  for (int i = 0; i < 3; ++i) ASSERT_EQ(DieAt(9), SIGKILL);
  const RunSummary run = RunOnce();
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->stage, "score");
}

// The process ends, and the next one counts it as a crash: nobody has to restart a stage.
TEST_F(ArmsTest, AnUnseenArmThatNeverReturnsEndsTheProcessAndIsGivenUpAtTheThirdTime) {
  static const FastClock fast;
  outside.records = {80};
  Build();
  plan.plan().nodes[0].timeout_ns = 100'000'000;
  generations.Activate();
  std::vector<std::string> warnings;
  int given_up = 0;
  generations.give_up = [&](const std::string&) {
    shadows = false;
    return ++given_up > 0;
  };
  observer.warn = [&](const std::string& line) { warnings.push_back(line); };
  for (int i = 0; i < 3; ++i) {
    int fd[2];
    ASSERT_EQ(pipe(fd), 0);
    const int signal = SignalOf([&] {
      options.clock = &fast;
      after = [](const RecordBatch& batch) {
        while (Holds(batch, 30)) pause();
        return Status::Ok();
      };
      CancelToken token;
      Pipeline pipeline(plan.plan(), registry, options, observer, &token);
      generations.Restart();
      if (!pipeline.Start().ok()) _exit(1);
      while (!pipeline.Wait(std::chrono::seconds(1))) {
      }
      const RunSummary run = pipeline.Finish();
      const std::string told = (run.stuck && !run.failure ? "stuck " : "no ") + run.status.message();
      _exit(write(fd[1], told.data(), told.size()) > 0 ? 0 : 1);
    });
    ASSERT_EQ(signal, 0);
    char text[500];
    const ssize_t size = read(fd[0], text, sizeof text);
    for (const int each : fd) close(each);
    ASSERT_GT(size, 0);
    EXPECT_EQ(std::string_view(text, static_cast<size_t>(size)).substr(0, 21), "stuck node \"score\": a")
        << std::string_view(text, static_cast<size_t>(size));
  }
  const RunSummary run = RunOnce();
  ASSERT_TRUE(run.status.ok()) << run.status.message();
  EXPECT_EQ(given_up, 1);
  ExpectOneGenerationPerRecord();
}

class ArmsInRandomRuns : public ArmsTest, public ::testing::WithParamInterface<uint64_t> {};

TEST_P(ArmsInRandomRuns, ThatDieNeverCountMoreThanIsCommitted) {
  RunAtRandom(GetParam());
  ExpectOneGenerationPerRecord();
  ExpectCommittedRowsOnly(false);
}

TEST_P(ArmsInRandomRuns, ThatLoseTheirPartitionsCountAllThatIsCommitted) {
  RunAtRandom(GetParam(), false);
  ExpectOneGenerationPerRecord();
  ExpectCommittedRowsOnly(true);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ArmsInRandomRuns, ::testing::Range<uint64_t>(9, 17));

}  // namespace
}  // namespace anabranch

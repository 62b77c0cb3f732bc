// What a dead letter says, and how it enters the plan again.
#include "engine/run/dead_letter.h"

#include "engine/keep/kept_batch.h"
#include "engine/run/replay.h"
#include "tests/engine/run/worker_fixture.h"

namespace anabranch {
namespace {

constexpr int64_t kLetterBytes = 1000;

// Dead letters as one worker encoded them, given back as a file would: a letter's position is its first byte.
class EncodedLetters : public SourceProgram {
 public:
  explicit EncodedLetters(EncodedRows rows) : rows_(std::move(rows)) {}
  int Lanes(int) const override { return 1; }
  bool bounded() const override { return true; }
  std::string Describe() const override { return "letters"; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    return std::unique_ptr<Source>(std::make_unique<Reader>(rows_, lane.partitions));
  }

 private:
  class Reader : public Source {
   public:
    Reader(const EncodedRows& rows, SourceTable* table)
        : rows_(rows), table_(*table), partition_(*table->Find({"letters", 0})) {}
    Status Open() override { return Status::Ok(); }
    Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits& limits, int64_t) override {
      if (next_ == rows_.rows.size()) return SourceEvent::kEnd;
      batch.partitions = &table_;
      const auto first = static_cast<int64_t>(next_) * kLetterBytes;
      for (; next_ < rows_.rows.size() && batch.rows() < limits.max_rows; ++next_) {
        const EncodedRows::Row& row = rows_.rows[next_];
        rows_.ForEachHeader(row, [&](std::string_view n, std::string_view v) { batch.headers.push_back({n, v}); });
        const bool has_key = row.key_size != EncodedRows::kNone;
        batch.AddRow(partition_, static_cast<int64_t>(next_) * kLetterBytes, row.timestamp_ms,
                     has_key ? rows_.key(row) : std::string_view(), has_key, rows_.value(row));
      }
      batch.positions = {{partition_, first, static_cast<int64_t>(next_) * kLetterBytes}};
      return SourceEvent::kRows;
    }
    std::vector<PartitionId> partitions() const override { return {partition_}; }
    Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId>) override {
      return std::vector<int64_t>{kNoPosition};
    }
    Status Assign(std::span<const PartitionId>, std::span<const int64_t>) override { return Status::Ok(); }
    Status Release() override { return Status::Ok(); }
    Status CommitPositions(std::span<const PositionRange>) override { return Status::Ok(); }
    void Close() override {}

   private:
    const EncodedRows& rows_;
    SourceTable& table_;
    const PartitionId partition_;
    size_t next_ = 0;
  };
  const EncodedRows rows_;
};

// in → upper → {score (fails row 1), other (may fail it too)} → both → out; `side` is written from upper.
class DeadLetters : public WorkerTest {
 protected:
  void Make() {
    const StageId in = plan.Source(input);
    upper = plan.Node("upper", {in}, [this](const NodeRun&) {
      ++upper_calls;
      return Status::Ok();
    });
    side = plan.Persist("side", {upper}, beside);
    score = plan.Node("score", {upper}, [this](const NodeRun& run) {
      ++score_calls;
      if (score_calls <= transient) return Status(Code::kRetry, "not now");
      for (uint32_t row = 0; row < run.batch.rows(); ++row) {
        if (score_fails && run.batch.offset[row] == 1) run.FailRow(row, "model", "it does not like it");
      }
      return Status::Ok();
    });
    other = plan.Node("other", {upper}, [this](const NodeRun& run) {
      for (uint32_t row = 0; row < run.batch.rows(); ++row) {
        if (other_fails && run.batch.offset[row] == 1) run.FailRow(row, "model", "nor does this");
      }
      return Status::Ok();
    });
    both = plan.Node("both", {score, other}, [](const NodeRun&) { return Status::Ok(); });
    out = plan.Persist("out", {both}, output);
    plan.node(score).retry_backoff_ns = 1;
    worker = Open();
  }

  // Runs rows 0 to 2 and takes the dead letters of it.
  void Fail() {
    RecordBatch batch;
    Fill(&batch, 0, 3);
    ASSERT_TRUE(worker->Run(batch, nullptr).ok());
    letters = WorkerTest::DeadLetters(batch);
  }

  // Replays `letters` by `filter`: what left, batch by batch.
  std::vector<std::unique_ptr<RecordBatch>> Replay(const LetterFilter& filter) {
    const auto program = MakeReplay(plan.plan(), std::make_shared<EncodedLetters>(letters), filter);
    LaneContext lane;
    lane.partitions = &partitions;
    auto source = program->OpenLane(lane);
    std::vector<std::unique_ptr<RecordBatch>> batches;
    while (source.ok()) {
      auto batch = std::make_unique<RecordBatch>();
      batch->Clear(plan.plan().columns.size(), plan.plan().stages());
      const auto event = (*source)->Poll(*batch, {}, 0);
      EXPECT_TRUE(event.ok());
      if (!event.ok() || *event != SourceEvent::kRows) break;
      const Status ran = worker->Run(*batch, nullptr);
      EXPECT_TRUE(ran.ok()) << ran.message();
      batches.push_back(std::move(batch));
    }
    return batches;
  }

  static void AppendRow(const EncodedRows& from, size_t i, EncodedRows* to) {
    EncodedRows::Row row = from.rows[i];
    const auto shift = static_cast<uint32_t>(to->bytes.size());
    to->bytes += from.bytes;
    if (row.key_size != EncodedRows::kNone) row.key += shift;
    row.value += shift;
    row.headers += shift;
    to->rows.push_back(row);
  }

  std::vector<int64_t> Written(const RecordBatch& batch, StageId persist) {
    return Offsets(batch.encoded.targets[plan.node(persist).target]);
  }

  std::shared_ptr<MemoryOutput> beside = std::make_shared<MemoryOutput>();
  StageId upper = 0, side = 0, score = 0, other = 0, both = 0, out = 0;
  int upper_calls = 0, score_calls = 0, transient = 0;
  bool score_fails = true, other_fails = false;
  std::unique_ptr<PlanWorker> worker;
  EncodedRows letters;
};

TEST_F(DeadLetters, SayHowOftenTheStageWasCalled) {
  transient = 2;
  Make();
  Fail();
  ASSERT_EQ(letters.rows.size(), 1U);
  EXPECT_EQ(Header(letters, 0, "anabranch.error.attempts"), "3");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.node"), "score");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.class"), "record");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.offset"), "1");
}

TEST_F(DeadLetters, CarryTheResultsOfWhatWasDoneAboveAndBesideTheFailedStage) {
  Make();
  Fail();
  const auto header = ReadKeptHeader(Header(letters, 0, "anabranch.error.results"));
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header->rows, 1U);
  std::vector<std::string> done;
  for (const auto& stage : header->done) done.push_back(stage.id);
  EXPECT_EQ(done, (std::vector<std::string>{plan.plan().sources[0].id, "upper", "side", "other"}));
}

TEST_F(DeadLetters, WithoutRoomForTheirResultsGoWithoutThem) {
  Make();
  RecordBatch batch;
  Fill(&batch, 1, 1);
  batch.payload[0] = batch.text.Copy(std::string(600'000, 'x'));
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  letters = WorkerTest::DeadLetters(batch);
  ASSERT_EQ(letters.rows.size(), 1U);
  EXPECT_EQ(Header(letters, 0, "anabranch.error.results"), "");
  EXPECT_EQ(letters.value(letters.rows[0]).size(), 600'000U);
}

TEST_F(DeadLetters, AreReplayedAtTheirStageUnderTheirIdentityAndNothingElseRuns) {
  Make();
  Fail();
  score_fails = false;
  upper_calls = score_calls = 0;
  const auto batches = Replay({});
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(upper_calls, 0);
  EXPECT_EQ(score_calls, 1);
  EXPECT_EQ(Written(*batches[0], out), (std::vector<int64_t>{1}));
  EXPECT_TRUE(Written(*batches[0], side).empty()) << "it was written when the record first came";
  EXPECT_TRUE(WorkerTest::DeadLetters(*batches[0]).rows.empty());
  ASSERT_EQ(batches[0]->encoded.positions.size(), 1U);
  EXPECT_EQ(partitions.at(batches[0]->encoded.positions[0].partition).topic, "letters");
  EXPECT_EQ(batches[0]->partitions->at(batches[0]->partition[0]).topic, "memory");
}

TEST_F(DeadLetters, AreDoneWhereTheirSourceSaysThatTheyEnd) {
  other_fails = true;
  Make();
  Fail();
  const auto batches = Replay({});
  ASSERT_EQ(batches.size(), 2U);
  for (size_t i = 0; i < batches.size(); ++i) {
    ASSERT_EQ(batches[i]->encoded.positions.size(), 1U);
    const PositionRange& done = batches[i]->encoded.positions[0];
    EXPECT_EQ(done.first, static_cast<int64_t>(i) * kLetterBytes);
    EXPECT_EQ(done.next, done.first + kLetterBytes);
    const EncodedRows& again = WorkerTest::DeadLetters(*batches[i]);
    ASSERT_EQ(again.rows.size(), 1U);
    EXPECT_EQ(batches[i]->encoded.ReadAt(again.rows[0]).offset, done.first) << "compared with a target's progress";
    EXPECT_EQ(again.rows[0].offset, 1) << "the record's identity";
  }
}

TEST_F(DeadLetters, OfMorePartitionsThanALaneCanReadKeepTheirIdentity) {
  Make();
  Fail();
  const EncodedRows one = letters;
  for (int32_t partition = 0; partition < 65'570; partition += partition < 65'530 ? 65'530 : 1) {  // no breaker trips
    letters.Clear();
    EncodedRows::Row row = one.rows[0];
    letters.bytes = one.bytes.substr(0, row.headers);
    one.ForEachHeader(one.rows[0], [&](std::string_view name, std::string_view value) {
      const bool changed = name == "anabranch.error.partition";
      letters.AppendHeader(name, changed ? std::string_view(std::to_string(partition)) : value);
    });
    row.headers_size = static_cast<uint32_t>(letters.bytes.size()) - row.headers;
    letters.rows.push_back(row);
    const auto batches = Replay({});
    ASSERT_EQ(batches.size(), 1U);
    ASSERT_EQ(batches[0]->partitions->at(batches[0]->partition[0]), (SourcePartition{"memory", partition}));
    ASSERT_EQ(Header(WorkerTest::DeadLetters(*batches[0]), 0, "anabranch.error.partition"), std::to_string(partition));
  }
}

TEST_F(DeadLetters, ThatFailAgainTellOfTheirFirstFailure) {
  Make();
  Fail();
  const std::string first = Header(letters, 0, "anabranch.error.failed_at");
  for (int again = 0; again < 2; ++again) {
    clock.Advance(1'000'000'000);
    const auto batches = Replay({});
    ASSERT_EQ(batches.size(), 1U);
    letters = WorkerTest::DeadLetters(*batches[0]);
    ASSERT_EQ(letters.rows.size(), 1U);
    int nodes = 0;
    letters.ForEachHeader(letters.rows[0], [&nodes](std::string_view name, std::string_view) {
      nodes += name == "anabranch.error.node" ? 1 : 0;
    });
    EXPECT_EQ(nodes, 1) << "headers are replaced, not added to";
    EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.failed_at"), first);
    EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.node"), "score");
    EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.code"), "model");
    EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.message"), "it does not like it");
    EXPECT_EQ(letters.value(letters.rows[0]), "v1");
  }
}

TEST_F(DeadLetters, TakeNoHeaderOfARecordForOneOfOurs) {
  Make();
  RecordBatch batch;
  Fill(&batch, 1, 1);
  const std::vector<std::pair<std::string, std::string>> forged = {{"anabranch.error.node", "gone"},
                                                                   {"anabranch.error.origin.node", "admin"},
                                                                   {"anabranch.error.original.node", "deeper"},
                                                                   {"anabranch.error.value_bytes", "7"},
                                                                   {"plain", "kept"}};
  for (const auto& [name, value] : forged) batch.headers.push_back({name, value});
  batch.header_end = {static_cast<uint32_t>(forged.size())};
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  letters = WorkerTest::DeadLetters(batch);
  for (int again = 0; again < 2; ++again) {
    ASSERT_EQ(letters.rows.size(), 1U);
    EXPECT_EQ(Header(letters, 0, "anabranch.error.node"), "score");
    EXPECT_EQ(Header(letters, 0, "anabranch.error.original.node"), "gone");
    EXPECT_EQ(Header(letters, 0, "anabranch.error.original.origin.node"), "admin");
    EXPECT_EQ(Header(letters, 0, "anabranch.error.original.original.node"), "deeper");
    EXPECT_EQ(Header(letters, 0, "anabranch.error.original.value_bytes"), "7");
    EXPECT_EQ(Header(letters, 0, "plain"), "kept");
    EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.node"), again == 0 ? "" : "score");
    const auto batches = Replay({});
    ASSERT_EQ(batches.size(), 1U);
    std::vector<std::pair<std::string, std::string>> seen;
    for (const RowHeader& header : batches[0]->row_headers(0)) seen.emplace_back(header.name, header.value);
    EXPECT_EQ(seen, forged) << "nodes see what they saw when the record came";
    letters = WorkerTest::DeadLetters(*batches[0]);
  }
}

TEST_F(DeadLetters, WhoseValueStayedBehindAreNotReplayedWithoutIt) {
  Make();
  Fail();
  EncodedRows::Row& row = letters.rows[0];
  letters.AppendHeader("anabranch.error.value_bytes", "2000000");
  row.headers_size = static_cast<uint32_t>(letters.bytes.size()) - row.headers;
  score_calls = 0;
  const auto batches = Replay({});
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(score_calls, 0);
  EXPECT_EQ(Header(WorkerTest::DeadLetters(*batches[0]), 0, "anabranch.error.value_bytes"), "2000000");
}

TEST_F(DeadLetters, OfRecordsThatWereGivenUpSayWhyTheirStageStopped) {
  Make();
  RecordBatch batch;
  Fill(&batch, 0, 2);
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  Failure failure;
  failure.stage = "score";
  failure.error_class = ErrorClass::kBreaker;
  failure.message = "too many";
  failure.at_ms = 1'700'000'000'000;
  const RowError given_up{0, "given_up", "the operator"}, plain{1, "model", "it does not like it"};
  letters.Clear();
  const DeadLetterWriter::Failed failed[] = {{&given_up, score}, {&plain, score}};
  const RefusedRows refused(plan.plan());
  DeadLetterWriter(plan.plan(), refused, &failure).Append(batch, failed, "now", &letters);
  ASSERT_EQ(letters.rows.size(), 2U);
  EXPECT_EQ(Header(letters, 0, "anabranch.error.code"), "given_up");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.node"), "score");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.code"), "breaker");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.message"), "too many");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.origin.failed_at"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(Header(letters, 1, "anabranch.error.origin.code"), "");
}

TEST_F(DeadLetters, HaveHeadersOfBoundedLength) {
  Make();
  plan.node(score).kind = std::string(5000, 'k');
  RecordBatch batch;
  Fill(&batch, 0, 1);
  ASSERT_TRUE(worker->Run(batch, nullptr).ok());
  SourceTable table;
  ASSERT_TRUE(table.Find({std::string(5000, 't'), 0}).ok());
  batch.partitions = &table;
  Failure failure;
  failure.stage = failure.message = std::string(5000, 'f');
  std::string message;
  for (int i = 0; i < 2000; ++i) message += "\u00e4";
  const RowError error{0, "given_up", message};
  letters.Clear();
  const DeadLetterWriter::Failed failed[] = {{&error, score}};
  const RefusedRows refused(plan.plan());
  DeadLetterWriter(plan.plan(), refused, &failure).Append(batch, failed, "2026-11-28T00:00:00Z", &letters);
  size_t all = 0;
  letters.ForEachHeader(letters.rows[0], [&all](std::string_view name, std::string_view value) {
    if (!name.starts_with("anabranch.error.") || name == "anabranch.error.results") return;
    EXPECT_LE(value.size(), 1024U) << name;
    all += name.size() + value.size();
  });
  EXPECT_LE(all, 8192U);
  EXPECT_EQ(Header(letters, 0, "anabranch.error.message").size(), 1024U);
  EXPECT_EQ(Header(letters, 0, "anabranch.error.failed_at"), "2026-11-28T00:00:00Z");
  EXPECT_EQ(Header(letters, 0, "anabranch.error.offset"), "0");
}

TEST_F(DeadLetters, WithoutResultsOrWithThoseOfAnotherPlanAreComputedFromTheirRecord) {
  Make();
  Fail();
  score_fails = false;
  upper_calls = 0;
  plan.node(upper).closure = "edited since";
  const auto batches = Replay({});
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(upper_calls, 1);
  EXPECT_EQ(Written(*batches[0], out), (std::vector<int64_t>{1}));
  EXPECT_TRUE(Written(*batches[0], side).empty());
}

TEST_F(DeadLetters, ThatAreNotChosenGoOutAgainAsTheyCame) {
  Make();
  Fail();
  score_fails = false;
  for (const LetterFilter& filter :
       {LetterFilter{"upper", "", ""}, LetterFilter{"", "timeout", ""}, LetterFilter{"", "", "memory/0/2"}}) {
    score_calls = 0;
    const auto batches = Replay(filter);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_EQ(score_calls, 0);
    const EncodedRows& again = WorkerTest::DeadLetters(*batches[0]);
    ASSERT_EQ(again.rows.size(), 1U);
    EXPECT_EQ(again.value(again.rows[0]), "v1");
    EXPECT_EQ(again.key(again.rows[0]), "k1");
    EXPECT_EQ(again.bytes.substr(again.rows[0].headers, again.rows[0].headers_size),
              letters.bytes.substr(letters.rows[0].headers, letters.rows[0].headers_size));
  }
}

TEST_F(DeadLetters, OfOneRecordInTwoBranchesGiveWhatLiesBelowBothOnce) {
  other_fails = true;
  Make();
  Fail();
  ASSERT_EQ(letters.rows.size(), 2U);
  EXPECT_EQ(Header(letters, 1, "anabranch.error.behind"), "score");
  score_fails = other_fails = false;
  const auto batches = Replay({});
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(Written(*batches[0], out), (std::vector<int64_t>{1}));
  EXPECT_TRUE(Written(*batches[1], out).empty());
}

TEST_F(DeadLetters, OfOneRecordInTwoBranchesStayTwoHoweverOftenTheyAreReplayed) {
  other_fails = true;
  Make();
  Fail();
  for (int round = 0; round < 3; ++round) {
    const auto batches = Replay({});
    ASSERT_EQ(batches.size(), 2U);
    letters = {};
    for (const auto& batch : batches) {
      const EncodedRows& again = WorkerTest::DeadLetters(*batch);
      ASSERT_EQ(again.rows.size(), 1U) << round;
      AppendRow(again, 0, &letters);
    }
    EXPECT_EQ(Header(letters, 0, "anabranch.error.node"), "score");
    EXPECT_EQ(Header(letters, 1, "anabranch.error.node"), "other");
    EXPECT_EQ(Header(letters, 1, "anabranch.error.behind"), "score");
  }
  score_fails = other_fails = false;
  const auto batches = Replay({});
  EXPECT_EQ(Written(*batches[0], out), (std::vector<int64_t>{1}));
  EXPECT_TRUE(Written(*batches[1], out).empty()) << "not twice";
}

TEST_F(DeadLetters, OfTheBranchThatIsMendedLaterCarriesOnWhatLiesBelowBoth) {
  other_fails = true;
  Make();
  Fail();
  score_fails = false;
  auto batches = Replay({});
  ASSERT_EQ(batches.size(), 2U);
  letters = {};
  for (const auto& batch : batches) {
    const EncodedRows& again = WorkerTest::DeadLetters(*batch);
    for (size_t i = 0; i < again.rows.size(); ++i) AppendRow(again, i, &letters);
  }
  other_fails = false;
  batches = Replay({});
  size_t written = 0;
  for (const auto& batch : batches) written += Written(*batch, out).size();
  EXPECT_EQ(written, 1U) << "once, though two letters waited";
}

TEST_F(DeadLetters, OfAStageThatIsGoneStay) {
  Make();
  Fail();
  DeadLetter letter;
  letter.ours = true;
  letter.node = "gone";
  letter.source = plan.plan().sources[0].id;
  const LetterRoutes::Route route = LetterRoutes(plan.plan()).Find(letter);
  EXPECT_EQ(route.stage, kNoStage);
  EXPECT_NE(route.why.find("\"gone\""), std::string::npos);
}

}  // namespace
}  // namespace anabranch

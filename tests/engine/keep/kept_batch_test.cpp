#include "engine/keep/kept_batch.h"

#include <algorithm>
#include <map>

#include "engine/clock.h"
#include "engine/keep/crc32c.h"
#include "engine/keep/kept_format.h"
#include "engine/run/plan_worker.h"
#include "tests/engine/keep/keep_fixture.h"

namespace anabranch {
namespace {

class KeptBatchTest : public ::testing::Test {
 protected:
  KeptBatchTest() { FillRandomBatch(plan, random, 9, names, 2, &batch); }

  std::shared_ptr<const std::string> Keep(std::initializer_list<StageId> done) {
    return std::make_shared<const std::string>(WriteKeptBatch(*plan.plan, batch, plan.Done(done)));
  }
  Status Restore(std::shared_ptr<const std::string> frame, const RestoreRules& rules) {
    got.Clear(plan.plan->columns.size(), plan.plan->stages());
    return RestoreKeptBatch(*plan.plan, std::move(frame), rules, got_names, &got);
  }

  KeepPlan plan;
  std::mt19937_64 random{7};
  SourceTable names, got_names;
  RecordBatch batch, got;
};

TEST_F(KeptBatchTest, WhatIsRestoredIsWhatWasKeptInRandomBatches) {
  std::mt19937_64 dice(TestSeed());
  for (int round = 0; round < 200; ++round) {
    FillRandomBatch(plan, dice, static_cast<uint32_t>(dice() % 40), names, 1 + dice() % 3, &batch);
    for (uint32_t row = 0; round % 2 == 1 && row < batch.rows(); ++row) {
      batch.time_us.push_back(static_cast<int64_t>(dice()));
    }
    auto frame = Keep({plan.in, plan.a, plan.out});
    const Status status = Restore(std::move(frame), plan.ReuseAll());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(got.rows(), batch.rows());
    EXPECT_TRUE(got.restored);
    EXPECT_EQ(got.payload_bytes, batch.payload_bytes);
    EXPECT_EQ(got.source_errors.size(), batch.source_errors.size());
    EXPECT_EQ(got.time_us, batch.time_us);
    for (uint32_t row = 0; row < got.rows(); ++row) ExpectSameResults(plan, got, row, batch, row);
    for (const StageId stage : {plan.in, plan.a, plan.out}) {
      EXPECT_TRUE(got.stages[stage].done && got.stages[stage].reused);
      EXPECT_EQ(got.stages[stage].active_count, batch.stages[stage].active_count);
    }
    for (const StageId stage : {plan.b, plan.late}) {
      EXPECT_FALSE(got.stages[stage].done || got.stages[stage].reused);
      EXPECT_EQ(got.stages[stage].outcome.size(), got.rows());
    }
    const TargetId target = plan.plan->node(plan.out).target;
    ExpectSameEncoded(got.encoded.targets[target], got_names, batch.encoded.targets[target], names);
    ASSERT_EQ(got.positions.size(), batch.positions.size());
    for (size_t i = 0; i < got.positions.size(); ++i) {
      EXPECT_EQ(got.positions[i].first, batch.positions[i].first);
      EXPECT_EQ(got.positions[i].next, batch.positions[i].next);
      EXPECT_EQ(got.encoded.positions[i].next, batch.positions[i].next);
    }
    if (HasFailure()) return;
  }
}

// The number of the format, under sums that hold.
std::string WithVersion(std::string frame, uint16_t version) {
  std::memcpy(frame.data() + 4, &version, sizeof version);
  const auto size = LoadNumber<uint32_t>(frame.data() + 8);
  const std::string_view bytes = frame;
  const uint32_t sum = Crc32c(bytes.substr(kFramePrefixBytes, size), Crc32c(bytes.substr(0, 12)));
  std::memcpy(frame.data() + 12, &sum, sizeof sum);
  return frame;
}

TEST_F(KeptBatchTest, OutcomesThatPassedAndTheMarksOfTheirCellsAreKept) {
  StageRows& a = batch.stages[plan.a];
  const ColumnId column = plan.a_columns[0];
  a.errors.clear();
  std::ranges::fill(a.outcome, Outcome::kOk);
  a.outcome[1] = Outcome::kMissed;
  a.outcome[2] = Outcome::kDefaulted;
  batch.columns[column].states()[1] = Marked(kNull, Mark::kTimeout);
  batch.columns[column].states()[2] = Marked(kValid, Mark::kDefaulted);
  const auto frame = Keep({plan.in, plan.a});
  EXPECT_EQ(ReadKeptHeader(*frame)->done[1].rows_out, batch.rows());
  const Status status = Restore(frame, plan.ReuseAll());
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(got.stages[plan.a].outcome, a.outcome);
  EXPECT_EQ(MarkOf(got.columns[column].states()[1]), Mark::kTimeout);
  EXPECT_EQ(got.columns[column].states()[2], Marked(kValid, Mark::kDefaulted));
}

TEST_F(KeptBatchTest, AFrameOfTheOlderVersionIsReadAndANewerOneIsNamed) {
  StageRows& a = batch.stages[plan.a];
  const ColumnId column = plan.a_columns[0];
  a.outcome[1] = Outcome::kSkipped;
  batch.columns[column].states()[1] = kNull;
  const std::string frame = *Keep({plan.in, plan.a});
  const Status status = Restore(std::make_shared<std::string>(WithVersion(frame, 1)), plan.ReuseAll());
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(got.stages[plan.a].outcome, a.outcome);
  EXPECT_EQ(MarkOf(got.columns[column].states()[1]), Mark::kSkipped) << "it had no marks, but it was skipped";
  const auto newer = ReadKeptHeader(WithVersion(frame, kFrameVersion + 1));
  ASSERT_FALSE(newer.ok());
  EXPECT_NE(newer.status().message().find("reads versions up to 4"), std::string::npos) << newer.status().message();
}

TEST_F(KeptBatchTest, WhatScoredTheRowsIsKeptWithThem) {
  for (size_t i = 0; i < batch.positions.size(); ++i) {
    batch.positions[i].scoring = {GenerationId(i + 7), static_cast<int64_t>(i) + 100, GenerationId(i)};
  }
  StageRows& a = batch.stages[plan.a];
  a.versions = {"gbt@7", "gbt@8"};
  for (uint32_t row = 0; row < batch.rows(); ++row) a.version.push_back(row % 3 == 0 ? 1 : 0);
  const auto frame = Keep({plan.in, plan.a});
  EXPECT_EQ(ReadKeptHeader(*frame)->version, 3);
  EXPECT_EQ(ReadKeptHeader(*frame)->done[1].versions, a.versions);
  const Status status = Restore(frame, plan.ReuseAll());
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(got.stages[plan.a].versions, a.versions);
  EXPECT_EQ(got.stages[plan.a].version, a.version);
  EXPECT_TRUE(got.stages[plan.in].versions.empty());
  for (size_t i = 0; i < batch.positions.size(); ++i) {
    EXPECT_EQ(got.positions[i].scoring, batch.positions[i].scoring);
    EXPECT_EQ(got.encoded.positions[i].scoring, batch.positions[i].scoring);
  }
}

TEST_F(KeptBatchTest, EventTimesAreKeptWithTheirRows) {
  EXPECT_EQ(ReadKeptHeader(*Keep({plan.in, plan.a}))->version, 2) << "there are none";
  for (uint32_t row = 0; row < batch.rows(); ++row) batch.time_us.push_back(row == 2 ? kNoTime : 1'000'000 + row);
  const auto frame = Keep({plan.in, plan.a});
  EXPECT_EQ(ReadKeptHeader(*frame)->version, 4);
  ASSERT_TRUE(Restore(frame, plan.ReuseAll()).ok());
  EXPECT_EQ(got.time_us, batch.time_us);
  RestoreRules some = plan.ReuseAll();
  const SourcePartition first = names.at(batch.partition[0]);
  some.next = [&](const SourcePartition& partition) { return partition == first ? std::optional(INT64_MAX) : 0; };
  ASSERT_TRUE(Restore(frame, some).ok());
  std::vector<int64_t> left;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (names.at(batch.partition[row]) != first) left.push_back(batch.time_us[row]);
  }
  EXPECT_LT(left.size(), batch.rows());
  EXPECT_EQ(got.time_us, left);
}

TEST_F(KeptBatchTest, EventTimesOfRowsThatAreDecodedAgainAreNotKept) {
  batch.time_us.assign(batch.rows(), 5);
  ASSERT_TRUE(Restore(Keep({plan.in}), {}).ok());
  EXPECT_TRUE(got.time_us.empty()) << "the source's stage sets them";
  ASSERT_EQ(got.rows(), batch.rows());
  for (uint32_t row = 0; row < got.rows(); ++row) EXPECT_EQ(got.payload[row], batch.payload[row]);
}

TEST_F(KeptBatchTest, EventTimesGoWithThePartOfTheirRow) {
  for (uint32_t row = 0; row < batch.rows(); ++row) batch.time_us.push_back(row);
  const std::vector<bool> done = plan.Done({plan.in, plan.a});
  const std::string part = WriteKeptPart(*plan.plan, batch, done, 3, 2);
  ASSERT_TRUE(Restore(std::make_shared<std::string>(part), plan.ReuseAll()).ok());
  EXPECT_EQ(got.time_us, (std::vector<int64_t>{3, 4}));
  const std::string alone = WriteKeptRow(*plan.plan, batch, done, 6);
  ASSERT_TRUE(Restore(std::make_shared<std::string>(alone), plan.ReuseAll()).ok());
  EXPECT_EQ(got.time_us, (std::vector<int64_t>{6}));
}

TEST_F(KeptBatchTest, AVersionThatTheListLacksIsDamage) {
  StageRows& a = batch.stages[plan.a];
  a.versions = {"gbt@7"};
  a.version.assign(batch.rows(), 1);
  EXPECT_FALSE(Restore(Keep({plan.in, plan.a}), plan.ReuseAll()).ok());
}

TEST_F(KeptBatchTest, TheHeaderTellsWhatIsInside) {
  const auto frame = Keep({plan.in, plan.a, plan.out});
  auto header = ReadKeptHeader(*frame);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->topology, plan.plan->identity().topology);
  EXPECT_EQ(header->source, "in0");
  EXPECT_EQ(header->sequence, batch.sequence);
  EXPECT_EQ(header->rows, 9u);
  EXPECT_FALSE(header->outputs);
  ASSERT_EQ(header->ranges.size(), 2u);
  EXPECT_EQ(header->ranges[1].partition, (SourcePartition{"topic", 1}));
  EXPECT_EQ(header->ranges[1].next, batch.positions[1].next);
  ASSERT_EQ(header->done.size(), 3u);
  EXPECT_EQ(header->done[0].closure, "fp-in0");
  EXPECT_EQ(header->done[1].id, "a");
  EXPECT_EQ(header->done[1].closure, "fp-a");
  EXPECT_GT(header->done[1].bytes, 0u);
  EXPECT_EQ(header->done[2].bytes, batch.encoded.targets[plan.plan->node(plan.out).target].bytes.size());
  uint32_t passed = 0;
  for (const Outcome outcome : batch.stages[plan.a].outcome) passed += Passed(outcome) ? 1 : 0;
  EXPECT_EQ(header->done[1].rows_out, passed);
  ASSERT_EQ(header->columns.size(), plan.source_columns.size() + plan.a_columns.size()) << "only what b reads";
  EXPECT_EQ(header->columns[0].name, "s_bool");
  EXPECT_EQ(header->columns[0].maker, "in0");
}

TEST_F(KeptBatchTest, WithoutTheSourcesResultsTheBatchIsAsItsSourceFilledIt) {
  const auto frame = Keep({plan.in, plan.a, plan.out});
  ASSERT_TRUE(Restore(frame, {}).ok());
  EXPECT_FALSE(got.restored);
  ASSERT_EQ(got.rows(), batch.rows());
  EXPECT_TRUE(got.record_key.empty());
  ASSERT_EQ(got.source_errors.size(), batch.source_errors.size());
  for (uint32_t row = 0; row < got.rows(); ++row) {
    ExpectSameRow(got, row, batch, row);
    EXPECT_EQ(got.key[row], batch.record_key[row]);
    EXPECT_EQ(got.key_present[row], batch.record_key_present[row]);
  }
  for (const StageRows& stage : got.stages) EXPECT_FALSE(stage.done);
}

TEST_F(KeptBatchTest, RowsBelowAPositionOrOfOtherPartitionsAreLeftOut) {
  const auto frame = Keep({plan.in, plan.a, plan.out});
  const int64_t from = batch.positions[1].first + 1;
  RestoreRules rules = plan.ReuseAll();
  rules.next = [from](const SourcePartition& partition) {
    return partition.partition == 1 ? std::optional(from) : std::nullopt;
  };
  ASSERT_TRUE(Restore(frame, rules).ok());
  uint32_t row = 0;
  for (uint32_t old = 0; old < batch.rows(); ++old) {
    if (names.at(batch.partition[old]).partition != 1 || batch.offset[old] < from) continue;
    ASSERT_LT(row, got.rows());
    ExpectSameResults(plan, got, row++, batch, old);
  }
  EXPECT_EQ(row, got.rows());
  EXPECT_GT(row, 0u);
  ASSERT_EQ(got.positions.size(), 1u);
  EXPECT_EQ(got.positions[0].first, from);
  EXPECT_EQ(got.positions[0].next, batch.positions[1].next);
  EXPECT_EQ(got.encoded.targets[plan.plan->node(plan.out).target].rows.size(), got.rows());
}

TEST_F(KeptBatchTest, AStageThatIsNotReusedRunsAgain) {
  const auto frame = Keep({plan.in, plan.a, plan.out});
  RestoreRules rules = plan.ReuseAll();
  rules.reuse.erase("out");
  rules.give_up = "b";
  ASSERT_TRUE(Restore(frame, rules).ok());
  EXPECT_FALSE(got.stages[plan.out].done);
  EXPECT_TRUE(got.encoded.targets[plan.plan->node(plan.out).target].rows.empty());
  EXPECT_EQ(got.give_up, plan.b);
}

TEST_F(KeptBatchTest, ARenamedNodeTakesWhatWasKeptUnderItsOldId) {
  const auto frame = Keep({plan.in, plan.a, plan.out});
  KeepPlan renamed;
  renamed.builder.node(renamed.a).id = "z";
  renamed.builder.node(renamed.out).id = "target";
  for (const ColumnId id : renamed.a_columns) renamed.builder.plan().columns[id].maker = "z";
  RestoreRules rules;
  rules.reuse = {{"in0", "in0"}, {"z", "a"}, {"target", "out"}};
  got.Clear(plan.plan->columns.size(), plan.plan->stages());
  const Status status = RestoreKeptBatch(*renamed.plan, frame, rules, got_names, &got);
  ASSERT_TRUE(status.ok()) << status.message();
  for (uint32_t row = 0; row < got.rows(); ++row) ExpectSameResults(plan, got, row, batch, row);
}

TEST_F(KeptBatchTest, AColumnThatIsNeededAndWasNotKeptIsNamed) {
  const auto frame = Keep({plan.in, plan.a, plan.out});
  KeepPlan wider;
  wider.builder.node(wider.b).reads.push_back(ColumnId(2 * wider.a_columns.size()));  // "unread"
  got.Clear(plan.plan->columns.size(), plan.plan->stages());
  const Status status = RestoreKeptBatch(*wider.plan, frame, wider.ReuseAll(), got_names, &got);
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(status.message(),
            "node \"b\" reads column \"unread\" of \"in0\", which was not kept; restart from \"in0\"");
}

TEST_F(KeptBatchTest, AColumnOfAnotherTypeIsNamed) {
  const auto frame = Keep({plan.in, plan.a, plan.out});
  KeepPlan other;
  other.builder.plan().columns[other.a_columns[1]].type = Type::Scalar(Kind::kString);
  got.Clear(plan.plan->columns.size(), plan.plan->stages());
  const Status status = RestoreKeptBatch(*other.plan, frame, other.ReuseAll(), got_names, &got);
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_NE(status.message().find("which was kept as int64 and is now string"), std::string::npos) << status.message();
}

TEST_F(KeptBatchTest, ARowTravelsAloneWithWhatItsStageNeeds) {
  const std::vector<bool> done = plan.Done({plan.in, plan.a, plan.out});
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    auto frame = std::make_shared<const std::string>(WriteKeptRow(*plan.plan, batch, done, row));
    ++batch.sequence;
    EXPECT_EQ(WriteKeptRow(*plan.plan, batch, done, row), *frame)
        << "a letter has the same bytes whatever batch it came in";
    const Status status = Restore(frame, plan.ReuseAll());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(got.rows(), 1u);
    EXPECT_EQ(got.payload[0], "") << "the letter has the record's value and headers";
    EXPECT_TRUE(got.row_headers(0).empty());
    got.payload[0] = batch.payload[row];
    const auto headers = batch.row_headers(row);
    got.headers.assign(headers.begin(), headers.end());
    got.header_end = {static_cast<uint32_t>(headers.size())};
    ExpectSameResults(plan, got, 0, batch, row);
    EXPECT_TRUE(got.positions.empty()) << "what replaying it completes is the letter's place";
    EXPECT_TRUE(got.encoded.targets[plan.plan->node(plan.out).target].rows.empty());
  }
}

TEST_F(KeptBatchTest, PartsCompleteThePositionsOfTheirBatchAndNothingBeyond) {
  const std::vector<bool> done = plan.Done({plan.in});
  std::map<PartitionId, int64_t> length;
  for (PositionRange& range : batch.positions) {
    range.next -= (range.next - range.first) / 2;  // as when rows behind a position are given up
    length[range.partition] = range.next - range.first;
  }
  for (uint32_t cut = 1; cut < batch.rows(); ++cut) {
    std::map<PartitionId, int64_t> covered;
    for (const std::string& part : {WriteKeptPart(*plan.plan, batch, done, 0, cut),
                                    WriteKeptPart(*plan.plan, batch, done, cut, batch.rows() - cut)}) {
      const Result<KeptHeader> header = ReadKeptHeader(part);
      ASSERT_TRUE(header.ok());
      for (const KeptHeader::Range& range : header->ranges) {
        covered[*names.Find(range.partition)] += range.next - range.first;
      }
    }
    for (const PositionRange& range : batch.positions)
      EXPECT_EQ(covered[range.partition], length[range.partition]) << cut;
  }
}

TEST_F(KeptBatchTest, OutputsAreRestoredWholeAndRunNothing) {
  for (EncodedRows& rows : batch.encoded.targets) rows = batch.encoded.targets[plan.plan->node(plan.out).target];
  auto frame =
      std::make_shared<const std::string>(WriteKeptOutputs(*plan.plan, names, plan.in, batch.encoded, batch.rows()));
  EXPECT_TRUE(ReadKeptHeader(*frame)->outputs);
  RestoreRules rules;
  rules.reuse = {{"in0", "in0"}};
  const Status status = Restore(frame, rules);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(got.complete);
  for (size_t target = 0; target < got.encoded.targets.size(); ++target) {
    ExpectSameEncoded(got.encoded.targets[target], got_names, batch.encoded.targets[target], names);
  }
  EXPECT_EQ(got.encoded.positions.size(), 2u);
  EXPECT_EQ(Restore(frame, {}).code(), Code::kInvalid) << "there are no records to run";

  KeepPlan more;
  more.builder.node(more.late).id = "newer";
  got.Clear(plan.plan->columns.size(), plan.plan->stages());
  const Status lacks = RestoreKeptBatch(*more.plan, frame, rules, got_names, &got);
  EXPECT_EQ(lacks.code(), Code::kInvalid);
  EXPECT_NE(lacks.message().find("\"newer\""), std::string::npos);
}

TEST_F(KeptBatchTest, AnUnknownSourceIsNamed) {
  const auto frame = Keep({plan.in});
  KeepPlan other;
  other.builder.plan().sources[0].id = "else";
  got.Clear(plan.plan->columns.size(), plan.plan->stages());
  const Status status = RestoreKeptBatch(*other.plan, frame, other.ReuseAll(), got_names, &got);
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_NE(status.message().find("\"in0\""), std::string::npos) << status.message();
}

// in0 ── double ── add ── out, and in0 ── early. "add" fails at first.
class RestartedPlanTest : public ::testing::Test {
 protected:
  RestartedPlanTest() {
    builder.plan().columns = {{"twice", Type::Scalar(Kind::kString), "double"}};
    const StageId in = builder.Source(std::make_shared<MemoryInput>());
    builder.plan().sources[0].key.kind = KeyRule::Kind::kPosition;
    twice = builder.Node("double", {in}, [this](const NodeRun& run) {
      ++calls_above;
      Column& column = run.batch.columns[0];
      column.Reset(Type::Scalar(Kind::kString), run.batch.rows());
      for (uint32_t row = 0; row < run.batch.rows(); ++row) {
        if (run.batch.offset[row] % 5 == 0) run.FailRow(row, "model", "a fifth");
        if (run.batch.offset[row] % 7 == 0) run.FilterRow(row);
        const std::string text = std::string(run.batch.payload[row]) + std::string(run.batch.payload[row]);
        column.values<std::string_view>()[row] = column.text().Copy(text);
        column.states()[row] = kValid;
      }
      return Status::Ok();
    });
    builder.node(twice).makes = {0};
    add = builder.Node("add", {twice}, [this](const NodeRun& run) {
      if (broken) return Status(Code::kStage, "broken");
      for (uint32_t row = 0; row < run.batch.rows(); ++row) {
        if (run.active[row]) seen.emplace_back(run.batch.columns[0].values<std::string_view>()[row]);
      }
      return Status::Ok();
    });
    builder.node(add).reads = {0};
    out = builder.Persist("out", {add}, std::make_shared<MemoryOutput>());
    early = builder.Persist("early", {in}, std::make_shared<MemoryOutput>());
    plan = &builder.Build();
    guards = std::make_unique<StageGuards>(*plan);
    worker = PlanWorker::Open(*plan, Clock::Real(), *guards, cancel).value();
  }
  void Fill(RecordBatch* batch) {
    batch->Clear(plan->columns.size(), plan->stages());
    batch->partitions = &names;
    const PartitionId id = *names.Find({"topic", 3});
    for (int64_t offset = 40; offset < 60; ++offset) {
      batch->AddRow(id, offset, offset, "", false, batch->text.Copy("v" + std::to_string(offset)));
    }
    batch->positions = {{id, 40, 60}};
  }

  PlanBuilder builder;
  StageId twice = 0, add = 0, out = 0, early = 0;
  int calls_above = 0;
  bool broken = false;
  std::vector<std::string> seen;
  const Plan* plan = nullptr;
  std::unique_ptr<StageGuards> guards;
  CancelToken cancel;
  SourceTable names;
  std::unique_ptr<PlanWorker> worker;
};

TEST_F(RestartedPlanTest, AFailedStageGoesOnFromKeptRowsAsIfNothingHadBeen) {
  RecordBatch whole, cut, restored;
  Fill(&whole);
  ASSERT_TRUE(worker->Run(whole, nullptr).ok());
  const std::vector<std::string> wanted = std::exchange(seen, {});
  Fill(&cut);
  broken = true;
  ASSERT_EQ(worker->Run(cut, nullptr).code(), Code::kStage);
  ASSERT_EQ(worker->failed_stage(), add);
  std::vector<bool> done;
  for (const StageRows& stage : cut.stages) done.push_back(stage.done);
  auto frame = std::make_shared<const std::string>(WriteKeptBatch(*plan, cut, done));
  cut.Clear(0, 0);

  broken = false;
  const int calls = calls_above;
  RestoreRules rules;
  for (const char* id : {"in0", "double"}) rules.reuse[id] = id;
  restored.Clear(plan->columns.size(), plan->stages());
  Status status = RestoreKeptBatch(*plan, frame, rules, names, &restored);
  ASSERT_TRUE(status.ok()) << status.message();
  status = worker->Run(restored, nullptr);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(calls_above, calls) << "nothing above the failed stage was called";
  EXPECT_EQ(seen, wanted);
  for (const TargetId target : {plan->node(out).target, plan->node(early).target}) {
    ExpectSameEncoded(restored.encoded.targets[target], names, whole.encoded.targets[target], names);
  }
  const auto letters = [this](const RecordBatch& batch) {
    return batch.encoded.targets[plan->dead_letters()].rows.size();
  };
  EXPECT_EQ(letters(restored), letters(whole));
  EXPECT_EQ(letters(whole), 4u);
}

}  // namespace
}  // namespace anabranch

#include "connectors/sqlite/sqlite.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <thread>

#include "engine/connector.h"
#include "engine/lane_context.h"
#include "engine/sqlite/sqlite.h"
#include "engine/testing/cells.h"
#include "engine/testing/config_builder.h"
#include "engine/testing/needed_rows.h"
#include "engine/testing/silent_source.h"

namespace anabranch {
namespace {

const std::vector<TargetFields::Field> kScore = {{"score", 0, Type::Scalar(Kind::kFloat64), true, nullptr}};

class SqliteTest : public testing::Test, public BindServices {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "sqlite_test.XXXXXX").string();
    root_ = mkdtemp(name.data());
    RegisterConnectorSqlite(registry_);
    connector_ = registry_.FindConnector("sqlite");
    lane_.topology = "demo";
    lane_.partitions = &table_;
    lane_.state_dir = root_.string();
    partition_ = *table_.Find({"in", 0});
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::shared_ptr<const TargetProgram> Bind(const std::vector<TargetFields::Field>& columns = kScore,
                                            const std::string& upsert = "id", const std::string& table = "scores",
                                            const std::string& envelope = "") {
    config_ = LinkConfig(ConfigObject({{"path", "out.db"}, {"table", table}, {"upsert", upsert}}));
    TargetFields fields;
    fields.node_id = "keep";
    fields.fields = columns;
    fields.envelope = envelope;
    return connector_->BindTarget(*config_, fields, *this, faults_);
  }
  Result<std::unique_ptr<Committer>> Open(const std::vector<const TargetProgram*>& programs, const LaneContext& lane) {
    std::vector<std::pair<TargetId, const TargetProgram*>> targets;
    for (const TargetProgram* program : programs) targets.emplace_back(TargetId(targets.size()), program);
    auto committer = connector_->OpenCommitter(lane, targets, source_, source_);
    if (committer.ok()) RETURN_IF_ERROR((*committer)->Open());
    return committer;
  }
  std::unique_ptr<Committer> MustOpen(const TargetProgram& program) {
    auto committer = Open({&program}, lane_);
    EXPECT_TRUE(committer.ok()) << committer.status().message();
    return committer.ok() ? std::move(*committer) : nullptr;
  }
  std::string Refused(const TargetProgram& program) {
    const auto committer = Open({&program}, lane_);
    EXPECT_EQ(committer.status().code(), Code::kInvalid) << committer.status().message();
    return committer.status().message();
  }

  void Fill(int64_t first, int64_t count, double score, const SourcePartition& from = {"in", 0}) {
    batch_.Clear(1, 1);
    batch_.partitions = &table_;
    for (int64_t i = 0; i < count; ++i) batch_.AddRow(*table_.Find(from), first + i, 5, "k", true, "{}");
    Column& column = batch_.columns[0];
    column.Reset(Type::Scalar(Kind::kFloat64), static_cast<uint32_t>(count));
    for (uint32_t r = 0; r < count; ++r) {
      column.states()[r] = kValid;
      column.values<double>()[r] = score;
    }
  }
  Status Encode(const TargetProgram& program, EncodedBatch* encoded, size_t targets = 1) {
    encoded->Clear(targets);
    const std::vector<uint8_t> active(batch_.rows(), 1);
    for (EncodedRows& rows : encoded->targets) {
      RETURN_IF_ERROR(program.MakeEncoder({})->Encode(batch_, active, &rows));
    }
    encoded->positions = {{batch_.partition[0], batch_.offset.front(), batch_.offset.back() + 1}};
    return {};
  }
  EncodedBatch Rows(const TargetProgram& program, int64_t first, int64_t count, double score,
                    const SourcePartition& from = {"in", 0}) {
    Fill(first, count, score, from);
    EncodedBatch encoded;
    EXPECT_TRUE(Encode(program, &encoded).ok());
    return encoded;
  }
  static Status WriteAndCommit(Committer& committer, const EncodedBatch& batch) {
    RETURN_IF_ERROR(committer.Write(batch));
    return committer.Commit({1, batch.positions});
  }
  std::vector<int64_t> Progress(Committer& committer) { return WantedBy(committer, {partition_}); }

  void Sql(const std::string& sql) {
    auto db = SqliteDatabase::Open(Path(), SqliteDatabase::Mode::kReadWrite, 1000);
    ASSERT_TRUE(db.ok());
    const Status status = (*db)->Execute(sql);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  // Rows as "a|b|c"; null as "-", blobs as "blob:…".
  std::vector<std::string> Query(const std::string& sql) {
    std::vector<std::string> rows;
    auto db = SqliteDatabase::Open(Path(), SqliteDatabase::Mode::kReadOnly, 1000);
    auto statement = (*db)->Prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.status().message();
    while (statement.ok() && *statement->Step()) {
      std::string row;
      for (int c = 0; c < columns_; ++c) {
        if (c > 0) row += "|";
        row += statement->IsNull(c) ? "-" : (statement->IsBlob(c) ? "blob:" : "") + statement->Text(c);
      }
      rows.push_back(row);
    }
    return rows;
  }
  std::string Path() const { return (root_ / "out.db").string(); }

  Result<std::string> ResolvePath(std::string_view path) const override { return (root_ / path).string(); }
  const ConfigValue* Section(std::string_view, std::string_view) const override { return nullptr; }
  std::vector<std::string> Names(std::string_view) const override { return {}; }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue&, const TargetFields&, FaultSink&) override {
    return nullptr;
  }

  std::filesystem::path root_;
  Registry registry_;
  const Connector* connector_ = nullptr;
  SilentSource source_;
  SourceTable table_;
  LaneContext lane_;
  PartitionId partition_;
  FaultSink faults_{"topology.json"};
  std::unique_ptr<const ConfigValue> config_;
  RecordBatch batch_;
  int columns_ = 1;  // of a Query
};

using Lines = std::vector<std::string>;

TEST_F(SqliteTest, CellsAreStoredWithTheirTypes) {
  const std::vector<Type> types = {Type::Scalar(Kind::kBool),      Type::Scalar(Kind::kInt64),
                                   Type::Scalar(Kind::kFloat64),   Type::Scalar(Kind::kString),
                                   Type::Scalar(Kind::kTimestamp), Type::List(Kind::kInt64)};
  std::vector<TargetFields::Field> fields;
  for (size_t i = 0; i < types.size(); ++i) {
    fields.push_back({"c\" " + std::to_string(i), ColumnId(i), types[i], true, nullptr});
  }
  const auto program = Bind(fields, "id", "odd \"name; --");
  ASSERT_NE(program, nullptr);
  batch_.Clear(types.size(), 1);
  batch_.partitions = &table_;
  batch_.AddRow(partition_, 7, 5, "k", true, "{}");
  batch_.AddRow(partition_, 8, 5, "\xFF", true, "{}");
  batch_.AddRow(partition_, 9, 5, "", false, "{}");
  const double infinity = std::numeric_limits<double>::infinity();
  FillColumn(&batch_.columns[0], types[0], {true, false, nullptr});
  FillColumn(&batch_.columns[1], types[1], {int64_t{9'007'199'254'740'993}, -1, nullptr});
  FillColumn(&batch_.columns[2], types[2], {0.1, infinity, nullptr});
  FillColumn(&batch_.columns[3], types[3], {"a'b", "", nullptr});
  FillColumn(&batch_.columns[4], types[4], {int64_t{1'767'225'600'000'000}, int64_t{0}, nullptr});
  FillColumn(&batch_.columns[5], types[5], {std::vector<Cell>{1, 2}, std::vector<Cell>{}, nullptr});
  EncodedBatch encoded;
  ASSERT_TRUE(Encode(*program, &encoded).ok());
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*program), encoded).ok());
  columns_ = 8;
  EXPECT_EQ(Query("SELECT * FROM \"odd \"\"name; --\" ORDER BY id"),
            (Lines{"in/0/7/keep|k|1|9007199254740993|0.1|a'b|2026-01-01T00:00:00Z|[1,2]",
                   "in/0/8/keep|blob:\xFF|0|-1|-||1970-01-01T00:00:00Z|[]", "in/0/9/keep|-|-|-|-|-|-|-"}));
  columns_ = 4;
  EXPECT_EQ(Query("SELECT typeof(\"c\"\" 0\"), typeof(\"c\"\" 2\"), typeof(\"c\"\" 4\"), typeof(key) FROM "
                  "\"odd \"\"name; --\" WHERE key = 'k'"),
            Lines{"integer|real|text|text"});
}

TEST_F(SqliteTest, UpsertByKeyKeepsTheNewestOfEachKey) {
  const auto program = Bind(kScore, "key");
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 1, 1.5)).ok());
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 1, 2, 2.5)).ok());
  columns_ = 3;
  EXPECT_EQ(Query("SELECT id, key, score FROM scores"), Lines{"in/0/2/keep|k|2.5"});
}

TEST_F(SqliteTest, AReplayedRowDoesNotTakeTheKeyOfANewerOne) {
  const auto program = Bind(kScore, "key");
  auto committer = MustOpen(*program);
  columns_ = 3;
  int64_t letter = 0;
  const auto replay = [&](int64_t offset, const SourcePartition& from) {
    EncodedBatch batch = Rows(*program, offset, 1, 0.5, from);
    auto replayed = std::make_shared<ReplayedLetter>();
    ASSERT_TRUE(replayed->record.Find(from).ok());
    for (EncodedRows::Row& row : batch.targets[0].rows) row.partition = 0;
    batch.replayed = std::move(replayed);
    batch.positions = {{*table_.Find({"in.dead", 0}), letter, letter + 10}};
    letter += 10;
    ASSERT_TRUE(WriteAndCommit(*committer, batch).ok());
  };
  replay(1, {"in", 0});
  EXPECT_EQ(Query("SELECT id, key, score FROM scores"), Lines{"in/0/1/keep|k|0.5"}) << "nothing was there";
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 7, 1, 2.5)).ok());
  replay(3, {"in", 0});
  EXPECT_EQ(Query("SELECT id, key, score FROM scores"), Lines{"in/0/7/keep|k|2.5"}) << "the one that is there is newer";
  replay(9, {"other", 1});
  EXPECT_EQ(Query("SELECT id, key, score FROM scores"), Lines{"in/0/7/keep|k|2.5"}) << "nobody knows which is newer";
  replay(8, {"in", 0});
  EXPECT_EQ(Query("SELECT id, key, score FROM scores"), Lines{"in/0/8/keep|k|0.5"}) << "the replayed one is newer";
}

TEST_F(SqliteTest, RecordWithoutKeyCannotBeUpsertedByKey) {
  const auto program = Bind(kScore, "key");
  Fill(3, 1, 1);
  batch_.key_present[0] = 0;
  EncodedBatch encoded;
  const Status status = Encode(*program, &encoded);
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_NE(status.message().find("in/0/3"), std::string::npos) << status.message();
}

TEST_F(SqliteTest, RowsAndProgressAreCommittedTogetherAndSuppressedLater) {
  const auto program = Bind();
  {
    auto committer = MustOpen(*program);
    EXPECT_EQ(Progress(*committer), std::vector<int64_t>{kNoPosition});
    ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 3, 1)).ok());
  }
  auto committer = MustOpen(*program);
  EXPECT_EQ(Progress(*committer), std::vector<int64_t>{3});
  const EncodedBatch batch = NeededRows(*committer, Rows(*program, 1, 4, 2));
  ASSERT_TRUE(committer->Write(batch).ok());
  ASSERT_TRUE(committer->Commit({2, {{partition_, 1, 5}}}).ok());
  EXPECT_EQ(Query("SELECT score FROM scores ORDER BY id"), (Lines{"1.0", "1.0", "1.0", "2.0", "2.0"}));
  EXPECT_EQ(Query("SELECT next_offset FROM anabranch_progress"), Lines{"5"});
}

TEST_F(SqliteTest, WhatScoresFromWhereOnStandsBesideTheProgress) {
  const auto program = Bind();
  const auto scoring = [this](Committer& committer) {
    return committer.Progress({{partition_}}).value()[0].scoring[0];
  };
  const auto commit = [this](Committer& committer, int64_t first, int64_t next, Scoring scored) {
    return committer.Commit({1, {{partition_, first, next, scored}}});
  };
  {
    auto committer = MustOpen(*program);
    EXPECT_EQ(scoring(*committer), Scoring());
    const EncodedBatch rows = Rows(*program, 0, 3, 1);
    ASSERT_TRUE(committer->Write(rows).ok());
    ASSERT_TRUE(commit(*committer, 0, 3, {GenerationId{17}, 2, {}, UINT32_MAX}).ok());
  }
  auto committer = MustOpen(*program);
  EXPECT_EQ(scoring(*committer), (Scoring{GenerationId{17}, 2, {}, UINT32_MAX}));
  ASSERT_TRUE(commit(*committer, 0, 1, {GenerationId{16}, 0, {}}).ok());
  EXPECT_EQ(scoring(*committer).generation, 17) << "another target was behind";
  ASSERT_TRUE(commit(*committer, 3, 3, {GenerationId{18}, 3, {}}).ok());
  EXPECT_EQ(scoring(*committer), (Scoring{GenerationId{18}, 3, {}})) << "a switch without a row";
  ASSERT_TRUE(committer->MoveProgress({{partition_}}, {{1}}).ok());
  EXPECT_EQ(scoring(*committer), (Scoring{GenerationId{18}, 1, {}}));
}

// A switch without a row moves no position.
TEST_F(SqliteTest, AWriterThatOnlySwitchedIsNoticed) {
  const auto program = Bind();
  for (const Scoring& theirs :
       {Scoring{GenerationId{2}, 0, {}}, Scoring{GenerationId{1}, 3, {}}, Scoring{GenerationId{1}, 0, {}, 7}}) {
    Sql("DROP TABLE IF EXISTS scores");
    auto committer = MustOpen(*program);
    ASSERT_TRUE(committer->Commit({1, {{partition_, 0, 3, {GenerationId{1}, 0, {}}}}}).ok());
    auto other = MustOpen(*program);
    ASSERT_TRUE(other->Commit({1, {{partition_, 3, 3, theirs}}}).ok());
    EXPECT_EQ(committer->Commit({2, {{partition_, 3, 3, {GenerationId{3}, 3, {}}}}}).code(), Code::kFenced);
  }
}

TEST_F(SqliteTest, ADatabaseOfBeforeThereWereGenerationsIsTakenOver) {
  {
    auto db = SqliteDatabase::Open(Path(), SqliteDatabase::Mode::kReadWrite, 1000);
  }
  Sql("CREATE TABLE anabranch_progress(topology TEXT NOT NULL, target TEXT NOT NULL COLLATE NOCASE, topic TEXT NOT "
      "NULL,"
      " partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,"
      " PRIMARY KEY(topology, target, topic, partition)) WITHOUT ROWID");
  const auto program = Bind();
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 3, 1)).ok());
  EXPECT_EQ(Query("SELECT next_offset FROM anabranch_progress WHERE generation = 0 AND since = 0"), Lines{"3"});
}

TEST_F(SqliteTest, AbortedEpochLeavesNothing) {
  const auto program = Bind();
  auto committer = MustOpen(*program);
  ASSERT_TRUE(committer->Write(Rows(*program, 0, 3, 1)).ok());
  ASSERT_TRUE(committer->Abort().ok());
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 1, 2)).ok());
  EXPECT_EQ(Query("SELECT score FROM scores"), Lines{"2.0"});
}

TEST_F(SqliteTest, RowThatTheDatabaseRefusesRollsTheWholeEpochBack) {
  const auto program = Bind();
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 1, 1)).ok());
  Sql("CREATE TRIGGER no_nines BEFORE INSERT ON scores WHEN new.score = 9 BEGIN SELECT RAISE(ABORT, 'no nines'); END");
  const EncodedBatch good = Rows(*program, 1, 2, 2), bad = Rows(*program, 3, 1, 9);
  ASSERT_TRUE(committer->Write(good).ok());
  ASSERT_TRUE(committer->Write(bad).ok());
  const Status status = committer->Commit({2, {{partition_, 1, 4}}});
  EXPECT_EQ(status.code(), Code::kStage);
  EXPECT_NE(status.message().find("no nines"), std::string::npos) << status.message();
  EXPECT_EQ(Query("SELECT score FROM scores"), Lines{"1.0"});
  EXPECT_EQ(Query("SELECT next_offset FROM anabranch_progress"), Lines{"1"});
}

TEST_F(SqliteTest, OtherWriterOfTheSamePartitionIsFencedAndWritesNothing) {
  const auto program = Bind();
  auto first = MustOpen(*program);
  auto second = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*first, Rows(*program, 0, 2, 1)).ok());
  Progress(*second);
  ASSERT_TRUE(WriteAndCommit(*first, Rows(*program, 2, 2, 1)).ok());
  const Status status = WriteAndCommit(*second, Rows(*program, 2, 3, 7));
  EXPECT_EQ(status.code(), Code::kFenced) << status.message();
  EXPECT_EQ(Query("SELECT count(*) FROM scores WHERE score = 7"), Lines{"0"});
  EXPECT_EQ(Query("SELECT next_offset FROM anabranch_progress"), Lines{"4"});
  // After the lane asked where the partition stands, it goes on.
  EXPECT_EQ(Progress(*second), std::vector<int64_t>{4});
  EXPECT_TRUE(WriteAndCommit(*second, Rows(*program, 4, 1, 7)).ok());
}

TEST_F(SqliteTest, FirstCommitOfAPartitionIsGuardedToo) {
  const auto program = Bind();
  auto first = MustOpen(*program);
  auto second = MustOpen(*program);
  Progress(*first);
  Progress(*second);
  ASSERT_TRUE(WriteAndCommit(*first, Rows(*program, 0, 2, 1)).ok());
  EXPECT_EQ(WriteAndCommit(*second, Rows(*program, 0, 2, 7)).code(), Code::kFenced);
  EXPECT_EQ(Query("SELECT score FROM scores"), (Lines{"1.0", "1.0"}));
}

TEST_F(SqliteTest, TablesOfOneFileCommitTogether) {
  const auto scores = Bind();
  const auto copies = Bind(kScore, "id", "copies");
  EXPECT_EQ(scores->commit_unit(), copies->commit_unit());
  auto committer = Open({scores.get(), copies.get()}, lane_);
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  Fill(0, 2, 1);
  EncodedBatch encoded;
  ASSERT_TRUE(Encode(*scores, &encoded, 2).ok());
  Sql("CREATE TRIGGER no BEFORE INSERT ON copies BEGIN SELECT RAISE(ABORT, 'no'); END");
  EXPECT_EQ(WriteAndCommit(**committer, encoded).code(), Code::kStage);
  EXPECT_EQ(Query("SELECT count(*) FROM scores"), Lines{"0"});
  Sql("DROP TRIGGER no");
  ASSERT_TRUE(WriteAndCommit(**committer, encoded).ok());
  EXPECT_EQ(Query("SELECT count(*) FROM scores UNION ALL SELECT count(*) FROM copies"), (Lines{"2", "2"}));
  const auto again = Open({scores.get(), scores.get()}, lane_);
  EXPECT_EQ(again.status().code(), Code::kInvalid);
}

TEST_F(SqliteTest, TableAddedLaterHasNoProgressUntilItCaughtUp) {
  const auto scores = Bind();
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*scores), Rows(*scores, 0, 3, 1)).ok());
  const auto copies = Bind(kScore, "id", "copies");
  auto committer = Open({scores.get(), copies.get()}, lane_);
  ASSERT_TRUE(committer.ok());
  EXPECT_EQ(Progress(**committer), std::vector<int64_t>{kNoPosition});
  Fill(0, 4, 2);
  EncodedBatch encoded;
  ASSERT_TRUE(Encode(*scores, &encoded, 2).ok());
  ASSERT_TRUE(WriteAndCommit(**committer, NeededRows(**committer, encoded)).ok());
  EXPECT_EQ(Query("SELECT sum(score) FROM scores"), Lines{"5.0"});
  EXPECT_EQ(Query("SELECT sum(score) FROM copies"), Lines{"8.0"});
  EXPECT_EQ(Progress(**committer), std::vector<int64_t>{4});
}

TEST_F(SqliteTest, ForeignTablesAreRefusedAndLeftAlone) {
  Sql("CREATE TABLE Scores(id TEXT PRIMARY KEY, key TEXT, score REAL); INSERT INTO Scores VALUES('mine', 'k', 1)");
  const std::string foreign = Refused(*Bind());
  EXPECT_NE(foreign.find("was not made by this pipeline"), std::string::npos) << foreign;
  EXPECT_NE(foreign.find("rename it"), std::string::npos) << foreign;
  EXPECT_EQ(Query("SELECT id FROM scores"), Lines{"mine"});
  EXPECT_EQ(Query("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'anabranch_%'"), Lines{"0"});
}

TEST_F(SqliteTest, AFieldThatIsNewBecomesAColumnOfItsOwnTable) {
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*Bind()), Rows(*Bind(), 0, 3, 1)).ok());
  std::vector<TargetFields::Field> wider = kScore;
  wider.push_back({"label", 1, Type::Scalar(Kind::kString), true, nullptr});
  MustOpen(*Bind(wider));
  MustOpen(*Bind(wider));
  EXPECT_EQ(Query("SELECT count(*) || ' rows, ' || count(label) || ' labels' FROM scores"), Lines{"3 rows, 0 labels"});
}

TEST_F(SqliteTest, TableOfAnotherTopologyOrWithAnotherKeyIsRefused) {
  MustOpen(*Bind());
  EXPECT_NE(Refused(*Bind(kScore, "key")).find("upserts by \"id\""), std::string::npos);
  lane_.topology = "other";
  EXPECT_NE(Refused(*Bind()).find("belongs to the topology \"demo\""), std::string::npos);
  lane_.topology = "demo.g1";
  MustOpen(*Bind());
}

TEST_F(SqliteTest, FileThatIsNoDatabaseIsNamed) {
  std::FILE* file = std::fopen(Path().c_str(), "w");
  std::fputs(std::string(4096, 'x').c_str(), file);
  std::fclose(file);
  const auto committer = Open({Bind().get()}, lane_);
  ASSERT_FALSE(committer.ok());
  EXPECT_NE(committer.status().message().find("out.db"), std::string::npos) << committer.status().message();
}

TEST_F(SqliteTest, NamesThatCollideAreFaults) {
  const auto faults = [this](const std::vector<TargetFields::Field>& fields, const std::string& table = "scores",
                             const std::string& envelope = "") {
    faults_ = FaultSink("topology.json");
    EXPECT_EQ(Bind(fields, "id", table, envelope), nullptr);
    return faults_.errors();
  };
  const Type number = Type::Scalar(Kind::kFloat64);
  EXPECT_EQ(faults({{"ID", 0, number, true, nullptr}, {"key", 0, number, true, nullptr}}), 2u);
  EXPECT_EQ(faults_.faults()[0].code, FaultCode::kBadValue);
  EXPECT_NE(faults_.faults()[0].hint.find("\"fields\""), std::string::npos);
  EXPECT_EQ(faults({{"a", 0, number, true, nullptr}, {"A", 0, number, true, nullptr}}), 1u);
  EXPECT_EQ(faults(kScore, "sqlite_x"), 1u);
  EXPECT_EQ(faults(kScore, "anabranch_progress"), 1u);
  EXPECT_EQ(faults(kScore, "scores", "plain"), 1u);
  EXPECT_EQ(connector_->BindDeadLetters(config_.get(), nullptr, "demo", *this, faults_), nullptr);
}

TEST_F(SqliteTest, LanesWriteOneTableAtTheSameTime) {
  const auto program = Bind();
  constexpr int kLanes = 3, kEpochs = 15;
  std::vector<std::vector<EncodedBatch>> batches(kLanes);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int e = 0; e < kEpochs; ++e) batches[lane].push_back(Rows(*program, e * 10, 10, lane, {"in", lane}));
  }
  std::vector<std::thread> threads;
  for (int lane = 0; lane < kLanes; ++lane) {
    threads.emplace_back([&, lane] {
      auto committer = Open({program.get()}, lane_);
      ASSERT_TRUE(committer.ok()) << committer.status().message();
      for (const EncodedBatch& batch : batches[lane]) {
        const Status status = WriteAndCommit(**committer, batch);
        ASSERT_TRUE(status.ok()) << status.message();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  columns_ = 2;
  EXPECT_EQ(Query("SELECT score, count(*) FROM scores GROUP BY score"), (Lines{"0.0|150", "1.0|150", "2.0|150"}));
  EXPECT_EQ(Query("SELECT partition, next_offset FROM anabranch_progress ORDER BY 1"),
            (Lines{"0|150", "1|150", "2|150"}));
}

TEST_F(SqliteTest, HundredThousandRowsTakeLittleTime) {
  const auto program = Bind();
  auto committer = MustOpen(*program);
  const EncodedBatch rows = Rows(*program, 0, 100'000, 0.25);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(WriteAndCommit(*committer, rows).ok());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_LT(seconds, 5.0);
  RecordProperty("rows_per_second", std::to_string(static_cast<int64_t>(100'000 / seconds)));
}

}  // namespace
}  // namespace anabranch

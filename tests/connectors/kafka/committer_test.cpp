#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "engine/testing/needed_rows.h"
#include "tests/connectors/kafka/file_rows.h"
#include "tests/connectors/kafka/kafka_rig.h"

namespace anabranch {
namespace {

std::vector<std::string> Values(const std::vector<TestRecord>& records) {
  std::vector<std::string> values;
  for (const TestRecord& record : records) values.push_back(record.value.value_or("(null)"));
  return values;
}

TEST(KafkaTransaction, MakesRowsAndPositionsVisibleTogether) {
  const std::string in = TestBroker::MakeTopic("tx.in", 2);
  const std::string out = TestBroker::MakeTopic("tx.out", 1);
  WriteNumbered(in, 10, 2);
  TestLane lane(MakeSourceProgram({in}), "tx");
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  AwaitWritten(out, 10);
  EXPECT_TRUE(ReadAll(out).empty());  // not committed
  EXPECT_EQ(StoredOffset("anabranch.tx", in, 0), -1);
  const Status committed = (*committer)->Commit(EndOf(batch));
  ASSERT_TRUE(committed.ok()) << committed.message();
  const std::vector<TestRecord> records = ReadAll(out);
  ASSERT_EQ(records.size(), 10u);
  std::set<std::string> ids;
  for (const TestRecord& record : records) {
    EXPECT_EQ(*record.value, "out:v" + record.key->substr(1));
    ids.insert(record.Header("anabranch.id"));
  }
  EXPECT_EQ(ids.size(), 10u);
  EXPECT_TRUE(ids.contains(in + "/1/4/out")) << *ids.begin();
  EXPECT_EQ(StoredOffset("anabranch.tx", in, 0), 5);
  EXPECT_EQ(StoredOffset("anabranch.tx", in, 1), 5);
}

TEST(KafkaTransaction, KeepsEventTimeNullValuesAndAllHeadersOfDeadLetters) {
  const std::string in = TestBroker::MakeTopic("dead.in", 1);
  const std::string out = TestBroker::MakeTopic("dead.out", 1);
  WriteNumbered(in, 1, 1);
  TestLane lane(MakeSourceProgram({in}), "dead");
  ASSERT_TRUE(lane.source->Open().ok());
  KafkaTargetProgram::Settings settings;
  settings.options = TestOptions();
  settings.topic = out;
  settings.dead_letters = true;
  auto committer = lane.OpenCommitter({std::make_shared<KafkaTargetProgram>(settings)});
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  EncodedBatch batch = lane.TakeEncoded();
  EncodedRows& rows = batch.targets[0];
  rows.rows[0].timestamp_ms = 1'600'000'000'000;
  rows.rows[0].value_size = EncodedRows::kNone;
  rows.rows[0].key_size = EncodedRows::kNone;
  rows.rows[0].headers = static_cast<uint32_t>(rows.bytes.size());
  rows.AppendHeader("original", "1");
  rows.AppendHeader("nothing", {});
  rows.AppendHeader("anabranch.error.node", "score");
  rows.rows[0].headers_size = static_cast<uint32_t>(rows.bytes.size()) - rows.rows[0].headers;
  ASSERT_TRUE((*committer)->Write(batch).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  const std::vector<TestRecord> records = ReadAll(out);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_FALSE(records[0].key);
  EXPECT_FALSE(records[0].value);
  EXPECT_EQ(records[0].timestamp_ms, 1'600'000'000'000);
  ASSERT_EQ(records[0].headers.size(), 3u);
  EXPECT_EQ(records[0].headers[0].second, "1");
  EXPECT_EQ(records[0].headers[1].second, std::nullopt);
  EXPECT_EQ(records[0].headers[2].first, "anabranch.error.node");
}

TEST(KafkaTransaction, LeavesNothingVisibleAfterAnAbortAndWritesAgain) {
  const std::string in = TestBroker::MakeTopic("abort.in", 1);
  const std::string out = TestBroker::MakeTopic("abort.out", 1);
  WriteNumbered(in, 5, 1);
  TestLane lane(MakeSourceProgram({in}), "abort");
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  AwaitWritten(out, 5);  // there is something to take back
  ASSERT_TRUE((*committer)->Abort().ok());
  EXPECT_TRUE(ReadAll(out).empty());
  EXPECT_EQ(ReadAll(out, false).size(), 5u);
  EXPECT_EQ(StoredOffset("anabranch.abort", in, 0), -1);
  ASSERT_TRUE((*committer)->Write(batch).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  EXPECT_EQ(Values(ReadAll(out)), (std::vector<std::string>{"out:v0", "out:v1", "out:v2", "out:v3", "out:v4"}));
}

// Every epoch follows the last at once, so that the broker still ends its transaction.
TEST(KafkaTransaction, CommitsEpochAfterEpochWithoutWaitingForLingerOrTheClientsUsualBackoff) {
  constexpr int kEpochs = 15;
  const std::string in = TestBroker::MakeTopic("row.in", 1);
  const std::string out = TestBroker::MakeTopic("row.out", 1);
  KafkaTargetProgram::Settings settings;
  settings.options = TestOptions(TestBroker::servers(), {{"linger.ms", "1000"}});
  settings.topic = out;
  TestLane lane(MakeSourceProgram({in}), "row", 0, false);
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({std::make_shared<KafkaTargetProgram>(settings)});
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  WriteNumbered(in, 1, 1);
  ASSERT_TRUE(lane.Run(1).ok());
  EncodedBatch batch = lane.TakeEncoded();
  std::vector<double> seconds;
  for (int i = 0; i < kEpochs; ++i) {
    batch.positions.front().next = i + 1;
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE((*committer)->Write(batch).ok());
    ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::sort(seconds);
  EXPECT_LT(seconds[kEpochs / 2], 0.09);  // with a wait of 100 ms for the positions every epoch takes longer
}

TEST(KafkaTransaction, CommitsPositionsWithoutRows) {
  const std::string in = TestBroker::MakeTopic("bare.in", 1);
  const std::string out = TestBroker::MakeTopic("bare.out", 1);
  WriteNumbered(in, 5, 1);
  TestLane lane(MakeSourceProgram({in}), "bare");
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(lane.TakeEncoded())).ok());
  EXPECT_EQ(StoredOffset("anabranch.bare", in, 0), 5);
}

TEST(KafkaTransaction, GoesOnWhereTheCommitStopped) {
  const std::string in = TestBroker::MakeTopic("go.in", 1);
  const std::string out = TestBroker::MakeTopic("go.out", 1);
  for (int run = 0; run < 3; ++run) {
    WriteNumbered(in, 10, 1, run * 10);
    TestLane lane(MakeSourceProgram({in}), "go");
    ASSERT_TRUE(lane.source->Open().ok());
    auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
    ASSERT_TRUE(committer.ok());
    ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
    EXPECT_EQ(lane.rows.size(), run == 0 ? 10u : 20u - (run == 1 ? 10 : 0)) << run;
    const EncodedBatch batch = lane.TakeEncoded();
    ASSERT_TRUE((*committer)->Write(batch).ok());
    if (run == 1) continue;  // ends without a commit: the next run reads these again
    ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  }
  const std::vector<TestRecord> records = ReadAll(out);
  ASSERT_EQ(records.size(), 30u);
  for (size_t i = 0; i < records.size(); ++i) EXPECT_EQ(*records[i].value, "out:v" + std::to_string(i));
}

TEST(KafkaTransaction, WritesNoRowBelowTheGroupsPosition) {
  const std::string in = TestBroker::MakeTopic("ahead.in", 1);
  const std::string out = TestBroker::MakeTopic("ahead.out", 1);
  WriteNumbered(in, 5, 1);
  TestLane lane(MakeSourceProgram({in}), "ahead");
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  // Another target is behind: the lane is assigned anew and reads all of it again, a part at a time.
  ASSERT_EQ(WantedBy(**committer, lane.owned)[0], 5);
  EncodedBatch part = batch;
  part.targets[0].rows.resize(3);
  part.positions[0].next = 3;
  part = NeededRows(**committer, part);
  ASSERT_TRUE((*committer)->Write(part).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(part)).ok());
  EXPECT_EQ(StoredOffset("anabranch.ahead", in, 0), 5);
  const EncodedBatch again = NeededRows(**committer, batch);
  ASSERT_TRUE((*committer)->Write(again).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  EXPECT_EQ(ReadAll(out).size(), 5u);
  // A replayed dead letter has the position of its first reading, but completes that of the letter.
  EncodedBatch replayed = batch;
  replayed.targets[0].rows.resize(1);
  replayed.positions.clear();
  replayed = NeededRows(**committer, replayed);
  ASSERT_TRUE((*committer)->Write(replayed).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(replayed)).ok());
  EXPECT_EQ(ReadAll(out).size(), 6u);
}

TEST(KafkaTransaction, IsFencedByASecondProducerOfItsName) {
  const std::string in = TestBroker::MakeTopic("fence.in", 1);
  const std::string out = TestBroker::MakeTopic("fence.out", 1);
  WriteNumbered(in, 5, 1);
  TestLane lane(MakeSourceProgram({in}), "fence");
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  AwaitWritten(out, 5);
  TestLane twin(MakeSourceProgram({in}), "fence");
  ASSERT_TRUE(twin.source->Open().ok());
  ASSERT_TRUE(twin.OpenCommitter({MakeTargetProgram(out)}).ok());
  const Status committed = (*committer)->Commit(EndOf(batch));
  EXPECT_EQ(committed.code(), Code::kFenced) << committed.message();
  EXPECT_NE(committed.message().find("--instance"), std::string::npos) << committed.message();
  EXPECT_TRUE(ReadAll(out).empty());
  EXPECT_EQ(StoredOffset("anabranch.fence", in, 0), -1);
}

TEST(KafkaTransaction, IsMadeAnewOnceTheBrokerTimedItOut) {
  const std::string in = TestBroker::MakeTopic("late.in", 1);
  const std::string out = TestBroker::MakeTopic("late.out", 1);
  WriteNumbered(in, 5, 1);
  const std::vector<std::pair<std::string, std::string>> quick = {{"transaction.timeout.ms", "2000"},
                                                                  {"message.timeout.ms", "1500"}};
  TestLane lane(
      MakeSourceProgram({in}, [&](KafkaSourceSettings& s) { s.options = TestOptions(TestBroker::servers(), quick); }),
      "late");
  ASSERT_TRUE(lane.source->Open().ok());
  KafkaTargetProgram::Settings settings;
  settings.options = TestOptions(TestBroker::servers(), quick);
  settings.topic = out;
  settings.node_id = "out";
  auto committer = lane.OpenCommitter({std::make_shared<KafkaTargetProgram>(settings)});
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  // The broker looks for late transactions every 10 s by default.
  for (int i = 0; i < 130; ++i) ASSERT_TRUE(lane.Step(0.1).ok());
  const Status late = (*committer)->Commit(EndOf(batch));
  ASSERT_EQ(late.code(), Code::kAborted) << late.message();
  EXPECT_TRUE(ReadAll(out).empty());
  ASSERT_TRUE((*committer)->Write(batch).ok());
  const Status again = (*committer)->Commit(EndOf(batch));
  ASSERT_TRUE(again.ok()) << again.message();
  EXPECT_EQ(ReadAll(out).size(), 5u);
}

TEST(KafkaTransaction, IsRefusedWhenThePartitionsWentToAnotherMember) {
  const std::string in = TestBroker::MakeTopic("moved.in", 1);
  const std::string out = TestBroker::MakeTopic("moved.out", 1);
  WriteNumbered(in, 5, 1);
  const auto program = MakeSourceProgram({in});
  TestLane lane(program, "moved");
  ASSERT_TRUE(lane.source->Open().ok());
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_TRUE((*committer)->Write(batch).ok());
  TestLane heir(program, "moved");  // the same member name: takes the membership over
  ASSERT_TRUE(heir.source->Open().ok());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (heir.owned.empty() && std::chrono::steady_clock::now() < deadline) ASSERT_TRUE(heir.Step().ok());
  const Status committed = (*committer)->Commit(EndOf(batch));
  EXPECT_EQ(committed.code(), Code::kFenced) << committed.message();
  EXPECT_TRUE(ReadAll(out).empty());
  EXPECT_EQ(StoredOffset("anabranch.moved", in, 0), -1);
}

TEST(KafkaTransaction, CarriesThePositionOfAFileAndSuppressesWhatIsThere) {
  const std::string out = TestBroker::MakeTopic("file.out", 1);
  const std::vector<PartitionId> file = {0};
  {
    TestLane lane(std::make_shared<FileProgram>("cases.jsonl"), "file");
    auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
    ASSERT_TRUE(committer.ok()) << committer.status().message();
    EXPECT_EQ(WantedBy(**committer, file)[0], kNoPosition);
    const EncodedBatch batch = FileRows(0, 50);
    ASSERT_TRUE((*committer)->Write(batch).ok());
    const Status committed = (*committer)->Commit(EndOf(batch));
    ASSERT_TRUE(committed.ok()) << committed.message();
    ASSERT_TRUE((*committer)->Write(FileRows(50, 70)).ok());  // never committed
  }
  std::string metadata;
  EXPECT_EQ(StoredOffset("anabranch.file.in", out, 0, &metadata), 50);
  EXPECT_EQ(metadata, "file cases.jsonl");
  TestLane lane(std::make_shared<FileProgram>("cases.jsonl"), "file");
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  EXPECT_EQ(WantedBy(**committer, file)[0], 50);
  const EncodedBatch batch = NeededRows(**committer, FileRows(30, 80));
  ASSERT_TRUE((*committer)->Write(batch).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  EXPECT_EQ(Values(ReadAll(out)), (std::vector<std::string>{"0", "10", "20", "30", "40", "50", "60", "70"}));
}

TEST(KafkaTransaction, NeverMovesThePositionOfAFileBack) {
  const std::string out = TestBroker::MakeTopic("back.out", 1);
  const std::vector<PartitionId> file = {0};
  TestLane lane(std::make_shared<FileProgram>("cases.jsonl"), "back");
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok()) << committer.status().message();
  ASSERT_TRUE((*committer)->Write(FileRows(0, 50)).ok());
  ASSERT_TRUE((*committer)->Commit({1, {{0, 0, 50}}}).ok());
  ASSERT_EQ(WantedBy(**committer, file)[0], 50);
  const EncodedBatch earlier = NeededRows(**committer, FileRows(0, 30));
  ASSERT_TRUE((*committer)->Write(earlier).ok());
  ASSERT_TRUE((*committer)->Commit({2, {{0, 0, 30}}}).ok());
  EXPECT_EQ(StoredOffset("anabranch.back.in", out, 0), 50);
  EXPECT_EQ(ReadAll(out).size(), 5u);
}

// What a member stored tells the next owner of the partition which generation scored what.
TEST(KafkaTransaction, StoresBesideThePositionWhatScoresFromWhereOn) {
  const std::string in = TestBroker::MakeTopic("scored.in", 1);
  const std::string out = TestBroker::MakeTopic("scored.out", 1);
  WriteNumbered(in, 10, 1);
  std::string note;
  {
    TestLane lane(MakeSourceProgram({in}), "scored");
    ASSERT_TRUE(lane.source->Open().ok());
    auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
    ASSERT_TRUE(committer.ok());
    ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
    EncodedBatch batch = lane.TakeEncoded();
    batch.positions[0].scoring = {GenerationId{17}, 4, {}, 0xbadcafe};
    ASSERT_TRUE((*committer)->Write(batch).ok());
    ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
    EXPECT_EQ(StoredOffset("anabranch.scored", in, 0, &note), 10);
    EXPECT_EQ(note, "partitions=1;g=17;s=4;h=0badcafe");
    EXPECT_EQ((*committer)->Progress(lane.owned).value()[0].scoring[0], (Scoring{GenerationId{17}, 4, {}, 0xbadcafe}));
    batch.positions[0] = {batch.positions[0].partition, 0, 6, {GenerationId{16}, 0, {}}};
    ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
    StoredOffset("anabranch.scored", in, 0, &note);
    EXPECT_EQ(note, "partitions=1;g=17;s=4;h=0badcafe") << "another target was behind";
    batch.positions[0] = {batch.positions[0].partition, 10, 10, {GenerationId{18}, 10, {}}};
    ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok()) << "a switch without a row";
  }
  TestLane lane(MakeSourceProgram({in}), "scored", 0, false);
  ASSERT_TRUE(lane.source->Open().ok());
  while (lane.owned.empty()) ASSERT_TRUE(lane.Step().ok());
  ASSERT_EQ((*lane.source->StoredPositions(lane.owned))[0], 10);
  EXPECT_EQ(lane.source->StoredScoring(lane.owned[0]), (Scoring{GenerationId{18}, 10, {}}));
  ASSERT_TRUE(lane.source->CommitPositions({{{lane.owned[0], 10, 10, {GenerationId{19}, 10, {}, 1}}}}).ok());
  StoredOffset("anabranch.scored", in, 0, &note);
  EXPECT_EQ(note, "partitions=1;g=19;s=10;h=00000001") << "stored by itself, at least once";
}

TEST(KafkaTransaction, StoresWhatScoresAFileBesideItsNameAndMark) {
  const std::string out = TestBroker::MakeTopic("scored.file", 1);
  const std::vector<PartitionId> file = {0};
  for (int round = 0; round < 2; ++round) {
    TestLane lane(std::make_shared<FileProgram>("cases.jsonl", "monday"), "scoredfile");
    auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
    ASSERT_TRUE(committer.ok()) << committer.status().message();
    const auto progress = (*committer)->Progress(file);
    ASSERT_TRUE(progress.ok()) << progress.status().message();
    if (round == 1) {
      EXPECT_EQ((*progress)[0].next[0], 50);
      EXPECT_EQ((*progress)[0].scoring[0], (Scoring{GenerationId{3}, 20, {}, 5}));
      return;
    }
    ASSERT_TRUE((*committer)->Commit({1, {{0, 0, 50, {GenerationId{3}, 20, {}, 5}}}}).ok());
  }
}

TEST(KafkaTransaction, RefusesThePositionOfAnotherFile) {
  const std::string out = TestBroker::MakeTopic("other.out", 1);
  const std::vector<PartitionId> file = {0};
  for (const char* path : {"a.jsonl", "b.jsonl"}) {
    TestLane lane(std::make_shared<FileProgram>(path), "other");
    auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
    ASSERT_TRUE(committer.ok());
    const Result<std::vector<TargetProgress>> progress = (*committer)->Progress(file);
    if (std::string(path) == "b.jsonl") {
      EXPECT_EQ(progress.status().code(), Code::kInvalid);
      EXPECT_NE(progress.status().message().find("a.jsonl"), std::string::npos) << progress.status().message();
      return;
    }
    ASSERT_TRUE((*committer)->Commit({1, {{0, 0, 10}}}).ok());
  }
}

TEST(KafkaTransaction, RefusesThePositionOfAnotherFileOfTheSameName) {
  const std::string out = TestBroker::MakeTopic("replaced.out", 1);
  const std::vector<PartitionId> file = {0};
  const auto progress_with = [&](const char* content) -> Result<std::vector<int64_t>> {
    TestLane lane(std::make_shared<FileProgram>("input.jsonl", content), "replaced");
    ASSIGN_OR_RETURN(const auto committer, lane.OpenCommitter({MakeTargetProgram(out)}));
    ASSIGN_OR_RETURN(const std::vector<TargetProgress> targets, committer->Progress(file));
    const std::vector<int64_t> progress = LeastOf(targets, file.size());
    if (progress[0] == kNoPosition) RETURN_IF_ERROR(committer->Commit({1, {{0, 0, 10}}}));
    return progress;
  };
  EXPECT_EQ(progress_with("monday").value()[0], kNoPosition);
  EXPECT_EQ(progress_with("monday, and more").value()[0], 10);  // it has grown
  const Result<std::vector<int64_t>> replaced = progress_with("tuesday");
  ASSERT_EQ(replaced.status().code(), Code::kInvalid);
  EXPECT_NE(replaced.status().message().find("input.jsonl"), std::string::npos) << replaced.status().message();
  EXPECT_NE(replaced.status().message().find("--new-identity"), std::string::npos) << replaced.status().message();
}

TEST(KafkaTransaction, NamesTheOneRowThatTheTopicRefusesAndWritesNothingOfItsEpoch) {
  const std::string out = TestBroker::MakeTopic("large.out", 1);
  TestLane lane(std::make_shared<FileProgram>("large.jsonl"), "large");
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  EncodedBatch batch = FileRows(0, 200);
  EncodedRows& rows = batch.targets[0];
  rows.rows[1].value = static_cast<uint32_t>(rows.bytes.size());
  rows.rows[1].value_size = 2'000'000;
  rows.bytes.append(2'000'000, 'x');
  ASSERT_TRUE((*committer)->Write(batch).ok());
  EXPECT_EQ((*committer)->Prepare().code(), Code::kAborted);
  const std::vector<RefusedRow> refused = (*committer)->TakeRefused();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].offset, 10);
  EXPECT_EQ(refused[0].why, RefusedRow::Why::kSize);
  EXPECT_NE(refused[0].reason.find("file:in/0/10/out"), std::string::npos) << refused[0].reason;
  EXPECT_NE(refused[0].reason.find("max.message.bytes"), std::string::npos) << refused[0].reason;
  EXPECT_TRUE((*committer)->TakeRefused().empty());
  EXPECT_TRUE(ReadAll(out).empty());
  // Without it the epoch is written as any other.
  batch.targets[0].rows.erase(batch.targets[0].rows.begin() + 1);
  ASSERT_TRUE((*committer)->Write(batch).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  EXPECT_EQ(ReadAll(out).size(), 19u);
}

// Partitions that Java's default partitioner gives: murmur2(key) & 0x7fffffff, modulo the count. The hashes are
// those of the vectors in Apache Kafka's own tests of Utils.murmur2.
TEST(KafkaPartitioner, PutsKeysWhereJavaClientsPutThem) {
  constexpr int kPartitions = 7;
  const std::vector<std::pair<std::string, int32_t>> vectors = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"abc", 479470107},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971}};
  const std::string out = TestBroker::MakeTopic("murmur", kPartitions);
  TestLane lane(std::make_shared<FileProgram>("keys.jsonl"), "murmur");
  auto committer = lane.OpenCommitter({MakeTargetProgram(out)});
  ASSERT_TRUE(committer.ok());
  EncodedBatch batch = FileRows(0, static_cast<int64_t>(vectors.size()) * 10);
  for (size_t i = 0; i < vectors.size(); ++i) {
    EncodedRows::Row& row = batch.targets[0].rows[i];
    row.key = static_cast<uint32_t>(batch.targets[0].bytes.size());
    row.key_size = static_cast<uint32_t>(vectors[i].first.size());
    batch.targets[0].bytes += vectors[i].first;
  }
  ASSERT_TRUE((*committer)->Write(batch).ok());
  ASSERT_TRUE((*committer)->Commit(EndOf(batch)).ok());
  const std::vector<TestRecord> records = ReadAll(out);
  ASSERT_EQ(records.size(), vectors.size());
  for (const auto& [key, hash] : vectors) {
    for (const TestRecord& record : records) {
      if (record.key == key) {
        EXPECT_EQ(record.partition, (hash & 0x7fffffff) % kPartitions) << key;
      }
    }
  }
}

}  // namespace
}  // namespace anabranch

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "tests/connectors/kafka/kafka_rig.h"

namespace anabranch {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

TEST(KafkaSource, GivesKeysValuesHeadersAndTimestampsAsTheyWereWritten) {
  const std::string topic = TestBroker::MakeTopic("records", 1);
  WriteRecords(topic, {{.key = "a",
                        .value = "1",
                        .headers = {{"h", "x"}, {"empty", ""}, {"null", std::nullopt}},
                        .timestamp_ms = 1'700'000'000'123},
                       {.key = std::nullopt, .value = std::string("\0\xff", 2), .timestamp_ms = 1},
                       {.key = "", .value = "", .timestamp_ms = 2}});
  TestLane lane(MakeSourceProgram({topic}), "as-written");
  ASSERT_TRUE(lane.source->Open().ok());
  while (lane.events.empty()) ASSERT_TRUE(lane.Step().ok());
  RecordBatch batch;
  batch.Clear(0, 0);
  const Result<SourceEvent> event = lane.source->Poll(batch, BatchLimits{}, 10'000'000'000);
  ASSERT_TRUE(event.ok()) << event.status().message();
  ASSERT_EQ(*event, SourceEvent::kRows);
  ASSERT_EQ(batch.rows(), 3u);
  EXPECT_EQ(batch.key[0], "a");
  EXPECT_EQ(batch.payload[0], "1");
  EXPECT_EQ(batch.timestamp_ms[0], 1'700'000'000'123);
  ASSERT_EQ(batch.row_headers(0).size(), 3u);
  EXPECT_EQ(batch.row_headers(0)[0].name, "h");
  EXPECT_EQ(batch.row_headers(0)[0].value, "x");
  EXPECT_NE(batch.row_headers(0)[1].value.data(), nullptr);
  EXPECT_EQ(batch.row_headers(0)[2].value.data(), nullptr);
  EXPECT_FALSE(batch.key_present[1]);
  EXPECT_EQ(batch.payload[1], std::string_view("\0\xff", 2));
  EXPECT_TRUE(batch.key_present[2]);
  EXPECT_EQ(batch.key[2], "");
  EXPECT_EQ(batch.payload[2], "");
  ASSERT_EQ(batch.positions.size(), 1u);
  EXPECT_EQ(batch.positions[0].first, 0);
  EXPECT_EQ(batch.positions[0].next, 3);
  lane.source->Close();  // the batch still shows its records
  EXPECT_EQ(batch.payload[0], "1");
  batch.Clear(0, 0);
}

TEST(KafkaSource, GivesWhatIsAtHandAtOnceUnlessALingerIsSet) {
  const std::string topic = TestBroker::MakeTopic("at-hand", 1);
  WriteNumbered(topic, 2, 1);
  TestLane lane(MakeSourceProgram({topic}), "at-hand", 0, false);
  ASSERT_TRUE(lane.source->Open().ok());
  ASSERT_TRUE(lane.Run(2).ok());
  const auto seconds_of_poll = [&](int64_t linger_ns) {
    WriteNumbered(topic, 1, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // real time: fetched by now
    RecordBatch batch;
    batch.Clear(0, 0);
    BatchLimits limits;
    limits.linger_ns = linger_ns;
    const auto begin = Clock::now();
    const Result<SourceEvent> event = lane.source->Poll(batch, limits, 10'000'000'000);
    const double seconds = SecondsSince(begin);
    EXPECT_TRUE(event.ok() && *event == SourceEvent::kRows);
    EXPECT_EQ(batch.rows(), 1u);
    batch.Clear(0, 0);
    return seconds;
  };
  EXPECT_GE(seconds_of_poll(602'000'000), 0.6);
  double fastest = 1;  // the library waits whole milliseconds: below one it is not asked to
  for (int i = 0; i < 6 && fastest >= 0.0009; ++i) fastest = std::min(fastest, seconds_of_poll(900'000));
  EXPECT_LT(fastest, 0.0009);
  EXPECT_LT(seconds_of_poll(0), 0.3);
  EXPECT_EQ(BatchLimits{}.linger_ns, 0);
}

TEST(KafkaSource, EndsOnceWhatWasThereIsRead) {
  const std::string topic = TestBroker::MakeTopic("once", 3);
  WriteNumbered(topic, 1000, 3);
  TestLane lane(MakeSourceProgram({topic}), "once");
  ASSERT_TRUE(lane.source->Open().ok());
  const Status ran = lane.Run(SIZE_MAX);
  ASSERT_TRUE(ran.ok()) << ran.message();
  EXPECT_EQ(lane.rows.size(), 1000u);
  ASSERT_EQ(lane.events.size(), 2u);
  EXPECT_EQ(lane.events[0], SourceEvent::kAssigned);
  EXPECT_EQ(lane.events[1], SourceEvent::kEnd);
  WriteNumbered(topic, 10, 3);  // later than "once"
  const Result<SourceEvent> after = lane.Step(0.5);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(*after, SourceEvent::kEnd);
  EXPECT_EQ(lane.rows.size(), 1000u);
}

// Seconds from the assignment to the end of `topic`, of which `rows` records become rows.
double SecondsToRead(const std::string& topic, size_t rows,
                     const std::vector<std::pair<std::string, std::string>>& properties) {
  TestLane lane(MakeSourceProgram({topic},
                                  [&](KafkaSourceSettings& settings) {
                                    settings.options = TestOptions(TestBroker::servers(), properties);
                                  }),
                topic);
  EXPECT_TRUE(lane.source->Open().ok());
  while (lane.events.empty() && lane.Step().ok()) {
  }
  const auto begin = Clock::now();
  const Status ran = lane.Run(SIZE_MAX, 40);
  EXPECT_TRUE(ran.ok()) << ran.message();
  EXPECT_EQ(lane.rows.size(), rows);
  return SecondsSince(begin);
}

// The client library below 2.2 sleeps a second whenever its queue was full.
TEST(KafkaSource, FetchesOnAsSoonAsItsQueueHasRoom) {
  const std::string topic = TestBroker::MakeTopic("ahead", 1);
  constexpr int kWrites = 15, kEach = 20;
  for (int i = 0; i < kWrites; ++i) WriteNumbered(topic, kEach, 1, i * kEach);
  EXPECT_LT(SecondsToRead(topic, kWrites * kEach, {{"queued.min.messages", "5"}, {"fetch.message.max.bytes", "500"}}),
            3)
      << kWrites << " fetches, each of which fills the queue";
}

TEST(KafkaSource, FetchesOnPastRecordsThatBecomeNoRow) {
  const std::string topic = TestBroker::MakeTopic("ahead.tombs", 1);
  constexpr int kWrites = 15;
  for (int i = 0; i < kWrites; ++i) WriteRecords(topic, std::vector<TestRecord>(20, {.key = "k", .partition = 0}));
  WriteNumbered(topic, 1, 1);
  EXPECT_LT(SecondsToRead(topic, 1, {{"queued.min.messages", "5"}, {"fetch.message.max.bytes", "500"}}), 3)
      << kWrites << " fetches, each of which fills the queue";
}

TEST(KafkaSource, GivesTheLaneItsTurnWhileRecordsComeThatBecomeNoRow) {
  const std::string topic = TestBroker::MakeTopic("tombs.turn", 1);
  WriteRecords(topic, std::vector<TestRecord>(20'000, {.key = "k", .partition = 0}));
  TestLane lane(MakeSourceProgram({topic}), "tombs.turn", 0, false);
  ASSERT_TRUE(lane.source->Open().ok());
  while (lane.events.empty()) ASSERT_TRUE(lane.Step().ok());
  RecordBatch batch;
  batch.partitions = &lane.table;
  BatchLimits limits;
  limits.max_rows = 1;
  uint64_t before = lane.kafka().tombstones();
  int64_t next = 0;
  const auto begin = Clock::now();
  while ((before < 20'000 || next < 20'000) && SecondsSince(begin) < 20) {
    const SourceEvent event = lane.source->Poll(batch, limits, 2'000'000'000).value();
    ASSERT_TRUE(event == SourceEvent::kIdle || event == SourceEvent::kPositions) << static_cast<int>(event);
    if (event == SourceEvent::kPositions) {
      ASSERT_EQ(batch.positions.size(), 1u);
      EXPECT_EQ(batch.positions[0].first, next);
      next = batch.positions[0].next;
    }
    batch.positions.clear();
    EXPECT_LE(lane.kafka().tombstones() - before, 4100u);
    before = lane.kafka().tombstones();
  }
  EXPECT_EQ(before, 20'000u);
  EXPECT_EQ(next, 20'000) << "the lag of such a partition reaches 0 only if its positions are reported";
}

TEST(KafkaSource, FetchesOnAsSoonAsItsQueueHasRoomInBytes) {
  const std::string topic = TestBroker::MakeTopic("ahead.bytes", 1);
  constexpr int kWrites = 40, kEach = 100;
  const TestRecord record{.key = "k", .value = std::string(8 << 10, 'v'), .partition = 0};
  for (int i = 0; i < kWrites; ++i) WriteRecords(topic, std::vector<TestRecord>(kEach, record));
  EXPECT_LT(SecondsToRead(topic, kWrites * kEach, {{"queued.max.messages.kbytes", "512"}}), 3)
      << kWrites << " fetches, each of which fills the queue";
}

// The client would have to wait for the ticket server.
TEST(KafkaSource, WakesNoClientThatLogsInByTicket) {
  const auto can_fetch_on = [](const std::string& protocol, const std::string& mechanism) {
    const auto client = KafkaClient::Make(KafkaClient::Kind::kConsumer,
                                          TestOptions("127.0.0.1:1", {{"security.protocol", protocol},
                                                                      {"sasl.mechanism", mechanism},
                                                                      {"sasl.username", "alice"},
                                                                      {"sasl.password", "wonderland"}}),
                                          {{"sasl.kerberos.min.time.before.relogin", "0"}, {"group.id", "g"}}, {}, {});
    EXPECT_TRUE(client.ok()) << client.status().message();
    return client.ok() && (*client)->can_fetch_on();
  };
  const bool sleeps = can_fetch_on("plaintext", "GSSAPI");  // the library below 2.2
  EXPECT_EQ(can_fetch_on("SASL_PLAINTEXT", "PLAIN"), sleeps);
  EXPECT_FALSE(can_fetch_on("SASL_PLAINTEXT", "GSSAPI"));
}

TEST(KafkaSource, EndsOnAnEmptyTopicAtOnce) {
  const std::string topic = TestBroker::MakeTopic("empty", 2);
  TestLane lane(MakeSourceProgram({topic}), "empty");
  ASSERT_TRUE(lane.source->Open().ok());
  const auto begin = Clock::now();
  ASSERT_TRUE(lane.Run(1, 10).ok());
  EXPECT_EQ(lane.events.back(), SourceEvent::kEnd);
  EXPECT_LT(SecondsSince(begin), 8);
}

TEST(KafkaSource, DropsTombstonesAndGoesPastThem) {
  const std::string topic = TestBroker::MakeTopic("tombs", 1);
  WriteRecords(topic, {{.key = "a", .value = "1"}, {.key = "b", .value = std::nullopt}, {.key = "c", .value = "3"}});
  TestLane lane(MakeSourceProgram({topic}), "tombs");
  ASSERT_TRUE(lane.source->Open().ok());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  ASSERT_EQ(lane.rows.size(), 2u);
  EXPECT_EQ(lane.rows[1].offset, 2);
  EXPECT_EQ(lane.kafka().tombstones(), 1u);
  const EncodedBatch batch = lane.TakeEncoded();
  ASSERT_EQ(batch.positions.size(), 1u);
  EXPECT_EQ(batch.positions[0].next, 3);
  EXPECT_EQ(lane.warnings.size(), 0u);
  lane.source->Close();
  ASSERT_EQ(lane.warnings.size(), 1u);
  EXPECT_NE(lane.warnings[0].find("1 without a value (tombstones) dropped"), std::string::npos);
}

TEST(KafkaSource, BeginsAndEndsWhereItIsTold) {
  const std::string topic = TestBroker::MakeTopic("bounds", 1);
  std::vector<TestRecord> records;
  for (int i = 0; i < 20; ++i)
    records.push_back({.key = "k", .value = std::to_string(i), .timestamp_ms = 1'000'000 + i * 1000});
  WriteRecords(topic, records);
  TestLane lane(MakeSourceProgram({topic},
                                  [&](KafkaSourceSettings& s) {
                                    s.start = {PositionRule::Kind::kOffsets, 0, {{{topic, 0}, 5}}};
                                    s.end = {PositionRule::Kind::kTimestamp, 1'000'000 + 12 * 1000, {}};
                                  }),
                "bounds", 0, false);
  ASSERT_TRUE(lane.program->bounded());
  ASSERT_TRUE(lane.source->Open().ok());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  ASSERT_EQ(lane.rows.size(), 7u);
  EXPECT_EQ(lane.rows.front().value, "5");
  EXPECT_EQ(lane.rows.back().value, "11");
}

TEST(KafkaSource, BeginsAtLatestWithWhatComesAfter) {
  const std::string topic = TestBroker::MakeTopic("latest", 1);
  WriteNumbered(topic, 5, 1);
  TestLane lane(MakeSourceProgram({topic}, [](KafkaSourceSettings& s) { s.start.kind = PositionRule::Kind::kLatest; }),
                "latest", 0, false);
  ASSERT_TRUE(lane.source->Open().ok());
  while (lane.events.empty()) ASSERT_TRUE(lane.Step().ok());
  WriteNumbered(topic, 3, 1, 100);
  ASSERT_TRUE(lane.Run(3).ok());
  EXPECT_EQ(lane.rows[0].value, "v100");
}

TEST(KafkaSource, GoesOnAtTheStoredPosition) {
  const std::string topic = TestBroker::MakeTopic("resume", 2);
  WriteNumbered(topic, 100, 2);
  {
    TestLane lane(MakeSourceProgram({topic}), "resume");
    ASSERT_TRUE(lane.source->Open().ok());
    ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
    ASSERT_EQ(lane.rows.size(), 100u);
    std::vector<PositionRange> ranges = lane.TakeEncoded().positions;
    for (PositionRange& range : ranges) range.next = 30;
    const Status stored = lane.source->CommitPositions(ranges);
    ASSERT_TRUE(stored.ok()) << stored.message();
  }
  EXPECT_EQ(StoredOffset("anabranch.resume", topic, 0), 30);
  const auto begin = Clock::now();
  TestLane lane(MakeSourceProgram({topic}), "resume");
  ASSERT_TRUE(lane.source->Open().ok());
  ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
  EXPECT_EQ(lane.rows.size(), 40u);
  EXPECT_EQ(lane.rows[0].offset, 30);
  EXPECT_LT(SecondsSince(begin), 5) << "the static member did not come back at once";
}

TEST(KafkaSource, SharesPartitionsAndTakesThemOver) {
  const std::string topic = TestBroker::MakeTopic("share", 4);
  const auto program = MakeSourceProgram({topic}, [](KafkaSourceSettings& s) {
    s.options = TestOptions(TestBroker::servers(), {{"session.timeout.ms", "6000"}});
  });
  EXPECT_EQ(program->Lanes(2), 2);
  EXPECT_EQ(program->Lanes(16), 4);
  TestLane first(program, "share", 0, false);
  auto second = std::make_unique<TestLane>(program, "share", 1, false);
  ASSERT_TRUE(first.source->Open().ok());
  while (first.owned.size() < 4) {
    const Result<SourceEvent> step = first.Step();
    ASSERT_TRUE(step.ok()) << step.status().message();
  }
  ASSERT_TRUE(second->source->Open().ok());
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while ((first.owned.size() != 2 || second->owned.size() != 2) && Clock::now() < deadline) {
    ASSERT_TRUE(first.Step(0.02).ok());
    ASSERT_TRUE(second->Step(0.02).ok());
  }
  ASSERT_EQ(first.owned.size(), 2u);
  ASSERT_EQ(second->owned.size(), 2u);
  EXPECT_EQ(first.events, (std::vector{SourceEvent::kAssigned, SourceEvent::kRevoked, SourceEvent::kAssigned}));
  WriteNumbered(topic, 400, 4);
  while (first.rows.size() + second->rows.size() < 400 && Clock::now() < deadline) {
    ASSERT_TRUE(first.Step(0.02).ok());
    ASSERT_TRUE(second->Step(0.02).ok());
  }
  std::set<std::pair<std::string, int64_t>> seen;
  for (const TestLane* lane : {&first, second.get()}) {
    for (const TestLane::Row& row : lane->rows) EXPECT_TRUE(seen.emplace(row.source, row.offset).second);
  }
  EXPECT_EQ(seen.size(), 400u);
  second.reset();  // gone: its session runs out
  const auto gone = Clock::now();
  while (first.owned.size() != 4 && SecondsSince(gone) < 20) ASSERT_TRUE(first.Step(0.05).ok());
  EXPECT_EQ(first.owned.size(), 4u);
}

TEST(KafkaSource, EndsOnlyAfterTheLanesOfAnEarlierRunAreGone) {
  const std::string topic = TestBroker::MakeTopic("fewer", 4);
  WriteNumbered(topic, 40, 4);
  const auto program = MakeSourceProgram({topic}, [](KafkaSourceSettings& s) {
    s.options = TestOptions(TestBroker::servers(), {{"session.timeout.ms", "6000"}});
  });
  {
    TestLane first(program, "fewer", 0, false);
    TestLane second(program, "fewer", 1, false);
    ASSERT_TRUE(first.source->Open().ok());
    ASSERT_TRUE(second.source->Open().ok());
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    while ((first.owned.size() != 2 || second.owned.size() != 2) && Clock::now() < deadline) {
      ASSERT_TRUE(first.Step(0.02).ok());
      ASSERT_TRUE(second.Step(0.02).ok());
    }
    ASSERT_EQ(second.owned.size(), 2u);
  }
  TestLane alone(program, "fewer");
  ASSERT_TRUE(alone.source->Open().ok());
  ASSERT_TRUE(alone.Run(SIZE_MAX).ok());
  std::set<std::pair<std::string, int64_t>> seen;
  for (const TestLane::Row& row : alone.rows) seen.emplace(row.source, row.offset);
  EXPECT_EQ(seen.size(), 40u);
}

TEST(KafkaSource, StopsWhenAPositionIsNoLongerThere) {
  const std::string topic = TestBroker::MakeTopic("expired", 1);
  WriteNumbered(topic, 50, 1);
  {
    TestLane lane(MakeSourceProgram({topic}), "expired");
    ASSERT_TRUE(lane.source->Open().ok());
    ASSERT_TRUE(lane.Run(SIZE_MAX).ok());
    std::vector<PositionRange> ranges = lane.TakeEncoded().positions;
    ranges[0].next = 10;
    ASSERT_TRUE(lane.source->CommitPositions(ranges).ok());
  }
  TestBroker::DeleteRecordsBefore(topic, 0, 20);
  TestLane lane(MakeSourceProgram({topic}), "expired");
  ASSERT_TRUE(lane.source->Open().ok());
  const Status ran = lane.Run(SIZE_MAX);
  EXPECT_EQ(ran.code(), Code::kStage) << ran.message();
  EXPECT_NE(ran.message().find("no longer has position 10"), std::string::npos) << ran.message();
  EXPECT_TRUE(lane.rows.empty());
  const std::vector<LostPosition> lost = lane.source->lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].why, LostPosition::Why::kOutOfRange);
  const Result<int64_t> readable = lane.source->FirstReadable(lost[0], kNoPosition);
  ASSERT_TRUE(readable.ok()) << readable.status().message();
  EXPECT_EQ(*readable, 20);
}

TEST(KafkaSource, WaitsForTheTransactionOfAProcessThatDied) {
  const std::string topic = TestBroker::MakeTopic("orphan", 1);
  TestLane lane(MakeSourceProgram({topic}), "orphan", 0, false);
  ASSERT_TRUE(lane.source->Open().ok());
  while (lane.owned.empty()) ASSERT_TRUE(lane.Step().ok());
  // The default timeout; the broker looks for late transactions every 10 s.
  LeaveTransactionOpen("anabranch.orphan", topic, 0, 7, 10'000);
  const auto begin = Clock::now();
  const Result<std::vector<int64_t>> stored = lane.source->StoredPositions(lane.owned);
  ASSERT_TRUE(stored.ok()) << stored.status().message() << " after " << SecondsSince(begin) << " s";
  EXPECT_EQ((*stored)[0], kNoPosition);
  EXPECT_GT(SecondsSince(begin), 5.0) << "there was nothing to wait for";
}

TEST(KafkaSource, StopsWaitingForATransactionWhenToldTo) {
  const std::string topic = TestBroker::MakeTopic("impatient", 1);
  TestLane lane(MakeSourceProgram({topic}), "impatient", 0, false);
  ASSERT_TRUE(lane.source->Open().ok());
  while (lane.owned.empty()) ASSERT_TRUE(lane.Step().ok());
  LeaveTransactionOpen("anabranch.impatient", topic, 0, 7, 10'000);
  std::thread operator_([&lane] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // real time: it waits by then, as a rule
    lane.cancel.Raise(CancelToken::kNow);
  });
  const auto begin = Clock::now();
  const Result<std::vector<int64_t>> stored = lane.source->StoredPositions(lane.owned);
  operator_.join();
  EXPECT_EQ(stored.status().code(), Code::kCancelled) << stored.status().message();
  EXPECT_LT(SecondsSince(begin), 4.0);
}

TEST(KafkaSource, StopsWhenAnotherProcessTakesItsName) {
  const std::string topic = TestBroker::MakeTopic("twins", 1);
  TestLane first(MakeSourceProgram({topic}), "twins", 0, false);
  ASSERT_TRUE(first.source->Open().ok());
  while (first.owned.empty()) ASSERT_TRUE(first.Step().ok());
  TestLane second(MakeSourceProgram({topic}), "twins", 0, false);
  ASSERT_TRUE(second.source->Open().ok());
  Status stopped;
  const auto begin = Clock::now();
  while (stopped.ok() && SecondsSince(begin) < 15) {
    const Result<SourceEvent> one = first.Step(0.02);
    if (!one.ok()) stopped = one.status();
    ASSERT_TRUE(second.Step(0.02).ok());
  }
  EXPECT_EQ(stopped.code(), Code::kFenced) << stopped.message();
  EXPECT_NE(stopped.message().find("--instance"), std::string::npos) << stopped.message();
  EXPECT_EQ(second.owned.size(), 1u);
}

}  // namespace
}  // namespace anabranch

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <thread>

#include "engine/testing/needed_rows.h"
#include "tests/connectors/file/file_fixture.h"

namespace anabranch {
namespace {

class FileTargetTest : public FileFixture {
 protected:
  void SetUp() override {
    FileFixture::SetUp();
    Put("in", "");
    const auto config = LinkConfig(ConfigObject({{"file", ConfigObject({{"path", "in"}})}, {"key", "position"}}));
    source_program_ = connector_->BindSource(*config->Find("file"), "in", *this, faults_);
    source_ = std::move(*source_program_->OpenLane(lane_));
  }

  std::shared_ptr<const TargetProgram> Bind(const std::string& envelope = "", const std::string& path = "out") {
    config_ = LinkConfig(ConfigObject({{"path", path}}));
    TargetFields fields;
    fields.node_id = "keep";
    fields.envelope = envelope;
    fields.fields = {{"score", 0, Type::Scalar(Kind::kFloat64), true, nullptr},
                     {"label", 1, Type::Scalar(Kind::kString), true, nullptr}};
    return connector_->BindTarget(*config_, fields, *this, faults_);
  }

  // Rows at offsets first, first+1, … with the score = offset.
  void Fill(int64_t first, int64_t count, const SourcePartition& from = {"in", 0}) {
    batch_.Clear(2, 1);
    batch_.partitions = &table_;
    const PartitionId partition = *table_.Find(from);
    std::vector<Cell> scores(static_cast<size_t>(count));
    const std::vector<Cell> labels(scores.size());
    for (int64_t offset = first; offset < first + count; ++offset) {
      batch_.AddRow(partition, offset, 5, "k", true, "{\"raw\": 1}");
      scores[static_cast<size_t>(offset - first)].value = static_cast<double>(offset);
    }
    FillColumn(&batch_.columns[0], Type::Scalar(Kind::kFloat64), scores);
    FillColumn(&batch_.columns[1], Type::Scalar(Kind::kString), labels);
  }
  EncodedBatch Encode(const TargetProgram& program) {
    EncodedBatch encoded;
    encoded.Clear(1);
    const std::vector<uint8_t> active(batch_.rows(), 1);
    EXPECT_TRUE(program.MakeEncoder({})->Encode(batch_, active, &encoded.targets[0]).ok());
    if (batch_.rows() > 0) {
      encoded.positions = {{batch_.partition[0], batch_.offset.front(), batch_.offset.back() + 1}};
    }
    return encoded;
  }
  EncodedBatch Rows(const TargetProgram& program, int64_t first, int64_t count,
                    const SourcePartition& from = {"in", 0}) {
    Fill(first, count, from);
    return Encode(program);
  }
  Result<std::unique_ptr<Committer>> Open(const TargetProgram& program) {
    auto committer = connector_->OpenCommitter(lane_, {{TargetId(0), &program}}, *source_program_, *source_);
    if (committer.ok()) RETURN_IF_ERROR((*committer)->Open());
    return committer;
  }
  std::unique_ptr<Committer> MustOpen(const TargetProgram& program) {
    auto committer = Open(program);
    EXPECT_TRUE(committer.ok()) << committer.status().message();
    return committer.ok() ? std::move(*committer) : nullptr;
  }
  void NoteWriting(const TargetProgram& program) {
    ASSERT_TRUE(ledger_->Put({{"writing:" + program.commit_unit(), "1"}}).ok());
  }
  static Status WriteAndCommit(Committer& committer, const EncodedBatch& batch) {
    RETURN_IF_ERROR(committer.Write(batch));
    return committer.Commit({1, batch.positions});
  }
  static std::string Lines(int64_t first, int64_t count, const std::string& from = "in/0") {
    std::string text;
    for (int64_t offset = first; offset < first + count; ++offset) {
      text += "{\"id\":\"" + from + "/" + std::to_string(offset) +
              "/keep\",\"key\":\"k\",\"value\":{\"score\":" + std::to_string(offset) + ",\"label\":null}}\n";
    }
    return text;
  }
  std::string Message(const TargetProgram& program, Code code) {
    const auto committer = Open(program);
    EXPECT_EQ(committer.status().code(), code);
    return committer.status().message();
  }

  std::unique_ptr<const ConfigValue> config_;
  RecordBatch batch_;
  std::shared_ptr<const SourceProgram> source_program_;
  std::unique_ptr<Source> source_;
};

TEST_F(FileTargetTest, LinesHoldIdentityKeyAndFields) {
  const auto program = Bind();
  Fill(7, 3);
  batch_.key[1] = "\xFF";
  batch_.key_present[2] = 0;
  FillColumn(&batch_.columns[0], Type::Scalar(Kind::kFloat64), {0.5, nullptr, 2.25});
  FillColumn(&batch_.columns[1], Type::Scalar(Kind::kString), {"a\"b", "é", nullptr});
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Encode(*program)).ok());
  EXPECT_EQ(Get("out"),
            "{\"id\":\"in/0/7/keep\",\"key\":\"k\",\"value\":{\"score\":0.5,\"label\":\"a\\\"b\"}}\n"
            "{\"id\":\"in/0/8/keep\",\"key_base64\":\"/w==\",\"value\":{\"score\":null,\"label\":\"é\"}}\n"
            "{\"id\":\"in/0/9/keep\",\"key\":null,\"value\":{\"score\":2.25,\"label\":null}}\n");
}

TEST_F(FileTargetTest, PlainAndRawEnvelopes) {
  const auto plain = Bind("plain", "plain");
  auto committer = MustOpen(*plain);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*plain, 1, 1)).ok());
  EXPECT_EQ(Get("plain"), "{\"score\":1,\"label\":null}\n");
  const auto raw = Bind("raw", "raw");
  committer = MustOpen(*raw);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*raw, 1, 2)).ok());
  EXPECT_EQ(Get("raw"), "{\"raw\": 1}\n{\"raw\": 1}\n");
  EXPECT_EQ(Bind("cloudevents"), nullptr);
  EXPECT_EQ(Bind("", "../x"), nullptr);
  EXPECT_EQ(faults_.faults().size(), 2u);
}

TEST_F(FileTargetTest, InactiveRowsAreNotWritten) {
  const auto program = Bind("plain");
  Fill(0, 3);
  EncodedRows rows;
  ASSERT_TRUE(program->MakeEncoder({})->Encode(batch_, std::vector<uint8_t>{0, 1, 0}, &rows).ok());
  ASSERT_EQ(rows.rows.size(), 1u);
  EXPECT_EQ(rows.rows[0].offset, 1);
}

TEST_F(FileTargetTest, NothingIsVisibleBeforeTheCommitAndAbortDropsIt) {
  const auto program = Bind();
  auto committer = MustOpen(*program);
  ASSERT_TRUE(committer->Write(Rows(*program, 0, 2)).ok());
  EXPECT_EQ(Get("out"), "");
  ASSERT_TRUE(committer->Abort().ok());
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 1)).ok());
  EXPECT_EQ(Get("out"), Lines(0, 1));
}

TEST_F(FileTargetTest, ResumesFromTheLedgerAndSuppressesWhatItHas) {
  const auto program = Bind();
  const PartitionId partition = *table_.Find({"in", 0});
  auto committer = MustOpen(*program);
  EXPECT_EQ(WantedBy(*committer, {partition}), std::vector<int64_t>{kNoPosition});
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 3)).ok());
  committer.reset();
  Restart();
  committer = MustOpen(*program);
  EXPECT_EQ(WantedBy(*committer, {partition}), std::vector<int64_t>{3});
  ASSERT_TRUE(committer->Write(NeededRows(*committer, Rows(*program, 1, 4))).ok());
  ASSERT_TRUE(committer->Commit({2, {{partition, 1, 5}}}).ok());
  EXPECT_EQ(Get("out"), Lines(0, 5));
}

TEST_F(FileTargetTest, ReplayedRowIsWrittenOnceByThePositionOfItsLetter) {
  const auto program = Bind();
  const PartitionId letters = *table_.Find({"in.dead", 0});
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 3)).ok());
  EncodedBatch replayed = Rows(*program, 1, 1);
  replayed.replayed = std::make_shared<ReplayedLetter>();
  replayed.positions = {{letters, 70, 140}};  // what it completes is the dead letter
  ASSERT_TRUE(WriteAndCommit(*committer, replayed).ok());
  ASSERT_TRUE(WriteAndCommit(*committer, NeededRows(*committer, replayed)).ok())
      << "again, for a target that was behind";
  ASSERT_TRUE(WriteAndCommit(*committer, NeededRows(*committer, Rows(*program, 1, 3))).ok());
  EXPECT_EQ(Get("out"), Lines(0, 3) + Lines(1, 1) + Lines(3, 1));
}

TEST_F(FileTargetTest, UncommittedEndIsCutOffAtTheNextOpen) {
  const auto program = Bind();
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 2)).ok());
  committer.reset();
  Append("out", Lines(2, 1) + "{\"id\":\"in/0/3/ke");
  NoteWriting(*program);  // what a killed process leaves
  Restart();
  std::string warned;
  lane_.warn = [&warned](const std::string& line) { warned += line; };
  committer = MustOpen(*program);
  EXPECT_EQ(Get("out"), Lines(0, 2));
  EXPECT_NE(warned.find("uncommitted bytes off the end of " + Path("out")), std::string::npos) << warned;
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 2, 2)).ok());
  EXPECT_EQ(Get("out"), Lines(0, 4));
}

TEST_F(FileTargetTest, LinesOfSomebodyElseAtTheEndAreRefusedAndThePrintedCureKeepsThem) {
  const auto program = Bind();
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*program), Rows(*program, 0, 2)).ok());
  Append("out", "precious\n");
  Restart();
  const std::string message = Message(*program, Code::kInvalid);
  EXPECT_NE(message.find("has 9 bytes behind"), std::string::npos) << message;
  EXPECT_EQ(Get("out"), Lines(0, 2) + "precious\n");
  ASSERT_EQ(std::system(message.substr(message.find("tail -c")).c_str()), 0) << message;
  EXPECT_EQ(Get("out.foreign"), "precious\n");
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*program), Rows(*program, 2, 2)).ok());
  EXPECT_EQ(Get("out"), Lines(0, 4));
}

TEST_F(FileTargetTest, FileThatIsDeletedOrReplacedMeanwhileTakesNothingMore) {
  const auto program = Bind();
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 2)).ok());
  std::filesystem::rename(Path("out"), Path("moved"));
  Status status = WriteAndCommit(*committer, Rows(*program, 2, 1));
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_NE(status.message().find("was deleted while"), std::string::npos) << status.message();
  committer.reset();
  std::filesystem::rename(Path("moved"), Path("out"));  // the cure
  committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 2, 1)).ok());
  std::filesystem::copy(Path("out"), Path("other"));
  std::filesystem::rename(Path("other"), Path("out"));
  status = WriteAndCommit(*committer, Rows(*program, 3, 1));
  EXPECT_NE(status.message().find("was replaced while"), std::string::npos) << status.message();
}

TEST_F(FileTargetTest, WhatIsCommittedIsMissedWhenItIsGone) {
  const auto program = Bind();
  EXPECT_TRUE(program->CheckThere(Path("state"), *ledger_).ok()) << "nothing was written yet";
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*program), Rows(*program, 0, 2)).ok());
  EXPECT_TRUE(program->CheckThere(Path("state"), *ledger_).ok());
  std::filesystem::resize_file(Path("out"), 5);
  EXPECT_EQ(program->CheckThere(Path("state"), *ledger_).code(), Code::kInvalid);
  std::filesystem::remove(Path("out"));
  EXPECT_NE(program->CheckThere(Path("state"), *ledger_).message().find("is gone"), std::string::npos);
}

TEST_F(FileTargetTest, AProjectThatMovesKeepsItsFiles) {
  const auto program = Bind();
  EXPECT_EQ(program->commit_unit(), "file:out") << "no path of this machine";
}

TEST_F(FileTargetTest, EpochWithoutRowsMovesProgressOnly) {
  const auto program = Bind();
  auto committer = MustOpen(*program);
  const PartitionId partition = *table_.Find({"in", 0});
  ASSERT_TRUE(committer->Commit({1, {{partition, 0, 9}}}).ok());
  EXPECT_EQ(WantedBy(*committer, {partition}), std::vector<int64_t>{9});
  EXPECT_EQ(Get("out"), "");
}

TEST_F(FileTargetTest, WhatScoresFromWhereOnStandsBesideTheProgress) {
  const auto program = Bind();
  Fill(0, 1);
  const PartitionId partition = batch_.partition[0];
  const auto scoring = [&](Committer& committer) { return committer.Progress({{partition}}).value()[0].scoring[0]; };
  {
    auto committer = MustOpen(*program);
    EXPECT_EQ(scoring(*committer), Scoring());
    ASSERT_TRUE(committer->Commit({1, {{partition, 0, 3, {GenerationId{17}, 2, {}, 0xbadcafe}}}}).ok());
  }
  auto committer = MustOpen(*program);
  EXPECT_EQ(scoring(*committer), (Scoring{GenerationId{17}, 2, {}, 0xbadcafe}));
  ASSERT_TRUE(committer->Commit({2, {{partition, 0, 2, {GenerationId{16}, 0, {}}}}}).ok());
  EXPECT_EQ(scoring(*committer).generation, 17) << "another target was behind";
  ASSERT_TRUE(committer->Commit({3, {{partition, 3, 3, {GenerationId{18}, 3, {}}}}}).ok());
  EXPECT_EQ(scoring(*committer), (Scoring{GenerationId{18}, 3, {}})) << "a switch without a row";
  ASSERT_TRUE(committer->MoveProgress({{partition}}, {{1}}).ok());
  EXPECT_EQ(scoring(*committer), (Scoring{GenerationId{18}, 1, {}}));
}

TEST_F(FileTargetTest, ForeignFileIsRefusedAndLeftAlone) {
  Put("out", "precious\n");
  const std::string message = Message(*Bind(), Code::kInvalid);
  EXPECT_NE(message.find("not owned by this pipeline"), std::string::npos) << message;
  EXPECT_NE(message.find("move it away"), std::string::npos) << message;
  EXPECT_EQ(Get("out"), "precious\n");
}

TEST_F(FileTargetTest, ReplacedOrShortenedFileIsRefusedAndLeftAlone) {
  const auto program = Bind();
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*program), Rows(*program, 0, 2)).ok());
  Put("out", "short\n");
  EXPECT_NE(Message(*program, Code::kInvalid).find("cut or replaced"), std::string::npos);
  EXPECT_EQ(Get("out"), "short\n");
  const std::string other(4096, 'x');
  Put("out", other);
  EXPECT_NE(Message(*program, Code::kInvalid).find("is not the file"), std::string::npos);
  EXPECT_EQ(Get("out"), other);
  std::filesystem::remove(Path("out"));
  EXPECT_NE(Message(*program, Code::kInvalid).find("is gone"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(Path("out")));
}

TEST_F(FileTargetTest, FirstEpochThatDidNotCommitLeavesNothing) {
  Put("out", "half a ro");
  const auto program = Bind();
  ASSERT_TRUE(ledger_->PutTarget(program->commit_unit(), {}).ok());
  NoteWriting(*program);
  MustOpen(*program);
  EXPECT_EQ(Get("out"), "");
}

TEST_F(FileTargetTest, DiscardEmptiesAFileOfOursAlsoWhenItWasCut) {
  const auto program = Bind();
  EXPECT_TRUE(program->CanDiscard());
  auto committer = MustOpen(*program);
  ASSERT_TRUE(WriteAndCommit(*committer, Rows(*program, 0, 3)).ok());
  committer.reset();
  ASSERT_TRUE(program->Discard(*ledger_).ok());
  EXPECT_EQ(Get("out"), "");
  EXPECT_TRUE(program->Discard(*ledger_).ok()) << "again, after a crash behind the cut";
  std::filesystem::remove(Path("out"));
  EXPECT_TRUE(program->Discard(*ledger_).ok()) << "nothing there is nothing to empty";
}

TEST_F(FileTargetTest, DiscardLeavesAForeignFileAlone) {
  Put("out", "somebody else's\n");
  const auto program = Bind();
  EXPECT_TRUE(program->Discard(*ledger_).ok());
  EXPECT_EQ(Get("out"), "somebody else's\n");
}

TEST_F(FileTargetTest, FileThatAnotherProcessWritesIsRefused) {
  Put("out", "");
  const int fd = open(Path("out").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  EXPECT_NE(Message(*Bind(), Code::kRetry).find("another process writes"), std::string::npos);
  close(fd);
}

TEST_F(FileTargetTest, MissingFolderIsNamed) {
  EXPECT_NE(Message(*Bind("", "no/such/out"), Code::kUnavailable).find("no/such/out"), std::string::npos);
}

TEST_F(FileTargetTest, LanesShareOneFileEpochByEpoch) {
  const auto program = Bind();
  constexpr int kLanes = 4, kEpochs = 20;
  std::vector<std::unique_ptr<SourceTable>> tables;
  std::vector<LaneContext> contexts(kLanes, lane_);
  std::vector<std::vector<EncodedBatch>> batches(kLanes);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int e = 0; e < kEpochs; ++e) batches[lane].push_back(Rows(*program, e * 10, 10, {"in", lane}));
    contexts[lane].lane = lane;
  }
  std::vector<std::thread> threads;
  for (int lane = 0; lane < kLanes; ++lane) {
    threads.emplace_back([&, lane] {
      auto committer =
          connector_->OpenCommitter(contexts[lane], {{TargetId(0), program.get()}}, *source_program_, *source_);
      ASSERT_TRUE(committer.ok() && (*committer)->Open().ok());
      for (const EncodedBatch& batch : batches[lane]) ASSERT_TRUE(WriteAndCommit(**committer, batch).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::string> by_lane(kLanes);
  std::istringstream lines(Get("out"));
  for (std::string line; std::getline(lines, line);) by_lane[static_cast<size_t>(line[10] - '0')] += line + "\n";
  for (int lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(by_lane[lane], Lines(0, kEpochs * 10, "in/" + std::to_string(lane)));
  }
  const auto row = ledger_->GetTarget(program->commit_unit());
  EXPECT_EQ((*row)->length, static_cast<int64_t>(Get("out").size()));
  EXPECT_EQ((*row)->next.size(), static_cast<size_t>(kLanes));
}

// A lane that was busy for too long commits rows of a partition that another lane has by now.
TEST_F(FileTargetTest, ALaneThatWasOvertakenWritesOnlyWhatIsMissing) {
  const auto program = Bind();
  const std::vector<PartitionId> partitions = {*table_.Find({"in", 0})};
  const auto late = MustOpen(*program), owner = MustOpen(*program);
  ASSERT_TRUE(late->Progress(partitions).ok() && owner->Progress(partitions).ok());
  const EncodedBatch first = Rows(*program, 0, 10), all = Rows(*program, 0, 15), more = Rows(*program, 10, 20);

  ASSERT_TRUE(late->Write(all).ok());
  ASSERT_TRUE(WriteAndCommit(*owner, first).ok());
  EXPECT_EQ(late->Commit({1, all.positions}).code(), Code::kAborted);
  ASSERT_TRUE(WriteAndCommit(*late, all).ok()) << "written again, without the rows that are there";
  EXPECT_EQ(Get("out"), Lines(0, 15));

  ASSERT_TRUE(owner->Write(more).ok());
  EXPECT_EQ(owner->Commit({2, more.positions}).code(), Code::kAborted) << "the late one was ahead this time";
  ASSERT_TRUE(WriteAndCommit(*owner, more).ok());
  ASSERT_TRUE(WriteAndCommit(*owner, Rows(*program, 30, 5)).ok());
  EXPECT_EQ(Get("out"), Lines(0, 35));
}

TEST_F(FileTargetTest, DeadLettersComeBackByteForByteThroughTheRecordEnvelope) {
  const auto program = connector_->BindDeadLetters(nullptr, nullptr, "demo", *this, faults_);
  const std::vector<std::pair<std::string, std::string>> plain = {{"h", "v\n\"x\""}, {"anabranch.error.node", "n"}};
  const std::vector<std::pair<std::string, std::string>> odd = {
      {"h", "1"}, {"g", std::string("\xFF\0", 2)}, {"h", "2"}};
  EncodedBatch encoded;
  encoded.Clear(1);
  EncodedRows& rows = encoded.targets[0];
  const auto add = [&](const std::string& key, const std::string& value, const auto& headers) {
    EncodedRows::Row row;
    row.partition = *table_.Find({"in", 0});
    row.offset = static_cast<int64_t>(rows.rows.size());
    row.timestamp_ms = 1'700'000'000'000;
    row.key = static_cast<uint32_t>(rows.bytes.size());
    row.key_size = static_cast<uint32_t>(key.size());
    rows.bytes += key;
    row.value = static_cast<uint32_t>(rows.bytes.size());
    row.value_size = static_cast<uint32_t>(value.size());
    rows.bytes += value;
    row.headers = static_cast<uint32_t>(rows.bytes.size());
    for (const auto& [name, text] : headers) rows.AppendHeader(name, text);
    row.headers_size = static_cast<uint32_t>(rows.bytes.size()) - row.headers;
    rows.rows.push_back(row);
  };
  const std::string binary("\x00\xFF{\n", 4);
  add("key", "{ \"a\":  1.0, \"b\": \"\\u00e9\"}", plain);
  add(binary, binary, odd);
  add("", "", std::vector<std::pair<std::string, std::string>>());
  ASSERT_TRUE(WriteAndCommit(*MustOpen(*program), encoded).ok());

  const auto mode = std::filesystem::status(Path("state/dead_letters.jsonl")).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::copy(Path("state/dead_letters.jsonl"), Path("again"));
  config_ = LinkConfig(ConfigObject({{"file", ConfigObject({{"path", "again"}, {"envelope", "record"}})}}));
  const auto source_program = connector_->BindSource(*config_->Find("file"), "again", *this, faults_);
  auto source = source_program->OpenLane(lane_);
  ASSERT_TRUE((*source)->Open().ok());
  ASSERT_EQ(*(*source)->Poll(batch_, {}, 0), SourceEvent::kAssigned);
  ASSERT_TRUE((*source)->Assign((*source)->partitions(), std::vector<int64_t>{kNoPosition}).ok());
  batch_.Clear(0, 0);
  ASSERT_EQ(*(*source)->Poll(batch_, {}, 0), SourceEvent::kRows);
  ASSERT_EQ(batch_.rows(), 3u);
  EXPECT_TRUE(batch_.source_errors.empty()) << batch_.source_errors[0].message;
  EXPECT_EQ(batch_.payload[0], "{ \"a\":  1.0, \"b\": \"\\u00e9\"}");
  EXPECT_EQ(batch_.payload[1], binary);
  EXPECT_EQ(batch_.payload[2], "");
  EXPECT_EQ(batch_.key[1], binary);
  EXPECT_TRUE(batch_.key_present[2] == 1 && batch_.key[2].empty());
  EXPECT_EQ(batch_.timestamp_ms[1], 1'700'000'000'000);
  const auto headers = [this](uint32_t row) {
    std::vector<std::pair<std::string, std::string>> list;
    for (const RowHeader& header : batch_.row_headers(row)) list.emplace_back(header.name, header.value);
    return list;
  };
  EXPECT_EQ(headers(0), plain);
  EXPECT_EQ(headers(1), odd);
}

}  // namespace
}  // namespace anabranch

#include <chrono>

#include "connectors/file/file_source.h"
#include "connectors/file/row_reader.h"
#include "engine/run/record_reader.h"
#include "tests/connectors/file/file_fixture.h"

namespace anabranch {
namespace {

struct Row {
  int64_t offset;
  std::string payload;
  bool operator==(const Row&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.offset << ":" << row.payload; }

class FileSourceTest : public FileFixture {
 protected:
  std::shared_ptr<const SourceProgram> Bind(const std::string& path, const std::string& format = "json",
                                            bool envelope = false) {
    ConfigValue file =
        envelope ? ConfigObject({{"path", path}, {"envelope", "record"}}) : ConfigObject({{"path", path}});
    config_ = LinkConfig(ConfigObject({{"file", std::move(file)}, {"format", format}, {"key", "position"}}));
    return connector_->BindSource(*config_->Find("file"), "cases", *this, faults_);
  }
  std::unique_ptr<Source> OpenAt(const SourceProgram& program, int64_t next = kNoPosition) {
    auto source = program.OpenLane(lane_);
    EXPECT_TRUE(source.ok());
    const Status opened = (*source)->Open();
    EXPECT_TRUE(opened.ok()) << opened.message();
    EXPECT_EQ(*(*source)->Poll(batch_, {}, 0), SourceEvent::kAssigned);
    EXPECT_EQ(*(*source)->Poll(batch_, {}, 0), SourceEvent::kIdle);
    const std::vector<PartitionId> partitions = (*source)->partitions();
    EXPECT_EQ(*(*source)->StoredPositions(partitions), std::vector<int64_t>{kNoPosition});
    assigned_ = (*source)->Assign(partitions, std::vector<int64_t>{next});
    return std::move(*source);
  }
  // The file as what a target wrote of it.
  Result<std::shared_ptr<const SourceProgram>> Letters(const std::function<int64_t()>& committed) const {
    FileSourceOptions options;
    options.source_id = "cases";
    options.path = Path("in");
    options.committed_length = [committed] { return Result<int64_t>(committed()); };
    return MakeFileSource(std::move(options));
  }
  // All rows, checking that the batches' ranges follow each other.
  std::vector<Row> Rows(Source& source, uint32_t max_rows = 2) {
    std::vector<Row> rows;
    int64_t next = -1;
    while (true) {
      batch_.Clear(0, 0);
      BatchLimits limits;
      limits.max_rows = max_rows;
      const auto event = source.Poll(batch_, limits, 0);
      if (!event.ok() || *event == SourceEvent::kEnd) {
        EXPECT_TRUE(event.ok()) << event.status().message();
        return rows;
      }
      EXPECT_EQ(*event, SourceEvent::kRows);
      EXPECT_LE(batch_.rows(), max_rows);
      EXPECT_EQ(batch_.positions.size(), 1u);
      if (next >= 0) {
        EXPECT_EQ(batch_.positions[0].first, next);
      }
      next = batch_.positions[0].next;
      for (uint32_t r = 0; r < batch_.rows(); ++r) {
        EXPECT_EQ(batch_.partitions->at(batch_.partition[r]), (SourcePartition{"file:cases", 0}));
        rows.push_back({batch_.offset[r], std::string(batch_.payload[r])});
      }
      end_ = next;
    }
  }
  std::vector<Row> RowsOf(const std::string& text, const std::string& format = "json", uint32_t max_rows = 2) {
    Put("in", text);
    const auto program = Bind("in", format);
    EXPECT_NE(program, nullptr);
    if (program == nullptr) return {};
    return Rows(*OpenAt(*program), max_rows);
  }

  std::unique_ptr<const ConfigValue> config_;
  RecordBatch batch_;
  Status assigned_;
  int64_t end_ = -1;
};

TEST_F(FileSourceTest, LinesAreRecordsAtTheirByteOffsets) {
  EXPECT_EQ(RowsOf("{}\n[1]\r\n\n\r\n\"x\"\n3"), (std::vector<Row>{{0, "{}"}, {3, "[1]"}, {11, "\"x\""}, {15, "3"}}));
  EXPECT_EQ(end_, 16);
  EXPECT_EQ(RowsOf(""), std::vector<Row>{});
  EXPECT_EQ(RowsOf("\n\n"), std::vector<Row>{});
  EXPECT_EQ(RowsOf("\xEF\xBB\xBF{}\n1\n"), (std::vector<Row>{{3, "{}"}, {6, "1"}}));
}

TEST_F(FileSourceTest, GoesOnAtAnyRowsBeginning) {
  const std::vector<Row> all = RowsOf("a\nbb\n\nccc\r\ndd");
  const auto program = Bind("in");
  for (size_t i = 0; i < all.size(); ++i) {
    auto source = OpenAt(*program, all[i].offset);
    ASSERT_TRUE(assigned_.ok()) << assigned_.message();
    EXPECT_EQ(Rows(*source), (std::vector<Row>(all.begin() + static_cast<long>(i), all.end())));
  }
  EXPECT_EQ(Rows(*OpenAt(*program, end_)), std::vector<Row>{});
}

TEST_F(FileSourceTest, DeadLettersEndAtTheCommittedLength) {
  Put("in", "{1}\n{2}\n{3}\n{4");
  int64_t committed = 8;
  const auto program = Letters([&committed] { return committed; });
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(Rows(*OpenAt(**program)), (std::vector<Row>{{0, "{1}"}, {4, "{2}"}}));
  committed = 12;
  EXPECT_EQ(Rows(*OpenAt(**program, 4)), (std::vector<Row>{{4, "{2}"}, {8, "{3}"}}));
  EXPECT_EQ(Rows(*OpenAt(**program, 12)), std::vector<Row>{});
}

TEST_F(FileSourceTest, DeadLettersGoOnBehindALetterThatAnEarlierProgramStoredByItsFirstByte) {
  Put("in", "{1}\n{22}\n\n{3}\n");
  const auto program = Letters([] { return -1; });
  ASSERT_TRUE(program.ok());
  auto source = OpenAt(**program, 4 + 1);
  ASSERT_TRUE(assigned_.ok()) << assigned_.message();
  EXPECT_EQ(Rows(*source), (std::vector<Row>{{10, "{3}"}})) << "the letter at 4 was replayed, the one at 10 was not";
  EXPECT_EQ(Rows(*OpenAt(**program, 10 + 1)), std::vector<Row>{});
  OpenAt(**program, 4 + 2);
  EXPECT_EQ(assigned_.code(), Code::kInvalid);
  EXPECT_NE(assigned_.message().find("not the beginning of a dead letter"), std::string::npos) << assigned_.message();
}

TEST_F(FileSourceTest, GrownFileGoesOnAndAContinuedLastLineIsRefused) {
  RowsOf("a\nb");
  const auto program = Bind("in");
  Append("in", "\nc\n");
  EXPECT_EQ(Rows(*OpenAt(*program, 3)), (std::vector<Row>{{4, "c"}}));
  RowsOf("a\nb");
  Append("in", "bb\nc\n");
  OpenAt(*program, 3);
  EXPECT_EQ(assigned_.code(), Code::kInvalid);
  EXPECT_NE(assigned_.message().find("--fresh"), std::string::npos);
  OpenAt(*program, 99);
  EXPECT_EQ(assigned_.code(), Code::kInvalid);
}

TEST_F(FileSourceTest, LastLineThatIsStillBeingWrittenIsLeftForTheNextRun) {
  std::string warned;
  lane_.warn = [&warned](const std::string& line) { warned += line; };
  for (const std::string half : {"{", "{\"a\": \"b}", "{\"a\": [1, 2", "{\"a\": \"\\\""}) {
    EXPECT_EQ(RowsOf("{}\n" + half), (std::vector<Row>{{0, "{}"}})) << half;
    EXPECT_EQ(end_, 3) << half;
    EXPECT_NE(warned.find("at byte 3"), std::string::npos) << warned;
  }
  RowsOf("{}\n{\"a\": 1");
  const auto program = Bind("in");
  Append("in", "2}\n{}");
  EXPECT_EQ(Rows(*OpenAt(*program, end_)), (std::vector<Row>{{3, "{\"a\": 12}"}, {13, "{}"}}));
  EXPECT_EQ(RowsOf("a,b\n1,2\n3", "csv"), (std::vector<Row>{{4, "1,2"}}));
  EXPECT_EQ(RowsOf("a,b\n1,2\n3,\"4", "csv"), (std::vector<Row>{{4, "1,2"}}));
  EXPECT_EQ(RowsOf("a,b\n1,2\n3,4", "csv"), (std::vector<Row>{{4, "1,2"}, {8, "3,4"}}));
}

TEST_F(FileSourceTest, CsvKeepsQuotedLineEndsInTheRow) {
  const std::vector<Row> rows = RowsOf("a,b\r\n1,\"x\ny\"\n\n2,\"say \"\"hi\"\"\n\"\r\n3,5\" pipe\n4,", "csv");
  EXPECT_EQ(rows,
            (std::vector<Row>{{5, "1,\"x\ny\""}, {14, "2,\"say \"\"hi\"\"\n\""}, {31, "3,5\" pipe"}, {41, "4,"}}));
  EXPECT_EQ(Bind("in", "csv")->row_layout().header, (std::vector<std::string>{"a", "b"}));
}

TEST_F(FileSourceTest, QuoteThatNeverClosesCostsOneRow) {
  EXPECT_EQ(RowsOf("a,b\n1,\"x\n2,y\n3,z\n", "csv"), (std::vector<Row>{{4, "1,\"x"}, {9, "2,y"}, {13, "3,z"}}));
}

TEST_F(FileSourceTest, CsvHeaderMayBeQuotedAndFollowAByteOrderMark) {
  Put("in", "\xEF\xBB\xBF\"a b\",\"c,d\"\r\n1,2\n");
  const auto program = Bind("in", "csv");
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(program->row_layout().header, (std::vector<std::string>{"a b", "c,d"}));
  EXPECT_EQ(Rows(*OpenAt(*program)), (std::vector<Row>{{16, "1,2"}}));
  EXPECT_TRUE(program->bounded());
  EXPECT_EQ(program->Lanes(8), 1);
}

TEST_F(FileSourceTest, PlainLinesWithoutAKeyRuleAreWarnedOf) {
  Put("in", "{}\n");
  config_ = LinkConfig(ConfigObject({{"file", ConfigObject({{"path", "in"}})}}));
  EXPECT_NE(connector_->BindSource(*config_->Find("file"), "cases", *this, faults_), nullptr);
  ASSERT_EQ(faults_.faults().size(), 1u);
  EXPECT_TRUE(faults_.faults()[0].warning);
  EXPECT_NE(faults_.faults()[0].message.find("has no key of its own"), std::string::npos);
}

TEST_F(FileSourceTest, FaultsNameTheFileAndTheReason) {
  const auto fault = [this](const std::string& path, const std::string& format, bool envelope = false) {
    faults_ = FaultSink("topology.json");
    EXPECT_EQ(Bind(path, format, envelope), nullptr);
    EXPECT_EQ(faults_.faults().size(), 1u);
    return faults_.faults().empty() ? std::string() : faults_.faults()[0].message;
  };
  EXPECT_NE(fault("missing.csv", "csv").find("missing.csv: No such file"), std::string::npos);
  EXPECT_NE(fault("state", "json").find("not a regular file"), std::string::npos);
  EXPECT_NE(fault("../x", "json").find("leaves the folder"), std::string::npos);
  Put("empty", "");
  EXPECT_NE(fault("empty", "csv").find("header row"), std::string::npos);
  Put("twice", "a,b,a\n");
  EXPECT_NE(fault("twice", "csv").find("\"a\" twice"), std::string::npos);
  Put("csv", "a,b\n");
  EXPECT_NE(fault("csv", "csv", true).find("envelope"), std::string::npos);
}

TEST_F(FileSourceTest, LinesThatAreNotThereYetAreNoFaultButAreUnavailable) {
  const auto program = Bind("later.jsonl", "json");
  ASSERT_NE(program, nullptr);
  const Result<std::string> identity = program->Identity();
  EXPECT_EQ(identity.status().code(), Code::kUnavailable);
  EXPECT_NE(identity.status().message().find("later.jsonl: No such file"), std::string::npos);
}

TEST_F(FileSourceTest, RowsOutliveTheReaderUntilTheBatchIsCleared) {
  std::string text;
  for (int i = 0; i < 50'000; ++i)
    text += "{\"n\": " + std::to_string(i) + ", \"pad\": \"" + std::string(40, 'x') + "\"}\n";
  Put("in", text);
  std::vector<RecordBatch> batches;
  {
    auto source = OpenAt(*Bind("in"));
    while (true) {
      RecordBatch batch;
      const auto event = source->Poll(batch, {}, 0);
      ASSERT_TRUE(event.ok());
      if (*event == SourceEvent::kEnd) break;
      batches.push_back(std::move(batch));
    }
  }
  std::string seen;
  for (const RecordBatch& batch : batches) {
    for (const std::string_view payload : batch.payload) seen.append(payload).append("\n");
  }
  EXPECT_EQ(seen, text);
  for (RecordBatch& batch : batches) batch.Clear(0, 0);
}

TEST_F(FileSourceTest, LongRowsComeWholeAndHugeOnesAreCutAndMarked) {
  const std::string longer(3 << 20, 'y');
  EXPECT_EQ(RowsOf("1\n" + longer + "\n2\n"), (std::vector<Row>{{0, "1"}, {2, longer}, {3 + (3 << 20), "2"}}));

  const int64_t huge = static_cast<int64_t>(RowReader::kMaxBytes) + (5 << 20);
  Put("in", "1\n" + std::string(static_cast<size_t>(huge), 'z') + "\n2\n");
  auto source = OpenAt(*Bind("in"));
  batch_.Clear(0, 0);
  BatchLimits limits;
  limits.max_bytes = size_t{1} << 40;
  ASSERT_EQ(*source->Poll(batch_, limits, 0), SourceEvent::kRows);
  ASSERT_EQ(batch_.rows(), 3u);
  EXPECT_EQ(batch_.payload[1].size(), RowReader::kMaxBytes);
  EXPECT_EQ(batch_.payload[2], "2");
  EXPECT_EQ(batch_.offset[2], huge + 3);
  ASSERT_EQ(batch_.source_errors.size(), 1u);
  EXPECT_EQ(batch_.source_errors[0].row, 1u);
  EXPECT_EQ(batch_.source_errors[0].code, "too_large");
}

TEST_F(FileSourceTest, RecordEnvelopeGivesKeyHeadersAndTime) {
  Put("in",
      "{\"key\": \"k\\u00e9\", \"value\": {\"a\": [1, {\"b\": \"}\"}] }, \"headers\": {\"h\": \"v\", \"n\": null, "
      "\"b\": {\"base64\": \"/w==\"}}, \"timestamp\": 1700000000123}\n"
      "{\"value\": 12 , \"key\": null}\n"
      "{\"key_base64\": \"/wA=\", \"value_base64\": \"/v8=\", \"header_list\": [[\"a\",\"1\"],[\"a\",\"2\"]]}\n"
      "{\"value_text\": \"{ \\\"a\\\": 1}\", \"key\": 7}\n");
  auto source = OpenAt(*Bind("in", "json", true));
  batch_.Clear(0, 0);
  ASSERT_EQ(*source->Poll(batch_, {}, 0), SourceEvent::kRows);
  ASSERT_EQ(batch_.rows(), 4u);
  EXPECT_TRUE(batch_.source_errors.empty()) << batch_.source_errors[0].message;
  EXPECT_EQ(batch_.key[0], "k\xC3\xA9");
  EXPECT_EQ(batch_.payload[0], "{\"a\": [1, {\"b\": \"}\"}] }");
  EXPECT_EQ(batch_.timestamp_ms[0], 1700000000123);
  ASSERT_EQ(batch_.row_headers(0).size(), 3u);
  EXPECT_EQ(batch_.row_headers(0)[0].value, "v");
  EXPECT_EQ(batch_.row_headers(0)[2].value, "\xFF");
  EXPECT_EQ(batch_.key_present[1], 0);
  EXPECT_EQ(batch_.payload[1], "12");
  EXPECT_EQ(batch_.timestamp_ms[1], -1);
  EXPECT_EQ(batch_.key[2], std::string_view("\xFF\0", 2));
  EXPECT_EQ(batch_.payload[2], "\xFE\xFF");
  ASSERT_EQ(batch_.row_headers(2).size(), 2u);
  EXPECT_EQ(batch_.row_headers(2)[1].value, "2");
  EXPECT_EQ(batch_.payload[3], "{ \"a\": 1}");
  EXPECT_EQ(batch_.key[3], "7");
}

TEST_F(FileSourceTest, LineThatIsNoEnvelopeIsARecordErrorWithItsBytesKept) {
  const std::vector<std::pair<std::string, std::string>> lines = {
      {"{\"key\": \"k\"}", "envelope: the record has no value"},
      {"{\"value\": 1, \"valeu\": 2}", "envelope: a record has no member \"valeu\""},
      {"{\"value\": 1, \"value_text\": \"1\"}", "envelope: a record has two values"},
      {"{\"value\": 1, \"timestamp\": \"now\"}", "envelope: \"timestamp\" is no whole number"},
      {"{\"value\": 1, \"key_base64\": \"*\"}", "envelope: \"key_base64\" is no base64"},
      {"[1]", "envelope: the line is no JSON object"},
      {"{\"value\": 1", "json: "},
      {"{\"value\": 1} {\"value\": 2}", "json: "},
      {"hello", "envelope: the line is no JSON object"},
      {"{\"value\": \"\xFF\"}", "json: "},
  };
  std::string text;
  for (const auto& [line, error] : lines) text += line + "\n";
  Put("in", text + "{\"value\": 1}\n");
  auto source = OpenAt(*Bind("in", "json", true));
  batch_.Clear(0, 0);
  ASSERT_EQ(*source->Poll(batch_, {}, 0), SourceEvent::kRows);
  ASSERT_EQ(batch_.rows(), lines.size() + 1);
  ASSERT_EQ(batch_.source_errors.size(), lines.size());
  for (uint32_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(batch_.payload[i], lines[i].first);
    EXPECT_EQ(batch_.source_errors[i].row, i);
    const std::string error = batch_.source_errors[i].code + ": " + batch_.source_errors[i].message;
    EXPECT_TRUE(error.starts_with(lines[i].second)) << error;
  }
}

TEST_F(FileSourceTest, IdentityTellsSameGrownAndOtherInput) {
  Put("in", "a\nb\n");
  const auto program = Bind("in");
  const std::string identity = *program->Identity();
  EXPECT_TRUE(identity.starts_with("size=4;prefix=")) << identity;
  bool grown = true;
  EXPECT_TRUE(*program->SameInput(identity, &grown));
  EXPECT_FALSE(grown);
  Append("in", "c\n");
  EXPECT_TRUE(*program->SameInput(identity, &grown));
  EXPECT_TRUE(grown);
  Put("in", "a\nB\nc\n");
  EXPECT_FALSE(*program->SameInput(identity, &grown));
  Put("in", "a\n");
  EXPECT_FALSE(*program->SameInput(identity, &grown));
  EXPECT_FALSE(*program->SameInput("nonsense", &grown));
}

TEST_F(FileSourceTest, HundredThousandLinesTakeLittleTime) {
  std::string text;
  for (int i = 0; i < 100'000; ++i)
    text += "{\"id\": \"" + std::to_string(i) + "\", \"card\": \"c\", \"amount\": 12.5}\n";
  Put("in", text);
  auto source = OpenAt(*Bind("in"));
  const auto begin = std::chrono::steady_clock::now();
  size_t rows = 0;
  while (true) {
    batch_.Clear(0, 0);
    if (*source->Poll(batch_, {}, 0) == SourceEvent::kEnd) break;
    rows += batch_.rows();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_EQ(rows, 100'000u);
  EXPECT_LT(seconds, 2.0);
  RecordProperty("rows_per_second", std::to_string(static_cast<int64_t>(100'000 / seconds)));
}

TEST_F(FileSourceTest, IsReadByPosition) {
  Put("in.csv", "id,text\n1,a\n\n2,\"b\nb\"\n3,c\n4,d");
  const auto program = Bind("in.csv", "csv");
  ASSERT_NE(program, nullptr) << faults_.faults().size();
  const auto readable = program->Reader();
  ASSERT_NE(readable, nullptr);
  auto reader = RecordReader::Open(*readable, {});
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  std::vector<Row> rows;
  const RecordReader::Visit take = [&](const RecordBatch& batch, uint32_t row) {
    rows.push_back({batch.offset[row], std::string(batch.payload[row])});
    return true;
  };
  ASSERT_TRUE((*reader)->ReadLast(2, take).ok());
  EXPECT_EQ(rows, (std::vector<Row>{{21, "3,c"}, {25, "4,d"}}));
  rows.clear();
  ASSERT_TRUE((*reader)->ReadOne({"file:cases", 0}, 13, take).ok());
  EXPECT_EQ(rows, (std::vector<Row>{{13, "2,\"b\nb\""}}));
  const Status missing = (*reader)->ReadOne({"file:cases", 0}, 14, take);
  EXPECT_NE(missing.message().find("Record 2 begins at byte 13: file:cases/0/13"), std::string::npos)
      << missing.message();
  rows.clear();
  ASSERT_TRUE((*reader)->ReadAll(take).ok());
  EXPECT_EQ(rows.size(), 4u);
  EXPECT_EQ(Bind("-")->Reader(), nullptr) << "standard input passes once";
}

}  // namespace
}  // namespace anabranch

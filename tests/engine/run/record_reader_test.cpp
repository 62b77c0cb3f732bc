// Reading records by position, over a source in memory that has partitions as a topic has, or one as a file has.
#include "engine/run/record_reader.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace anabranch {
namespace {

// By partition: what each position holds; "" is a record without a value, "-" no record at all.
struct FakeInput {
  std::vector<std::vector<std::string>> partitions;
  int64_t deleted = 0;  // positions below it
  bool numbers = true;
  int reads = 0;  // calls of Assign
};

class FakeSource : public Source {
 public:
  FakeSource(FakeInput& input, SourceTable* table) : input_(input), table_(table) {
    for (int32_t p = 0; p < int32_t(input.partitions.size()); ++p) ids_.push_back(*table->Find({"t", p}));
  }
  Status Open() override { return Status::Ok(); }
  std::vector<PartitionId> partitions() const override { return ids_; }
  Result<std::vector<int64_t>> StoredPositions(std::span<const PartitionId> ids) override {
    return std::vector<int64_t>(ids.size(), 1);
  }
  Result<std::vector<PositionRange>> Readable(std::span<const PartitionId> ids) override {
    std::vector<PositionRange> ranges;
    for (const PartitionId id : ids) {
      const auto size = static_cast<int64_t>(input_.partitions[id].size());
      ranges.push_back({id, input_.deleted, input_.numbers ? size : INT64_MAX});
    }
    return ranges;
  }
  Status Assign(std::span<const PartitionId> ids, std::span<const int64_t> next) override {
    ++input_.reads;
    next_.clear();
    for (size_t i = 0; i < ids.size(); ++i) next_[ids[i]] = next[i] == kNoPosition ? input_.deleted : next[i];
    return Status::Ok();
  }
  Result<SourceEvent> Poll(RecordBatch& batch, const BatchLimits&, int64_t) override {
    batch.partitions = table_;
    if (!std::exchange(announced_, true)) return SourceEvent::kAssigned;
    for (auto& [id, next] : next_) {
      const std::vector<std::string>& records = input_.partitions[id];
      for (int taken = 0; taken < 2 && next < int64_t(records.size()); ++taken, ++next) {
        const std::string& value = records[size_t(next)];
        if (value == "-") continue;
        batch.AddRow(id, next, -1, "k", true, value.empty() ? std::string_view() : std::string_view(value));
      }
      if (batch.rows() > 0) return SourceEvent::kRows;
      if (next < int64_t(records.size())) return SourceEvent::kIdle;
    }
    return SourceEvent::kEnd;
  }
  Status Release() override { return Status::Ok(); }
  Status CommitPositions(std::span<const PositionRange>) override {
    return {Code::kInternal, "a reader stores nothing"};
  }
  void Close() override {}

 private:
  FakeInput& input_;
  SourceTable* table_;
  std::vector<PartitionId> ids_;
  std::map<PartitionId, int64_t> next_;
  bool announced_ = false;
};

class FakeProgram : public SourceProgram {
 public:
  explicit FakeProgram(FakeInput& input) : input_(input) {}
  int Lanes(int) const override { return 1; }
  Result<std::unique_ptr<Source>> OpenLane(const LaneContext& lane) const override {
    return std::unique_ptr<Source>(std::make_unique<FakeSource>(input_, lane.partitions));
  }
  bool bounded() const override { return true; }
  bool NumbersRecords() const override { return input_.numbers; }
  std::string Describe() const override { return "topic t"; }

 private:
  FakeInput& input_;
};

class Reading : public testing::Test {
 protected:
  RecordReader& Open() {
    options_.cancel = &cancel_;
    auto opened = RecordReader::Open(program_, options_);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    reader_ = std::move(*opened);
    return *reader_;
  }
  RecordReader::Visit Take() {
    return [this](const RecordBatch& batch, uint32_t row) {
      const std::string value = batch.payload[row].data() == nullptr ? "(null)" : std::string(batch.payload[row]);
      seen_ += std::to_string(batch.partitions->at(batch.partition[row]).partition) + ":" + value + " ";
      return true;
    };
  }

  FakeInput input_;
  FakeProgram program_{input_};
  RecordReader::Options options_;
  CancelToken cancel_;
  std::unique_ptr<RecordReader> reader_;
  std::string seen_;
};

TEST_F(Reading, AllRecordsComeInOrderAndThoseWithoutAValueOnRequest) {
  input_.partitions = {{"a", "", "b", "c"}, {"x"}};
  ASSERT_TRUE(Open().ReadAll(Take()).ok());
  EXPECT_EQ(seen_, "0:a 0:b 0:c 1:x ");
  seen_.clear();
  options_.tombstones = true;
  ASSERT_TRUE(Open().ReadAll(Take()).ok());
  EXPECT_EQ(seen_, "0:a 0:(null) 0:b 0:c 1:x ");
}

TEST_F(Reading, EndsWhereTheVisitorWantsNoMore) {
  input_.partitions = {{"a", "b", "c"}};
  int count = 0;
  ASSERT_TRUE(Open().ReadAll([&](const RecordBatch&, uint32_t) { return ++count < 2; }).ok());
  EXPECT_EQ(count, 2);
}

TEST_F(Reading, BeginsAtTheGivenPositions) {
  input_.partitions = {{"a", "b", "c"}, {"x", "y"}};
  const std::vector<int64_t> next = {2, kNoPosition};
  ASSERT_TRUE(Open().ReadFrom(next, Take()).ok());
  EXPECT_EQ(seen_, "0:c 1:x 1:y ");
}

TEST_F(Reading, TheLastOnesAreSharedAmongPartitions) {
  input_.partitions = {{"a", "b", "c", "d", "e"}, {"x"}, {"p", "q", "r", "s"}};
  ASSERT_TRUE(Open().ReadLast(7, Take()).ok());
  EXPECT_EQ(seen_, "0:c 0:d 0:e 1:x 2:q 2:r 2:s ");
  seen_.clear();
  ASSERT_TRUE(Open().ReadLast(2, Take()).ok());
  EXPECT_EQ(std::count(seen_.begin(), seen_.end(), ':'), 2) << seen_;
  seen_.clear();
  ASSERT_TRUE(Open().ReadLast(100, Take()).ok());
  EXPECT_EQ(std::count(seen_.begin(), seen_.end(), ':'), 10) << seen_;
  seen_.clear();
  ASSERT_TRUE(Open().ReadLast(0, Take()).ok());
  EXPECT_EQ(seen_, "");
}

TEST_F(Reading, TheLastOnesOfAFileAreFoundByReadingIt) {
  input_.numbers = false;
  input_.partitions = {{"a", "-", "b", "-", "-", "c", "d"}};
  ASSERT_TRUE(Open().ReadLast(3, Take()).ok());
  EXPECT_EQ(seen_, "0:b 0:c 0:d ");
  EXPECT_EQ(input_.reads, 2) << "once to count, once to hand over";
}

TEST_F(Reading, OneRecordIsReadByPosition) {
  input_.partitions = {{"a"}, {"x", "y", "z"}};
  ASSERT_TRUE(Open().ReadOne({"t", 1}, 1, Take()).ok());
  EXPECT_EQ(seen_, "1:y ");
}

TEST_F(Reading, ARecordThatIsNotThereIsExplained) {
  input_.partitions = {{"a", "b", "c", "-", "e"}, {}};
  input_.deleted = 2;
  RecordReader& reader = Open();
  const auto why = [&](int32_t partition, int64_t offset) {
    const Status status = reader.ReadOne({"t", partition}, offset, Take());
    EXPECT_EQ(status.code(), Code::kInvalid);
    return status.message();
  };
  EXPECT_EQ(why(0, 1),
            "there is no record t/0/1 in topic t: it was deleted; the first record that can be read is t/0/2");
  EXPECT_EQ(why(0, 5), "there is no record t/0/5 in topic t: it was not written yet; the last offset is 4");
  EXPECT_NE(why(0, 3).find("this offset has no record"), std::string::npos) << why(0, 3);
  EXPECT_NE(why(1, 0).find("t/1 is empty"), std::string::npos) << why(1, 0);
  EXPECT_EQ(why(9, 0), "topic t has no partition t/9");
  EXPECT_EQ(seen_, "");
}

TEST_F(Reading, OfAFileTheNearestRecordIsNamed) {
  input_.numbers = false;
  input_.partitions = {{"-", "a", "-", "b", "-"}};
  RecordReader& reader = Open();
  const auto why = [&](int64_t offset) { return reader.ReadOne({"t", 0}, offset, Take()).message(); };
  EXPECT_EQ(why(2),
            "there is no record t/0/2 in topic t: no record begins at byte 2. Record 1 begins at byte 1: t/0/1");
  EXPECT_NE(why(99).find("Record 2 begins at byte 3"), std::string::npos) << why(99);
  EXPECT_NE(why(0).find("Record 1 begins at byte 1"), std::string::npos) << why(0);
  EXPECT_EQ(seen_, "");
}

TEST_F(Reading, ARaisedTokenEndsIt) {
  input_.partitions = {{"a", "b", "c", "d", "e"}};
  const Status status = Open().ReadAll([&](const RecordBatch&, uint32_t) {
    cancel_.Raise(CancelToken::kDrain);
    return true;
  });
  EXPECT_EQ(status.code(), Code::kCancelled);
}

}  // namespace
}  // namespace anabranch

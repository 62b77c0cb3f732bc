#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/connector.h"
#include "engine/lane_context.h"
#include "engine/registry.h"
#include "engine/run/epoch_writer.h"
#include "engine/run/ledger.h"
#include "engine/testing/cells.h"
#include "engine/testing/commit_epoch.h"
#include "engine/testing/config_builder.h"
#include "engine/testing/needed_rows.h"
#include "engine/testing/silent_source.h"

namespace anabranch {

// A connector whose target promises exactly once. Include this header in one file of a test binary and instantiate the
// suite with such a case:
//
//   INSTANTIATE_TEST_SUITE_P(Lines, ConnectorSuite, testing::Values(ConnectorCase{…}));
struct ConnectorCase {
  std::string name;
  void (*add)(Registry&) = nullptr;
  std::function<ConfigValue()> target;  // the object under the connector's name; a path is below the test's folder
  std::function<ConfigValue()> faulty;  // one that BindTarget refuses
  // The source offsets of the rows that a reader sees, in their order.
  std::function<std::vector<int64_t>(const std::string& folder)> read;

  friend std::ostream& operator<<(std::ostream& out, const ConnectorCase& each) { return out << each.name; }
};

// One target of one column "score", fed from partition 0 of topic "in".
class ConnectorSuite : public testing::TestWithParam<ConnectorCase>, public BindServices {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "connector_suite.XXXXXX").string();
    root_ = mkdtemp(name.data());
    GetParam().add(registry_);
    connector_ = registry_.FindConnector(GetParam().name);
    ASSERT_NE(connector_, nullptr);
    partition_ = {*table_.Find({"in", 0})};
    lane_.topology = "demo";
    lane_.partitions = &table_;
    lane_.state_dir = root_ + "/state";
    Restart();
    program_ = Bind(GetParam().target());
    ASSERT_NE(program_, nullptr);
  }
  void TearDown() override {
    committer_.reset();
    ledger_.reset();
    std::filesystem::remove_all(root_);
  }

  // Ends the process without a commit and begins the next one.
  void Restart() {
    if (committer_) committer_->Close();
    committer_.reset();
    ledger_.reset();
    auto ledger = Ledger::Open(lane_.state_dir, root_ + "/topology.json");
    ASSERT_TRUE(ledger.ok()) << ledger.status().message();
    ledger_ = std::move(*ledger);
    lane_.store = ledger_.get();
  }
  std::shared_ptr<const TargetProgram> Bind(ConfigValue target) {
    config_ = LinkConfig(std::move(target));
    TargetFields fields;
    fields.node_id = "keep";
    fields.fields = {{"score", 0, Type::Scalar(Kind::kFloat64), true, nullptr}};
    return connector_->BindTarget(*config_, fields, *this, faults_);
  }
  Committer& Open() {
    auto committer = connector_->OpenCommitter(lane_, {{TargetId(0), program_.get()}}, source_, source_);
    EXPECT_TRUE(committer.ok()) << committer.status().message();
    committer_ = std::move(*committer);
    const Status opened = committer_->Open();
    EXPECT_TRUE(opened.ok()) << opened.message();
    return *committer_;
  }
  EncodedBatch Rows(int64_t first, int64_t next) {
    batch_.Clear(1, 1);
    batch_.partitions = &table_;
    std::vector<Cell> scores;
    std::deque<std::string> keys;  // the batch shows them
    for (int64_t offset = first; offset < next; ++offset) {
      batch_.AddRow(partition_[0], offset, 5, keys.emplace_back("k" + std::to_string(offset)), true, "{}");
      scores.emplace_back(static_cast<double>(offset));
    }
    FillColumn(&batch_.columns[0], Type::Scalar(Kind::kFloat64), scores);
    EncodedBatch encoded;
    encoded.Clear(1);
    const std::vector<uint8_t> active(batch_.rows(), 1);
    EXPECT_TRUE(program_->MakeEncoder({})->Encode(batch_, active, &encoded.targets[0]).ok());
    encoded.positions = {{partition_[0], first, next}};
    batch_.Clear(1, 1);
    return encoded;
  }
  void Commit(const EncodedBatch& batch) {
    const Status written = committer_->Write(batch);
    ASSERT_TRUE(written.ok()) << written.message();
    const Status committed = committer_->Commit({1, batch.positions});
    ASSERT_TRUE(committed.ok()) << committed.message();
  }
  // One epoch through the lane's writer.
  void CommitThroughWriter(EncodedBatch batch) {
    CancelToken cancel;
    EpochWriter writer({committer_.get()}, size_t{1} << 20, cancel, {});
    ASSERT_TRUE(writer.Progress(0, partition_).ok());
    const Status committed = CommitEpoch(writer, std::move(batch));
    ASSERT_TRUE(committed.ok()) << committed.message();
  }
  std::vector<int64_t> Read() const { return GetParam().read(root_); }
  static std::vector<int64_t> Offsets(int64_t first, int64_t next) {
    std::vector<int64_t> offsets;
    for (int64_t offset = first; offset < next; ++offset) offsets.push_back(offset);
    return offsets;
  }

  Result<std::string> ResolvePath(std::string_view path) const override { return root_ + "/" + std::string(path); }
  const ConfigValue* Section(std::string_view, std::string_view) const override { return nullptr; }
  std::vector<std::string> Names(std::string_view) const override { return {}; }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue&, const TargetFields&, FaultSink&) override {
    return nullptr;
  }

  std::string root_;
  Registry registry_;
  const Connector* connector_ = nullptr;
  SilentSource source_;
  SourceTable table_;
  std::vector<PartitionId> partition_;
  LaneContext lane_;
  FaultSink faults_{"topology.json"};
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<const ConfigValue> config_;
  std::shared_ptr<const TargetProgram> program_;
  std::unique_ptr<Committer> committer_;
  RecordBatch batch_;
};

TEST_P(ConnectorSuite, GivesExactlyOnceForASourceThatCanBeReadAgain) {
  std::string why;
  EXPECT_TRUE(program_->ExactlyOnce(source_, &why)) << why;
  EXPECT_EQ(program_->connector(), GetParam().name);
  EXPECT_EQ(program_->Describe(), Bind(GetParam().target())->Describe());
}

TEST_P(ConnectorSuite, ShowsCommittedRowsInTheirOrder) {
  Open();
  Commit(Rows(0, 3));
  Commit(Rows(3, 5));
  EXPECT_EQ(Read(), Offsets(0, 5));
}

TEST_P(ConnectorSuite, ShowsNothingBeforeTheCommitAndDropsAnAbortedEpoch) {
  Open();
  const EncodedBatch batch = Rows(0, 3);
  ASSERT_TRUE(committer_->Write(batch).ok());
  EXPECT_TRUE(Read().empty());
  ASSERT_TRUE(committer_->Abort().ok());
  EXPECT_TRUE(Read().empty());
  EXPECT_EQ(WantedBy(*committer_, partition_)[0], kNoPosition);
  Commit(batch);
  EXPECT_EQ(Read(), Offsets(0, 3));
}

TEST_P(ConnectorSuite, KeepsItsProgressForTheNextProcess) {
  EXPECT_EQ(WantedBy(Open(), partition_)[0], kNoPosition);
  Commit(Rows(0, 3));
  Restart();
  EXPECT_EQ(WantedBy(Open(), partition_)[0], 3);
  EXPECT_EQ(Read(), Offsets(0, 3));
}

TEST_P(ConnectorSuite, LeavesNothingOfAnEpochThatWasNotCommitted) {
  Open();
  Commit(Rows(0, 2));
  const EncodedBatch batch = Rows(2, 4);
  ASSERT_TRUE(committer_->Write(batch).ok());
  Restart();
  EXPECT_EQ(WantedBy(Open(), partition_)[0], 2);
  EXPECT_EQ(Read(), Offsets(0, 2));
}

TEST_P(ConnectorSuite, GetsEachRowOnceWhenTheSourceIsReadAgain) {
  Open();
  CommitThroughWriter(Rows(0, 3));
  Restart();
  Open();
  CommitThroughWriter(Rows(1, 5));
  CommitThroughWriter(Rows(0, 5));
  EXPECT_EQ(Read(), Offsets(0, 5));
  EXPECT_EQ(WantedBy(*committer_, partition_)[0], 5) << "progress never goes back by itself";
}

TEST_P(ConnectorSuite, AdvancesWithoutRows) {
  Open();
  EncodedBatch none = Rows(0, 0);
  none.positions = {{partition_[0], 0, 9}};
  Commit(none);
  Restart();
  EXPECT_EQ(WantedBy(Open(), partition_)[0], 9);
  EXPECT_TRUE(Read().empty());
}

TEST_P(ConnectorSuite, GoesBackWhenAnOperatorDecidesIt) {
  Open();
  Commit(Rows(0, 3));
  ASSERT_TRUE(WantedBy(*committer_, partition_)[0] == 3);
  ASSERT_TRUE(committer_->MoveProgress(partition_, std::vector<int64_t>{1}).ok());
  Restart();
  EXPECT_EQ(WantedBy(Open(), partition_)[0], 1);
}

TEST_P(ConnectorSuite, IsEmptiedOrSaysThatItCannotBe) {
  Open();
  Commit(Rows(0, 3));
  Restart();
  const Status status = program_->Discard(*ledger_);
  EXPECT_EQ(status.ok(), program_->CanDiscard()) << status.message();
  if (!status.ok()) {
    EXPECT_EQ(status.code(), Code::kInvalid);
  }
  EXPECT_EQ(Read(), program_->CanDiscard() ? Offsets(0, 0) : Offsets(0, 3));
}

TEST_P(ConnectorSuite, RefusesAFaultyTargetWithAFaultThatHasACure) {
  EXPECT_EQ(Bind(GetParam().faulty()), nullptr);
  ASSERT_EQ(faults_.errors(), 1u);
  EXPECT_FALSE(faults_.faults()[0].message.empty());
}

}  // namespace anabranch

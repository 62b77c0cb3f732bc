#include "engine/run/position_witness.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "engine/testing/eventually.h"
#include "engine/testing/manual_clock.h"
#include "engine/testing/memory_source.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSecond = 1'000'000'000;

class WitnessTest : public testing::Test {
 protected:
  WitnessTest() {
    std::string name = (fs::temp_directory_path() / "witness_test.XXXXXX").string();
    root_ = mkdtemp(name.data());
    auto ledger = Ledger::Open((root_ / "state").string(), (root_ / "demo.json").string());
    EXPECT_TRUE(ledger.ok()) << ledger.status().message();
    ledger_ = std::move(ledger).value();
    first_ = *table_.Find({"payments", 0});
    second_ = *table_.Find({"payments", 1});
    clock_.Advance(10 * kSecond);
  }
  ~WitnessTest() override { fs::remove_all(root_); }

  PositionWitness Witness(const std::string& owner = "g") {
    const auto warn = [this](const std::string& text) {
      const std::lock_guard guard(mutex_);
      warnings_ += text;
    };
    return {ledger_.get(), clock_, warn, "in", table_, owner};
  }
  // What is said of the positions that are lost; empty: none is.
  std::string Lost(PositionWitness& witness, std::vector<PartitionId> partitions, std::vector<int64_t> stored,
                   std::vector<int64_t> targets = {}) {
    targets.resize(partitions.size(), kNoPosition);
    const auto lost = witness.FindLost(partitions, stored, targets);
    EXPECT_TRUE(lost.ok()) << lost.status().message();
    if (!lost.ok() || lost->empty()) return "";
    SourceTable table;
    LaneContext lane;
    lane.partitions = &table;
    const auto source = MemorySourceProgram(std::make_shared<MemoryInput>()).OpenLane(lane);
    return witness.Refusal(*lost, partitions, stored, **source).message();
  }
  std::string Noted(int partition) {
    const auto fact = ledger_->Get("position:in:g:payments/" + std::to_string(partition));
    return fact.ok() && *fact ? **fact : "";
  }

  fs::path root_;
  ManualClock clock_;
  SourceTable table_;
  std::unique_ptr<Ledger> ledger_;
  PartitionId first_ = 0, second_ = 0;
  std::mutex mutex_;
  std::string warnings_;  // guarded
};

// Whoever writes into the ledger waits, as for a disk that does not answer.
class StuckLedger {
 public:
  explicit StuckLedger(const fs::path& root) {
    EXPECT_EQ(sqlite3_open((root / "state" / "ledger.db").c_str(), &db_), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  ~StuckLedger() { sqlite3_close(db_); }
  void Free() { EXPECT_EQ(sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK); }

 private:
  sqlite3* db_ = nullptr;
};

// The ledger is stuck until both calls returned: were one to wait for it, the note would end with a warning.
TEST_F(WitnessTest, ResultsDoNotWaitForALedgerThatIsStuck) {
  auto witness = Witness();
  StuckLedger stuck(root_);
  witness.Committed({{first_, 0, 100}, {second_, 0, 7}});
  clock_.Advance(5 * kSecond);
  witness.Committed({{first_, 100, 250}});
  stuck.Free();
  witness.Flush();
  EXPECT_EQ(Noted(0), "250");
  EXPECT_EQ(Noted(1), "7");
  EXPECT_EQ(warnings_, "");
}

TEST_F(WitnessTest, NotesOnceASecondAndTheRestAtTheEnd) {
  auto witness = Witness();
  witness.Committed({{first_, 0, 100}});
  clock_.Advance(kSecond / 2);
  witness.Committed({{first_, 100, 200}});
  EXPECT_TRUE(Eventually([&] { return !Noted(0).empty(); }));
  EXPECT_EQ(Noted(0), "100");
  witness.Flush();
  EXPECT_EQ(Noted(0), "200");
}

TEST_F(WitnessTest, WarnsOfPositionsThatCannotBeNoted) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((root_ / "state" / "ledger.db").c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "DROP TABLE fact", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  auto witness = Witness();
  witness.Committed({{first_, 0, 100}});
  witness.Flush();
  EXPECT_NE(warnings_.find("the ledger: "), std::string::npos);
}

TEST_F(WitnessTest, FindsAGroupThatForgot) {
  auto witness = Witness();
  witness.Committed({{first_, 0, 100}});
  witness.Flush();
  EXPECT_EQ(Lost(witness, {first_, second_}, {100, kNoPosition}), "");
  EXPECT_EQ(Lost(witness, {first_}, {170}), "");
  EXPECT_NE(Lost(witness, {first_}, {99}).find("is 99, but this pipeline has committed up to 100"), std::string::npos);
  const std::string gone = Lost(witness, {first_}, {kNoPosition});
  EXPECT_NE(gone.find("has no position of payments/0 any more, but this pipeline has committed up to 100"),
            std::string::npos)
      << gone;
  EXPECT_NE(gone.find("--accept-loss"), std::string::npos) << gone;
}

TEST_F(WitnessTest, PositionsOfOneGroupProveNothingAboutAnother) {
  auto mistaken = Witness("mistaken");
  mistaken.Committed({{first_, 0, 300}});
  mistaken.Flush();
  auto right = Witness("right");
  right.Committed({{first_, 0, 100}});
  right.Flush();
  EXPECT_EQ(Lost(right, {first_}, {100}), "");
  auto third = Witness("third");
  EXPECT_EQ(Lost(third, {first_}, {kNoPosition}), "");
}

TEST_F(WitnessTest, ADeletedTopicIsLostInAllItsPartitionsUntilItsPositionsAreSetAnew) {
  auto witness = Witness();
  witness.Committed({{first_, 0, 100}, {second_, 0, 100}});
  witness.Flush();
  ASSERT_TRUE(witness.NoteLost({{.partition = first_, .position = 100}}).ok());
  // What was complete is committed all the same, and hides nothing.
  EXPECT_NE(Lost(witness, {first_}, {100}), "");
  EXPECT_NE(Lost(witness, {second_}, {130}).find("was deleted while it was read"), std::string::npos);
  ASSERT_TRUE(witness.Moved(std::vector<PartitionId>{first_}, std::vector<int64_t>{0}).ok());
  EXPECT_EQ(Lost(witness, {first_}, {0}), "");
  EXPECT_NE(Lost(witness, {second_}, {100}), "");
}

TEST_F(WitnessTest, RecordsThatCannotBeReadAreLostUntilThePositionIsBehindThem) {
  auto witness = Witness();
  using Why = LostPosition::Why;
  ASSERT_TRUE(witness.NoteLost({{.partition = first_, .position = 7, .why = Why::kUnreadable}}).ok());
  const std::vector<PartitionId> both = {first_, second_};
  const std::vector<int64_t> nothing(2, kNoPosition);
  const auto found = [&](std::vector<int64_t> stored) {
    auto lost = witness.FindLost(both, stored, nothing);
    EXPECT_TRUE(lost.ok()) << lost.status().message();
    return std::move(lost).value();
  };
  ASSERT_EQ(found({7, 7}).size(), 1u);
  EXPECT_EQ(found({7, 7})[0].why, Why::kUnreadable);
  EXPECT_EQ(found({7, 7})[0].position, 7);
  EXPECT_TRUE(found({9, 7}).empty());
}

TEST_F(WitnessTest, ATargetThatHasMoreThanAGroupWithoutPositionsSaysThatTheyAreGone) {
  auto witness = Witness();
  EXPECT_NE(Lost(witness, {first_}, {kNoPosition}, {40}), "");
  EXPECT_EQ(Lost(witness, {first_}, {0}, {40}), "");
}

TEST_F(WitnessTest, NotesNothingForAFileOrWithoutALedger) {
  auto of_file = Witness("");
  of_file.Committed({{first_, 0, 100}});
  of_file.Flush();
  EXPECT_EQ(Noted(0), "");
  ledger_.reset();
  auto without = Witness();
  without.Committed({{first_, 0, 100}});
  without.Flush();
  EXPECT_EQ(Lost(without, {first_}, {kNoPosition}), "");
}

}  // namespace
}  // namespace anabranch

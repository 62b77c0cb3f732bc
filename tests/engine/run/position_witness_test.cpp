#include "engine/run/position_witness.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include "engine/testing/manual_clock.h"

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

  PositionWitness Witness(bool stores_positions = true) {
    const auto warn = [this](const std::string& text) {
      const std::lock_guard guard(mutex_);
      warnings_ += text;
    };
    return {ledger_.get(), clock_, warn, "in", table_, stores_positions};
  }
  std::string Noted(int partition) {
    const auto fact = ledger_->Get("position:in:payments/" + std::to_string(partition));
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
  for (int tries = 0; Noted(0).empty() && tries < 1000; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
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

TEST_F(WitnessTest, RefusesAGroupThatForgot) {
  auto witness = Witness();
  witness.Committed({{first_, 0, 100}});
  witness.Flush();
  EXPECT_TRUE(witness.Check({first_, second_}, {100, kNoPosition}).ok());
  EXPECT_TRUE(witness.Check({first_}, {170}).ok());
  EXPECT_EQ(witness.Check({first_}, {99}).code(), Code::kStage);
  const Status gone = witness.Check({first_}, {kNoPosition});
  EXPECT_EQ(gone.code(), Code::kStage);
  EXPECT_NE(gone.message().find("payments/0 is gone, but this pipeline has committed up to 100"), std::string::npos)
      << gone.message();
}

TEST_F(WitnessTest, NotesNothingForAFileOrWithoutALedger) {
  auto of_file = Witness(false);
  of_file.Committed({{first_, 0, 100}});
  of_file.Flush();
  EXPECT_EQ(Noted(0), "");
  ledger_.reset();
  auto without = Witness();
  without.Committed({{first_, 0, 100}});
  without.Flush();
  EXPECT_TRUE(without.Check({first_}, {kNoPosition}).ok());
}

}  // namespace
}  // namespace anabranch

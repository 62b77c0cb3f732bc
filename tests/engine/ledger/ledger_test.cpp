#include "engine/run/ledger.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace anabranch {
namespace {

namespace fs = std::filesystem;

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "ledger_test.XXXXXX").string();
    root_ = mkdtemp(name.data());
    state_ = root_ / ".anabranch" / "demo" / "0";
    topology_ = root_ / "demo.json";
  }
  void TearDown() override { fs::remove_all(root_); }

  std::unique_ptr<Ledger> Open() {
    auto ledger = Ledger::Open(state_.string(), topology_.string());
    EXPECT_TRUE(ledger.ok()) << ledger.status().message();
    return ledger.ok() ? std::move(ledger).value() : nullptr;
  }
  void Sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((state_ / "ledger.db").c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << (error != nullptr ? error : "");
    EXPECT_GT(sqlite3_total_changes(db) + (sql.starts_with("PRAGMA") ? 1 : 0), 0) << sql << " changed nothing";
    sqlite3_close(db);
  }

  fs::path root_, state_, topology_;
};

TEST_F(LedgerTest, KeepsFactsTargetsAndCountersAcrossOpens) {
  StoredProgress progress;
  progress.length = 123;
  progress.next = {{{"payments", 3}, 17}, {{"file:in put", 0}, 9'000'000'000}, {{"payments", 11}, 0}};
  progress.scoring = {{{"payments", 3}, {GenerationId{17}, 12, {}}}, {{"file:in put", 0}, {GenerationId{18}, 0, {}}}};
  {
    auto ledger = Open();
    ASSERT_TRUE(ledger->Put({{"state", "running"}, {"source:a", "size=3;prefix=0"}}).ok());
    ASSERT_TRUE(ledger->Put({{"state", "done"}}).ok());
    ASSERT_TRUE(ledger->PutTarget("file:/out", progress).ok());
    ASSERT_TRUE(ledger->PutCounters({{"score", {{"rows_in", 3}, {"failed", 1}}}}).ok());
    ASSERT_TRUE(ledger->PutCounters({{"score", {{"rows_in", 4}}}, {"out", {{"rows_in", 2}}}}).ok());
  }
  auto ledger = Open();
  EXPECT_EQ(*ledger->Get("state"), "done");
  EXPECT_EQ(*ledger->Get("source:a"), "size=3;prefix=0");
  EXPECT_EQ(*ledger->Get("nothing"), std::nullopt);
  const auto target = ledger->GetTarget("file:/out");
  ASSERT_TRUE(target.ok() && target->has_value());
  EXPECT_EQ((*target)->length, 123);
  EXPECT_EQ((*target)->next, progress.next);
  EXPECT_EQ((*target)->scoring, progress.scoring);
  EXPECT_FALSE(ledger->GetTarget("file:/other")->has_value());
  const std::map<std::string, std::map<std::string, int64_t>> counters = {{"score", {{"rows_in", 7}, {"failed", 1}}},
                                                                          {"out", {{"rows_in", 2}}}};
  EXPECT_EQ(*ledger->GetCounters(), counters);
}

TEST_F(LedgerTest, FolderIsTheOwnersAlone) {
  auto ledger = Open();
  struct stat info;
  ASSERT_EQ(stat(state_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(stat((state_ / "ledger.db").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0077, 0u);
}

TEST_F(LedgerTest, SecondProcessIsRefusedWithThePidOfTheFirst) {
  auto ledger = Open();
  const std::string owner = "process " + std::to_string(getpid()) + " ";
  const pid_t child = fork();
  if (child == 0) {
    const auto second = Ledger::Open(state_.string(), topology_.string());
    const bool refused = !second.ok() && second.status().code() == Code::kRetry &&
                         second.status().message().find(owner) != std::string::npos &&
                         second.status().message().find("--instance") != std::string::npos;
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(LedgerTest, LockEndsWithAKilledProcess) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto first = Ledger::Open(state_.string(), topology_.string());
    const char mark = first.ok() ? '1' : '0';
    if (write(ready[1], &mark, 1) != 1) _exit(1);
    while (true) pause();
  }
  char mark = 0;
  ASSERT_EQ(read(ready[0], &mark, 1), 1);
  ASSERT_EQ(mark, '1');
  EXPECT_EQ(Ledger::Open(state_.string(), topology_.string()).status().code(), Code::kRetry);
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_NE(Open(), nullptr);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(LedgerTest, AnotherTopologyFileCannotClaimTheName) {
  Open();
  const auto other = Ledger::Open(state_.string(), (root_ / "other.json").string());
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.status().code(), Code::kInvalid);
  EXPECT_NE(other.status().message().find("demo.json"), std::string::npos) << other.status().message();
  EXPECT_NE(other.status().message().find("\"name\""), std::string::npos) << other.status().message();
}

TEST_F(LedgerTest, FolderThatMovesWithItsTopologyStaysItsOwn) {
  const fs::path before = root_ / "a";
  fs::create_directory(before);
  state_ = before / ".anabranch" / "demo" / "0";
  topology_ = before / "demo.json";
  ASSERT_TRUE(Open()->Put({{"state", "done"}}).ok());
  fs::rename(before, root_ / "b");
  state_ = root_ / "b" / ".anabranch" / "demo" / "0";
  topology_ = root_ / "b" / "demo.json";
  auto ledger = Open();
  ASSERT_NE(ledger, nullptr);
  EXPECT_EQ(*ledger->Get("state"), "done");
}

TEST_F(LedgerTest, DamagedRowsAreFoundWhenRead) {
  {
    auto ledger = Open();
    ASSERT_TRUE(ledger->Put({{"state", "running"}}).ok());
    ASSERT_TRUE(ledger->PutTarget("file:/out", {7, {{{"t", 0}, 4}}}).ok());
    ASSERT_TRUE(ledger->PutCounters({{"score", {{"rows_in", 3}}}}).ok());
  }
  Sql("UPDATE fact SET value = 'done' WHERE name = 'state'");
  Sql("UPDATE target SET next = '0 5 t\n'");
  Sql("UPDATE counter SET value = 4");
  auto ledger = Open();
  for (const Status& status : {ledger->Get("state").status(), ledger->GetTarget("file:/out").status(),
                               ledger->GetCounters().status(), ledger->PutCounters({{"score", {{"rows_in", 1}}}})}) {
    EXPECT_EQ(status.code(), Code::kInternal);
    EXPECT_NE(status.message().find("--new-ledger"), std::string::npos) << status.message();
  }
  EXPECT_EQ(*ledger->Get("nothing"), std::nullopt);
}

TEST_F(LedgerTest, FileThatIsNoDatabaseIsReportedWithTheCure) {
  fs::create_directories(state_);
  std::ofstream(state_ / "ledger.db") << std::string(8192, 'x');
  const auto ledger = Ledger::Open(state_.string(), topology_.string());
  ASSERT_FALSE(ledger.ok());
  EXPECT_EQ(ledger.status().code(), Code::kInternal);
  EXPECT_NE(ledger.status().message().find("--new-ledger"), std::string::npos) << ledger.status().message();
}

TEST_F(LedgerTest, OneThatIsGoneFromAFolderInUseIsMissed) {
  EXPECT_TRUE(Ledger::Check(state_.string()).ok()) << "nothing was ever run";
  Open();
  EXPECT_TRUE(Ledger::Check(state_.string()).ok());
  fs::create_directory(state_ / "results");  // as a run does
  fs::remove(state_ / "ledger.db");
  for (const Status& status : {Ledger::Open(state_.string(), topology_.string()).status(),
                               Ledger::OpenReadOnly(state_.string()).status(), Ledger::Check(state_.string())}) {
    EXPECT_EQ(status.code(), Code::kInternal);
    EXPECT_NE(status.message().find("--new-ledger"), std::string::npos) << status.message();
  }
  EXPECT_FALSE(fs::exists(state_ / "ledger.db")) << "no empty one takes its place";
}

TEST_F(LedgerTest, CheckFindsADamagedRow) {
  ASSERT_TRUE(Open()->PutCounters({{"score", {{"rows_in", 3}}}}).ok());
  EXPECT_TRUE(Ledger::Check(state_.string()).ok());
  Sql("UPDATE counter SET value = 4");
  EXPECT_EQ(Ledger::Check(state_.string()).code(), Code::kInternal);
}

TEST_F(LedgerTest, NewerFormatIsRefused) {
  Open();
  Sql("PRAGMA user_version=2");
  const auto ledger = Ledger::Open(state_.string(), topology_.string());
  ASSERT_FALSE(ledger.ok());
  EXPECT_EQ(ledger.status().code(), Code::kInvalid);
  EXPECT_NE(ledger.status().message().find("format 2"), std::string::npos) << ledger.status().message();
}

TEST_F(LedgerTest, ReadOnlySeesWhatARunningOwnerWroteAndWritesNothing) {
  EXPECT_EQ(Ledger::OpenReadOnly(state_.string()).status().code(), Code::kInvalid);
  auto owner = Open();
  ASSERT_TRUE(owner->Put({{"state", "running"}}).ok());
  auto reader = Ledger::OpenReadOnly(state_.string());
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  EXPECT_EQ(*(*reader)->Get("state"), "running");
  ASSERT_TRUE(owner->Put({{"state", "failed"}}).ok());
  EXPECT_EQ(*(*reader)->Get("state"), "failed");
  EXPECT_FALSE((*reader)->Put({{"state", "done"}}).ok());
  EXPECT_EQ(*owner->Get("state"), "failed");
}

TEST_F(LedgerTest, ArchiveMovesTheFolderAsideUnlessItIsOwned) {
  EXPECT_TRUE(Ledger::Archive(state_.string()).ok());
  auto ledger = Open();
  EXPECT_EQ(Ledger::Archive(state_.string()).code(), Code::kRetry);
  ASSERT_TRUE(ledger->Put({{"state", "done"}}).ok());
  ledger.reset();
  ASSERT_TRUE(Ledger::Archive(state_.string()).ok());
  EXPECT_FALSE(fs::exists(state_));
  EXPECT_TRUE(fs::exists(state_.string() + ".archived-1/ledger.db"));
  EXPECT_EQ(*Open()->Get("state"), std::nullopt);
  ASSERT_TRUE(Ledger::Archive(state_.string() + "/").ok());
  EXPECT_TRUE(fs::exists(state_.string() + ".archived-2/ledger.db"));
}

TEST_F(LedgerTest, TheModelsAndTheirHistoryAreNotArchived) {
  Open().reset();
  fs::create_directories(state_ / "models/digest");
  std::ofstream(state_ / "models.db") << "history";
  ASSERT_TRUE(Ledger::Archive(state_.string()).ok());
  EXPECT_TRUE(fs::exists(state_ / "models/digest"));
  EXPECT_TRUE(fs::exists(state_ / "models.db"));
  EXPECT_FALSE(fs::exists(state_ / "ledger.db"));
  EXPECT_EQ(*Open()->Get("state"), std::nullopt);
}

TEST_F(LedgerTest, ThreadsShareOneLedger) {
  auto ledger = Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&ledger] {
      for (int i = 0; i < 25; ++i) EXPECT_TRUE(ledger->PutCounters({{"n", {{"rows", 1}}}}).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ((*ledger->GetCounters())["n"]["rows"], 100);
}

}  // namespace
}  // namespace anabranch

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>

#include "engine/run/ledger.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr int kDamages = 2000;
const SourcePartition kFrom{"payments", 3};

// A ledger as a failed run leaves it, closed: one file.
class LedgerDamage : public testing::Test {
 protected:
  LedgerDamage() {
    std::string name = (fs::temp_directory_path() / "ledger_damage.XXXXXX").string();
    root_ = mkdtemp(name.data());
    state_ = (root_ / "state").string();
    auto ledger = Ledger::Open(state_, (root_ / "demo.json").string());
    EXPECT_TRUE(ledger.ok()) << ledger.status().message();
    EXPECT_TRUE((*ledger)->Put(facts_).ok());
    EXPECT_TRUE((*ledger)->PutTarget("file:out", {4711, {{kFrom, 99}}}).ok());
    EXPECT_TRUE((*ledger)->PutCounters({{"score", {{"invocations", 7}}}}).ok());
    EXPECT_TRUE((*ledger)->PutCrashes({{"score", kFrom, 12, 2}}).ok());
    ledger->reset();
    std::ifstream file(state_ + "/ledger.db", std::ios::binary);
    sound_.assign(std::istreambuf_iterator<char>(file), {});
  }
  ~LedgerDamage() override { fs::remove_all(root_); }

  void Write(const std::string& bytes) {
    for (const char* left : {"-wal", "-shm"}) fs::remove(state_ + "/ledger.db" + left);
    std::ofstream(state_ + "/ledger.db", std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  // What the ledger says is true, or it says that it cannot say. False when something was reported as wrong or missing.
  bool SaysAllAndOnlyTheTruth() {
    auto ledger = Ledger::Open(state_, (root_ / "demo.json").string());
    if (!ledger.ok()) return false;
    bool all = true;
    for (const auto& [name, value] : facts_) {
      const auto got = (*ledger)->Get(name);
      if (got.ok() && *got) {
        EXPECT_EQ(**got, value) << name;
      }
      all = all && got.ok() && *got;
    }
    const auto target = (*ledger)->GetTarget("file:out");
    if (target.ok() && *target) {
      EXPECT_EQ((*target)->length, 4711);
      EXPECT_EQ((*target)->next, (std::map<SourcePartition, int64_t>{{kFrom, 99}}));
    }
    const auto crashes = (*ledger)->GetCrashes();
    if (crashes.ok() && !crashes->empty()) {
      EXPECT_EQ(crashes->front().count, 2);
      EXPECT_EQ(crashes->front().first, 12);
    }
    const auto counters = (*ledger)->GetCounters();
    if (counters.ok() && counters->contains("score")) {
      EXPECT_EQ(counters->at("score").at("invocations"), 7);
    }
    return all && target.ok() && *target && crashes.ok() && counters.ok();
  }

  fs::path root_;
  std::string state_;
  std::string sound_;
  const std::map<std::string, std::string> facts_ = {{"state", "failed"},
                                                     {"failure", "{\"stage\": \"score\", \"message\": \"broken\"}"},
                                                     {"topology_hash", "0123456789ab"},
                                                     {"position:payments:payments/3", "99"},
                                                     {"source:payments", "size=120;prefix=9f00"}};
};

TEST_F(LedgerDamage, FlippedBytesAndCutFilesNeverMakeItLie) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  int told = 0;
  for (int i = 0; i < kDamages; ++i) {
    std::string bytes = sound_;
    const size_t at = random() % bytes.size();
    if (i % 10 == 0) {
      bytes.resize(at);
    } else {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 + random() % 255));
    }
    SCOPED_TRACE("seed " + std::to_string(seed) + ", damage " + std::to_string(i) + " at byte " + std::to_string(at));
    Write(bytes);
    told += SaysAllAndOnlyTheTruth() ? 0 : 1;
    if (HasFailure()) return;
  }
  std::printf("ledger of %zu bytes: %d of %d damages seen, the others harmless, seed %u\n", sound_.size(), told,
              kDamages, static_cast<unsigned>(seed));
  EXPECT_GT(told, 0);
}

TEST_F(LedgerDamage, AnUndamagedOneSaysAll) {
  Write(sound_);
  EXPECT_TRUE(SaysAllAndOnlyTheTruth());
}

}  // namespace
}  // namespace anabranch

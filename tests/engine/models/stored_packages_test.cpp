#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/models/load_attempts.h"
#include "engine/testing/eventually.h"
#include "tests/engine/models/agent_fixture.h"

namespace anabranch {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = "/tmp/stored_packages.XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using Names = std::set<std::string>;

class StoredPackages : public testing::Test {
 protected:
  void Serve(const std::string& partition, uint32_t generation, const std::string& by) {
    ControlEntry serves = CommandEntry(ControlEntry::Kind::kServes);
    serves.instance = by;
    serves.partition = partition;
    serves.generation_number = generation;
    ASSERT_TRUE(MemoryLog(shared).Append(serves).ok());
  }
  uint32_t Next(const std::string& version) {
    const auto end = DeployVersion(shared, version);
    EXPECT_TRUE(end.ok());
    return end.ok() ? end->generation : 0;
  }
  bool Keeps(const Names& versions) {
    Names digests;
    for (const std::string& version : versions) digests.insert("digest-of-" + version);
    return Eventually([&] { return a.Kept() == digests; });
  }

  SharedLog shared;
  Instance a{shared};
};

TEST_F(StoredPackages, TheLastThreeGenerationsStayAndWhatPartitionsWereCommittedWith) {
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  Serve("in/5", 1, "1");  // of another instance, once
  for (const char* version : {"8", "9", "10", "11"}) Next(version);
  const uint32_t newest = Next("12");
  a.agent->Switched(Partition(0), {GenerationId(newest), 30, 0});
  a.agent->Follow();
  ASSERT_TRUE(Eventually([&] { return a.agent->active() == newest; }));
  a.agent->Uses(0, GenerationId(newest));
  EXPECT_TRUE(Keeps({"7", "10", "11", "12"}));
  Serve("in/5", newest, "1");
  EXPECT_TRUE(Keeps({"10", "11", "12"}));
}

// One of its targets may be behind, and the log says only what all have.
TEST_F(StoredPackages, WhatIsNewerThanTheCommitOfAPartitionOfThisRunStays) {
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  const uint32_t second = Next("8");
  for (const char* version : {"9", "10", "11"}) Next(version);
  const uint32_t newest = Next("12");
  a.agent->Switched(Partition(0), {GenerationId(second), 30, 0});
  a.agent->Follow();
  ASSERT_TRUE(Eventually([&] { return a.agent->active() == newest; }));
  a.agent->Uses(0, GenerationId(newest));
  EXPECT_TRUE(Keeps({"8", "9", "10", "11", "12"}));
  a.agent->Switched(Partition(0), {GenerationId(newest), 60, 0});
  EXPECT_TRUE(Keeps({"10", "11", "12"}));
}

TEST_F(StoredPackages, WhatIsBeingDeployedStays) {
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  a.agent->Switched(Partition(0), {GenerationId(1U), 0, 0});
  a.agent->Uses(0, GenerationId(1U));
  a.agent->Follow();
  ControlEntry open = CommandEntry(ControlEntry::Kind::kPrepare);
  open.deployment = "open";
  open.generation.model = "gbt";
  open.generation.arms = {{"slow", "digest-of-slow"}};
  ASSERT_TRUE(MemoryLog(shared).Append(open).ok());
  EXPECT_TRUE(Keeps({"7", "slow"}));
  *a.open = true;
}

TEST(LoadsThatKill, AreCountedUntilOneEnds) {
  const Folder folder;
  const LoadAttempts attempts(folder.path() + "/loading");
  for (int died = 0; died < 3; ++died) EXPECT_EQ(attempts.Begin("a"), died);
  EXPECT_EQ(attempts.Begin("b"), 0);
  attempts.End("b");
  EXPECT_EQ(attempts.Begin("a"), 3);
  attempts.End("a");
  EXPECT_EQ(attempts.Begin("a"), 0);
  attempts.End("a");
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/loading"));
}

// Instances that died three times while they loaded version 8.
class DiedInLoads : public testing::Test {
 protected:
  void Deaths(const std::string& version, int count) {
    std::ofstream(folder.path() + "/loading") << "digest-of-" << version << ' ' << count << '\n';
  }
  InstanceExtras Extras(bool in_place) const {
    InstanceExtras extras;
    extras.in_place = in_place;
    extras.loads_file = folder.path() + "/loading";
    return extras;
  }
  void Begin() {
    Instance first(shared);
    ASSERT_TRUE(first.agent->Begin(first.cancel).ok());
  }

  const Folder folder;
  SharedLog shared;
};

TEST_F(DiedInLoads, ACandidateIsRolledBackAfterThreeTimes) {
  Begin();
  for (const auto kind : {ControlEntry::Kind::kPrepare, ControlEntry::Kind::kActive}) {
    ControlEntry entry = CommandEntry(kind);
    entry.deployment = "d";
    entry.action = "deploy";
    entry.generation.model = "gbt";
    entry.generation.rule = ArmRule::kCanary;
    entry.generation.share = 0.1;
    entry.generation.arms = {{"7", "digest-of-7"}, {"8", "digest-of-8"}};
    entry.generation.step = 1;
    entry.generation.salt = 1;
    ASSERT_TRUE(MemoryLog(shared).Append(entry).ok());
  }
  Deaths("8", 2);
  Instance twice(shared, "0", false, Extras(false));
  ASSERT_TRUE(twice.agent->Begin(twice.cancel).ok());
  EXPECT_TRUE(twice.node.Loaded("8"));
  Deaths("8", 3);
  Instance after(shared, "0", false, Extras(false));
  const Status begun = after.agent->Begin(after.cancel);
  ASSERT_TRUE(begun.ok()) << begun.message();
  EXPECT_FALSE(after.node.Loaded("8"));
  EXPECT_TRUE(after.Warned("died 3 times in a row while it was loaded"));
  EXPECT_EQ(shared.entries.back().kind, ControlEntry::Kind::kStep);
  EXPECT_EQ(shared.entries.back().action, "rollback");
  EXPECT_EQ(after.agent->active(), shared.entries.size());
}

TEST_F(DiedInLoads, AVersionThatIsSwappedInPlaceIsAbandonedAfterThreeTimes) {
  Begin();
  ASSERT_TRUE(DeployVersion(shared, "8").ok());
  Deaths("8", 3);
  Instance after(shared, "0", false, Extras(true));
  ASSERT_TRUE(after.agent->Begin(after.cancel).ok());
  EXPECT_TRUE(after.node.Loaded("7"));
  EXPECT_FALSE(after.node.Loaded("8"));
  EXPECT_EQ(shared.entries.back().action, "abandon");
}

TEST_F(DiedInLoads, AVersionThatIsAloneIsNotReplaced) {
  Begin();
  Deaths("7", 3);
  Instance after(shared, "0", false, Extras(false));
  const Status begun = after.agent->Begin(after.cancel);
  EXPECT_EQ(begun.code(), Code::kUnavailable);
  EXPECT_NE(begun.message().find("died 3 times"), std::string::npos) << begun.message();
}

}  // namespace
}  // namespace anabranch

#include "engine/models/model_agent.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/testing/eventually.h"
#include "tests/engine/models/agent_fixture.h"

namespace anabranch {
namespace {

using Kind = ControlEntry::Kind;

std::vector<CommittedGeneration> Committed(std::vector<uint32_t> numbers, uint32_t check = 0) {
  std::vector<CommittedGeneration> committed;
  for (const uint32_t number : numbers) committed.push_back({GenerationId(number), check, Partition(3)});
  return committed;
}

TEST(ModelAgent, TheFirstRunMakesWhatTheFileSaysAGeneration) {
  SharedLog shared;
  Instance first(shared);
  ASSERT_TRUE(first.agent->Begin(first.cancel).ok());
  EXPECT_EQ(first.agent->active(), 1U);
  EXPECT_EQ(first.node.added, (std::map<uint32_t, std::string>{{1, "7"}}));
  Instance again(shared);
  ASSERT_TRUE(again.agent->Begin(again.cancel).ok());
  EXPECT_EQ(shared.entries.size(), 1U);
  EXPECT_EQ(again.agent->active(), 1U);
}

TEST(ModelAgent, AFirstVersionIsWrittenOnceItPassedItsGates) {
  SharedLog shared;
  int asked = 0;
  Status verdict(Code::kInvalid, "always: row 3 is wrong");
  const auto gates = [&](const ModelAgent::Model& model,
                         const GenerationRecord::Arm& arm) -> Result<std::map<std::string, std::string>> {
    ++asked;
    EXPECT_EQ(model.name + "@" + arm.version, "gbt@7");
    if (!verdict.ok()) return verdict;
    return std::map<std::string, std::string>{{"always", "3 rows"}};
  };
  for (const bool passes : {false, true, true}) {
    Instance instance(shared, "0", false, {.first_gates = gates});
    verdict = passes ? Status() : verdict;
    const Status begun = instance.agent->Begin(instance.cancel);
    EXPECT_EQ(begun.ok(), passes) << begun.message();
    EXPECT_EQ(shared.entries.size(), passes ? 1U : 0U);
  }
  EXPECT_EQ(asked, 2) << "the log has an entry for it";
  EXPECT_EQ(shared.entries[0].gates, (std::map<std::string, std::string>{{"always", "3 rows"}}));
  EXPECT_EQ(shared.entries[0].start, "7");
}

TEST(ModelAgent, ADeploymentIsActiveOnceEveryInstanceIsReady) {
  SharedLog shared;
  Instance a(shared, "a"), b(shared, "b");
  for (Instance* each : {&a, &b}) ASSERT_TRUE(each->agent->Begin(each->cancel).ok());
  shared.members = {"a", "b"};
  a.agent->Follow();
  const auto late = DeployVersion(shared, "8", "deploy", 300);  // b does not answer
  ASSERT_TRUE(late.ok()) << late.status().message();
  EXPECT_EQ(late->kind, DeploymentEnd::Kind::kAbandoned);
  ASSERT_EQ(late->reasons.size(), 1U);
  EXPECT_EQ(late->reasons[0].substr(0, 22), "instance b: no answer ");
  EXPECT_EQ(a.agent->active(), 1U);
  b.agent->Follow();
  const auto done = DeployVersion(shared, "8");
  ASSERT_TRUE(done.ok());
  ASSERT_EQ(done->kind, DeploymentEnd::Kind::kActive);
  EXPECT_TRUE(Eventually([&] { return a.agent->active() == done->generation; }));
  EXPECT_TRUE(Eventually([&] { return b.agent->active() == done->generation; }));
  EXPECT_EQ(DeployVersion(shared, "8")->kind, DeploymentEnd::Kind::kAlready);
}

TEST(ModelAgent, WhatOneInstanceRefusesScoresNowhere) {
  SharedLog shared;
  Instance a(shared, "a"), b(shared, "b");
  for (Instance* each : {&a, &b}) {
    ASSERT_TRUE(each->agent->Begin(each->cancel).ok());
    each->agent->Follow();
  }
  shared.members = {"a", "b"};
  b.node.broken = {"8"};
  const auto end = DeployVersion(shared, "8");
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, DeploymentEnd::Kind::kAbandoned);
  ASSERT_EQ(end->reasons.size(), 2U);
  EXPECT_NE(end->reasons[0].find("one reason"), std::string::npos);
  EXPECT_EQ(end->reasons[1], "instance b: another reason");
  const auto gated = DeployVersion(shared, "bad");
  ASSERT_TRUE(gated.ok());
  ASSERT_FALSE(gated->reasons.empty());
  EXPECT_TRUE(gated->reasons[0].ends_with(": always: row 3 is wrong")) << gated->reasons[0];
  EXPECT_EQ(a.agent->active(), 1U);
  EXPECT_EQ(b.agent->active(), 1U);
}

TEST(ModelAgent, ACommandThatDiedIsGoneOnWith) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  a.agent->Follow();
  shared.members = {"0"};
  ControlEntry orphan = CommandEntry(Kind::kPrepare);
  orphan.deployment = "orphan";
  orphan.action = "deploy";
  orphan.generation.model = "gbt";
  orphan.generation.arms = {{"8", "digest-of-8"}};
  ASSERT_TRUE(MemoryLog(shared).Append(orphan).ok());
  const auto other = DeployVersion(shared, "9");
  EXPECT_EQ(other.status().code(), Code::kRetry);
  EXPECT_NE(other.status().message().find("deploy of version 8"), std::string::npos);
  const auto same = DeployVersion(shared, "8");
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->kind, DeploymentEnd::Kind::kActive);
  EXPECT_EQ(std::ranges::count(shared.entries, Kind::kPrepare, &ControlEntry::kind), 1);
}

TEST(ModelAgent, AVersionThatCannotBeLoadedWhenItCountsLeavesTheOldOne) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  a.node.broken = {"8"};
  const auto bad = DeployVersion(shared, "8");  // nobody is at work to refuse it
  ASSERT_TRUE(bad.ok());
  ASSERT_EQ(bad->kind, DeploymentEnd::Kind::kActive);
  a.agent->Follow();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(a.agent->active(), 1U);
  const auto good = DeployVersion(shared, "9");  // replaces it: the bad one is in nobody's way
  ASSERT_TRUE(good.ok());
  Instance later(shared);
  later.node.broken = {"8"};
  ASSERT_TRUE(later.agent->Begin(later.cancel).ok());
  EXPECT_EQ(later.agent->active(), good->generation);
  // But a partition that was committed with it needs it.
  EXPECT_EQ(later.agent->Require(0, Committed({bad->generation}), later.cancel).code(), Code::kInvalid);
  EXPECT_TRUE(later.agent->Require(0, Committed({1, 0}), later.cancel).ok());
  EXPECT_EQ(later.node.added.at(0), "7");
}

TEST(ModelAgent, ANewOwnerReadsTheLogUpToTheGenerationThatItFinds) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  const auto end = DeployVersion(shared, "8");  // by others, since it began
  ASSERT_TRUE(end.ok());
  ASSERT_TRUE(a.agent->Require(0, Committed({end->generation}), a.cancel).ok());
  EXPECT_EQ(a.node.added.at(end->generation), "8");
}

// Two instances with a log each, or one that lost its log: the same number, but not the same version.
class AnotherLog : public testing::Test {
 protected:
  void SetUp() override {
    mine.local = others.local = true;
    ASSERT_TRUE(other.agent->Begin(other.cancel).ok());
    ASSERT_TRUE(here.agent->Begin(here.cancel).ok());
    for (const auto& [log, version] : {std::pair(&mine, "8"), {&others, "9"}}) {
      const auto end = DeployVersion(*log, version);
      ASSERT_TRUE(end.ok());
      number = end->generation;
    }
    for (Instance* each : {&other, &here}) ASSERT_TRUE(each->agent->Require(0, Committed({number}), each->cancel).ok());
  }
  Status Require(uint32_t generation, uint32_t check) {
    return here.agent->Require(0, Committed({generation}, check), here.cancel);
  }

  SharedLog mine, others;
  Instance here{mine, "0"}, other{others, "1"};
  uint32_t number = 0;
};

TEST_F(AnotherLog, WhatItsNumbersMeanIsNotMistaken) {
  EXPECT_TRUE(Require(number, here.agent->Check(GenerationId(number))).ok());
  EXPECT_TRUE(Require(1, other.agent->Check(GenerationId(1U))).ok()) << "both began with version 7";
  const Status refused = Require(number, other.agent->Check(GenerationId(number)));
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  const std::string parts[] = {"partition in/3", "generation " + std::to_string(number), "the log", "version 8",
                               "\"control\""};
  for (const std::string& part : parts) {
    EXPECT_NE(refused.message().find(part), std::string::npos) << refused.message();
  }
}

TEST_F(AnotherLog, ItsNumbersThatAreNoGenerationsHereAreRefused) {
  for (const uint32_t unknown : {number - 1, number + 1}) {
    const auto begin = std::chrono::steady_clock::now();
    const Status refused = Require(unknown, 0);
    EXPECT_EQ(refused.code(), Code::kUnavailable);
    const std::string text = "the log has no generation " + std::to_string(unknown);
    EXPECT_NE(refused.message().find(text), std::string::npos) << refused.message();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << "nobody will write it";
  }
}

TEST(ModelAgent, ASwitchIsNotedOnceAndOldVersionsGo) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  shared.members = {"0"};
  a.agent->Follow();
  std::vector<uint32_t> numbers = {1};
  for (const char* version : {"8", "9", "10"}) {
    const uint32_t before = a.agent->active();
    a.agent->Switched(Partition(0), {GenerationId(before), 10, 0});
    numbers.push_back(0);
    std::thread lane([&] {  // switches as lanes do
      EXPECT_TRUE(Eventually([&] { return a.agent->active() > before; }));
      a.agent->Uses(0, a.agent->active());
      for (int i = 0; i < 3; ++i) a.agent->Switched(Partition(0), {a.agent->active(), 20, GenerationId(before)});
    });
    const auto end = DeployVersion(shared, version);
    lane.join();
    ASSERT_TRUE(end.ok());
    EXPECT_TRUE(end->waiting.empty());
    numbers.back() = end->generation;
  }
  EXPECT_TRUE(Eventually([&] { return !a.node.Loaded("8"); }));
  EXPECT_TRUE(a.node.Loaded("9"));  // a rollback finds it
  EXPECT_TRUE(a.node.Loaded("10"));
  a.agent->Stop();
  std::vector<uint32_t> served;
  for (const ControlEntry& entry : shared.entries) {
    if (entry.kind == Kind::kServes && entry.position == 20) served.push_back(entry.generation_number);
  }
  EXPECT_EQ(served, (std::vector<uint32_t>{numbers[1], numbers[2], numbers[3]}));
}

TEST(ModelAgent, WhatIsPreparedIsNotLookedForAgain) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  EXPECT_EQ(a.finds, 1);
  for (int assignment = 0; assignment < 3; ++assignment) {
    ASSERT_TRUE(a.agent->Require(0, Committed({1}), a.cancel).ok());
  }
  EXPECT_EQ(a.finds, 1);
}

TEST(ModelAgent, AnAssignmentOutlastsALogThatIsAwayForAWhile) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  const auto end = DeployVersion(shared, "8");
  ASSERT_TRUE(end.ok());
  shared.read_fails = 2;
  const Status required = a.agent->Require(0, Committed({end->generation}), a.cancel);
  EXPECT_TRUE(required.ok()) << required.message();
}

TEST(ModelAgent, AnAnswerThatTheLogDoesNotTakeIsSentAgainWithoutNewGates) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  shared.members = {"0"};
  shared.away = 3;
  a.agent->Follow();
  const auto end = DeployVersion(shared, "8");
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, DeploymentEnd::Kind::kActive);
  EXPECT_EQ(shared.away, 0);
  EXPECT_EQ(*a.gated, 1);
}

TEST(ModelAgent, AStopDoesNotTryALogThatIsAwayOncePerPartition) {
  SharedLog shared;
  Instance a(shared);
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  a.agent->Follow();
  shared.away = 1000;
  for (int partition = 0; partition < 40; ++partition)
    a.agent->Switched(Partition(partition), {GenerationId(1U), 5, 0});
  const auto begin = std::chrono::steady_clock::now();
  a.agent->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

TEST(ModelAgent, BesideARunNothingIsAppended) {
  SharedLog shared;
  Instance beside(shared, "0", true);
  ASSERT_TRUE(beside.agent->Begin(beside.cancel).ok());
  beside.agent->Follow();
  beside.agent->Switched(Partition(0), {GenerationId(1U), 5, 0});
  beside.agent->Stop();
  EXPECT_TRUE(shared.entries.empty());
  EXPECT_EQ(beside.node.added.at(0), "7");  // what the file says scores
}

}  // namespace
}  // namespace anabranch

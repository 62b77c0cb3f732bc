#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "engine/fault_point.h"
#include "engine/testing/eventually.h"
#include "tests/engine/models/agent_fixture.h"

namespace anabranch {
namespace {

using Kind = ControlEntry::Kind;
using What = RolloutSpec::Guard::What;
using Then = RolloutSpec::Then;

std::shared_ptr<RolloutSpec> SpecOfTest() {
  auto spec = std::make_shared<RolloutSpec>();
  spec->steps = {{ArmRule::kShadow, 1, 2000, 0}, {ArmRule::kCanary, 0.05, 2000, 0}, {ArmRule::kOne, 1, 0, 0}};
  spec->guards = {{.what = What::kErrors, .limit = 0.01}};
  spec->segment = "country";
  return spec;
}

// The deployment of version 8 by the rollout of the file.
Result<DeploymentEnd> BeginRollout(ControlLog& log, const RolloutSpec& spec) {
  DeploymentWish wish;
  wish.prepare = CommandEntry(Kind::kPrepare);
  wish.prepare.action = "deploy";
  wish.prepare.generation = FirstStep(spec, "gbt", {"7", "digest-of-7"}, {"8", "digest-of-8"}, NewDeploymentId());
  wish.timeout_ms = 5000;
  return Deploy(log, wish);
}

Result<DeploymentEnd> BeginRollout(SharedLog& shared, const RolloutSpec& spec) {
  MemoryLog log(shared);
  return BeginRollout(log, spec);
}

// `rows` that both arms of the newest generation scored; so many of them only the candidate failed.
void Count(Instance& instance, GenerationId generation, int64_t rows, int64_t errors) {
  const auto rules = instance.agent->Rules("score", generation);
  ASSERT_NE(rules, nullptr) << "generation " << generation;
  ArmCounts counts(rules->compare, rules->guards.size(), rules->arms);
  for (GuardCounts& guard : counts.guards) guard = {rows, errors, rows, errors};
  const ComparedValue value{.kind = ComparedValue::Kind::kNumber, .number = 0.3};
  for (int64_t row = 0; row < rows; ++row) {
    const bool failed = row < errors;
    counts.compare.Add({.id = "id",
                        .segment = "at",
                        .b_failed = failed,
                        .a = {&value, 1},
                        .b = failed ? std::span<const ComparedValue>() : std::span(&value, 1)});
  }
  counts.drawn = counts.answered = {rows, 0};
  instance.agent->Counted("score", generation, counts);
}

std::vector<ControlEntry> Entries(SharedLog& shared, Kind kind) {
  std::vector<ControlEntry> found;
  const MutexLock lock(shared.mutex);
  std::ranges::copy_if(shared.entries, std::back_inserter(found), [&](const auto& each) { return each.kind == kind; });
  return found;
}

ControlState StateOf(SharedLog& shared) {
  MemoryLog log(shared);
  return ReadControlState(log).value();
}

bool Reaches(Instance& instance, ArmRule rule, const std::string& newest) {
  return Eventually([&] {
    const GenerationId active = instance.agent->active();
    const auto rules = instance.agent->Rules("score", active);
    const auto now = instance.agent->Now();
    const auto rollouts = instance.agent->Rollouts();
    if (rule == ArmRule::kOne) {
      return rules == nullptr && rollouts.empty() && now[0].generation == active && now[0].version == newest;
    }
    return rules != nullptr && rollouts.size() == 1 && rollouts[0].generation == active &&
           rollouts[0].record.rule == rule && rollouts[0].record.newest().version == newest;
  });
}

struct RolloutRig {
  explicit RolloutRig(std::shared_ptr<RolloutSpec> spec = SpecOfTest(), std::vector<std::string> names = {"0"},
                      int64_t write_every_ms = 20)
      : rollout(std::move(spec)), counts_ms(write_every_ms) {
    for (const std::string& name : names) Start(name);
    shared.members = names;
    const auto begun = BeginRollout(shared, *rollout);
    EXPECT_TRUE(begun.ok() && begun->kind == DeploymentEnd::Kind::kActive);
    for (const auto& each : instances) EXPECT_TRUE(Reaches(*each, ArmRule::kShadow, "8"));
  }
  Instance& Start(const std::string& name) {
    instances.push_back(
        std::make_unique<Instance>(shared, name, false, InstanceExtras{.rollout = rollout, .counts_ms = counts_ms}));
    Instance& instance = *instances.back();
    EXPECT_TRUE(instance.agent->Begin(instance.cancel).ok());
    instance.agent->Follow();
    return instance;
  }
  Instance& first() { return *instances.front(); }

  SharedLog shared;
  std::shared_ptr<RolloutSpec> rollout;
  int64_t counts_ms;
  std::vector<std::unique_ptr<Instance>> instances;
};

TEST(RolloutAgent, AGoodVersionGoesFromShadowToAllByItself) {
  RolloutRig rig;
  Instance& a = rig.first();
  const GenerationId shadow = a.agent->active();
  const auto rules = a.agent->Rules("score", shadow);
  EXPECT_EQ(rules->compare.outputs[0].name, "p of digest-of-7");
  EXPECT_EQ(rules->compare.segment, "country");
  EXPECT_EQ(rules->guards.size(), 1U);
  EXPECT_EQ(a.agent->Rules("another", shadow), nullptr);
  EXPECT_EQ(a.agent->Rules("score", GenerationId(1U)), nullptr);  // one arm
  EXPECT_EQ(a.agent->Rules("score", GenerationId(shadow + 1)), nullptr);
  Count(a, shadow, 1000, 0);
  EXPECT_TRUE(Eventually([&] { return !Entries(rig.shared, Kind::kCounts).empty(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(a.agent->active(), shadow);  // too few rows
  Count(a, shadow, 1500, 1);
  ASSERT_TRUE(Reaches(a, ArmRule::kCanary, "8"));
  const GenerationId canary = a.agent->active();
  EXPECT_EQ(a.agent->CountsOf("gbt").size(), 0U);  // each step has its own
  Count(a, shadow, 100, 0);                        // of a partition that switches late
  Count(a, canary, 2500, 1);
  ASSERT_TRUE(Reaches(a, ArmRule::kOne, "8"));
  a.agent->Stop();
  const ControlState state = StateOf(rig.shared);
  ASSERT_EQ(state.generations().size(), 4U);
  EXPECT_EQ(state.generations()[3].record().step, 3);
  EXPECT_EQ(state.generations()[2].record().salt, state.generations()[1].record().salt);
  EXPECT_EQ(state.generations()[1].record().rollout, state.generations()[3].record().rollout);
  EXPECT_EQ(SumOf(*state.CountsOf(shadow))->at("score").paired(), 2600);
  EXPECT_EQ(SumOf(*state.CountsOf(canary))->at("score").paired(), 2500);
  EXPECT_FALSE(state.generations()[3].active.guards.at("errors").empty());
  EXPECT_TRUE(a.agent->Rollouts().empty());
}

TEST(RolloutAgent, ABreachIsRolledBackAndStaysSo) {
  RolloutRig rig(SpecOfTest(), {"0"}, 60'000);  // its counts are written for the decision only
  Instance& a = rig.first();
  Count(a, a.agent->active(), 500, 25);
  ASSERT_TRUE(Reaches(a, ArmRule::kOne, "7"));
  a.agent->Uses(0, a.agent->active());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(a.node.Loaded("8"));  // for an hour: a deployment finds it
  EXPECT_TRUE(a.Warned("rollback: step 1 of 3: errors 0.05 of 0.01"));
  a.agent->Stop();
  const ControlState state = StateOf(rig.shared);
  // What it was decided by is in the log before the decision.
  const auto counts = Entries(rig.shared, Kind::kCounts), steps = Entries(rig.shared, Kind::kStep);
  ASSERT_EQ(steps.size(), 1U);
  ASSERT_EQ(counts.size(), 1U);
  EXPECT_LT(counts.back().number, steps[0].number);
  EXPECT_EQ(steps[0].action, "rollback");
  Instance& again = rig.Start("0");
  EXPECT_EQ(again.agent->active(), state.Newest("gbt")->number);
  EXPECT_EQ(again.agent->Now()[0].version, "7");
  EXPECT_TRUE(again.agent->Rollouts().empty());
  EXPECT_FALSE(again.agent->HasCandidate("score"));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(Entries(rig.shared, Kind::kStep).size(), 1U);
}

TEST(RolloutAgent, TwoInstancesJudgeTheSumOfTheirCountsAndMakeOneStep) {
  RolloutRig rig(SpecOfTest(), {"a", "b"});
  const GenerationId shadow = rig.first().agent->active();
  Count(*rig.instances[0], shadow, 1100, 0);
  Count(*rig.instances[1], shadow, 1100, 0);
  for (const auto& each : rig.instances) ASSERT_TRUE(Reaches(*each, ArmRule::kCanary, "8"));
  const GenerationId canary = rig.first().agent->active();
  EXPECT_EQ(rig.instances[1]->agent->active(), canary);
  // Each breach alone is one; whoever is first.
  for (const auto& each : rig.instances) Count(*each, canary, 500, 25);
  for (const auto& each : rig.instances) ASSERT_TRUE(Reaches(*each, ArmRule::kOne, "7"));
  for (const auto& each : rig.instances) each->agent->Stop();
  const ControlState state = StateOf(rig.shared);
  EXPECT_EQ(state.generations().size(), 4U);
  EXPECT_EQ(SumOf(*state.CountsOf(shadow))->at("score").paired(), 2200);
  EXPECT_EQ(state.CountsOf(shadow)->size(), 2U);
}

TEST(RolloutAgent, CountsOfARestartedInstanceGoOn) {
  RolloutRig rig;
  const GenerationId shadow = rig.first().agent->active();
  Count(rig.first(), shadow, 1200, 0);
  rig.first().agent->Stop();  // writes what is left
  Instance& again = rig.Start("0");
  EXPECT_EQ(again.agent->CountsOf("gbt").at("score").paired(), 1200);
  EXPECT_EQ(again.agent->Rollouts()[0].paired, 1200);
  Count(again, shadow, 1200, 0);
  ASSERT_TRUE(Reaches(again, ArmRule::kCanary, "8"));
  again.agent->Stop();
  EXPECT_EQ(SumOf(*StateOf(rig.shared).CountsOf(shadow))->at("score").paired(), 2400);
}

TEST(RolloutAgent, WhatAPersonHeldMakesNoStepByItself) {
  RolloutRig rig;
  Instance& a = rig.first();
  ControlEntry hold = HoldEntry(*StateOf(rig.shared).Newest("gbt"));
  hold.by = "ann";
  ASSERT_TRUE(MemoryLog(rig.shared).Append(hold).ok());
  EXPECT_TRUE(Eventually([&] { return a.agent->Rollouts()[0].is_held; }));
  Count(a, a.agent->active(), 5000, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_EQ(a.agent->Rollouts().size(), 1U);
  EXPECT_EQ(a.agent->Rollouts()[0].state, RolloutStatus::State::kHeld);
  ASSERT_TRUE(MemoryLog(rig.shared).Append(PromoteEntry(a.agent->Rollouts()[0], *rig.rollout, true)).ok());
  EXPECT_TRUE(Reaches(a, ArmRule::kOne, "8"));
}

TEST(RolloutAgent, ABreachThatTheFileWantsHeldIsHeldForGood) {
  auto spec = SpecOfTest();
  spec->on_breach = Then::kHold;
  RolloutRig rig(spec);
  Instance& a = rig.first();
  Count(a, a.agent->active(), 500, 25);
  EXPECT_TRUE(Eventually([&] { return Entries(rig.shared, Kind::kHold).size() == 1; }));
  Count(a, a.agent->active(), 20'000, 0);  // the rate is good again
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_EQ(a.agent->Rollouts().size(), 1U);
  EXPECT_TRUE(a.agent->Rollouts()[0].is_held);
  EXPECT_TRUE(Entries(rig.shared, Kind::kStep).empty());
  EXPECT_EQ(Entries(rig.shared, Kind::kHold).size(), 1U);
}

TEST(RolloutAgent, TheLastStepAwaitsAnApproval) {
  auto spec = SpecOfTest();
  spec->needs_approval = true;
  RolloutRig rig(spec);
  Instance& a = rig.first();
  Count(a, a.agent->active(), 2500, 0);
  ASSERT_TRUE(Reaches(a, ArmRule::kCanary, "8"));
  Count(a, a.agent->active(), 2500, 0);
  EXPECT_TRUE(Eventually([&] { return a.agent->Rollouts()[0].state == RolloutStatus::State::kAwaitsPerson; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(Entries(rig.shared, Kind::kStep).size(), 1U);
}

TEST(RolloutAgent, ACandidateThatKillsTheProcessIsGivenUpBeforeTheFirstBatch) {
  RolloutRig rig;
  rig.first().agent->Stop();
  auto next = std::make_unique<Instance>(rig.shared, "0", false, InstanceExtras{.rollout = rig.rollout});
  ASSERT_TRUE(next->agent->Begin(next->cancel).ok());
  EXPECT_TRUE(next->agent->HasCandidate("score"));
  EXPECT_FALSE(next->agent->HasCandidate("another"));
  EXPECT_FALSE(next->agent->GiveUpCandidate("another", "it died 3 times").value());
  const uint32_t before = next->agent->active();
  EXPECT_TRUE(next->agent->GiveUpCandidate("score", "it died 3 times").value());
  EXPECT_GT(next->agent->active(), before);
  EXPECT_EQ(next->agent->Now()[0].version, "7");
  EXPECT_FALSE(next->agent->HasCandidate("score"));
  const auto steps = Entries(rig.shared, Kind::kStep);
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0].reason, "it died 3 times");
  EXPECT_EQ(steps[0].action, "rollback");
  EXPECT_TRUE(steps[0].is_crash);
  EXPECT_FALSE(next->agent->GiveUpCandidate("score", "again").value());
  // A log that is away: no answer is better than a wrong one.
  RolloutRig away;
  away.first().agent->Stop();
  Instance other(away.shared, "0", false, {.rollout = away.rollout});
  ASSERT_TRUE(other.agent->Begin(other.cancel).ok());
  away.shared.away = 1;
  EXPECT_EQ(other.agent->GiveUpCandidate("score", "it died").status().code(), Code::kUnavailable);
  EXPECT_TRUE(other.agent->HasCandidate("score"));
}

TEST(RolloutAgent, WhatIsReplayedBesideARolloutIsNotCounted) {
  RolloutRig rig;
  Instance beside(rig.shared, "0", true, {.rollout = rig.rollout});
  ASSERT_TRUE(beside.agent->Begin(beside.cancel).ok());
  const GenerationId shadow = rig.first().agent->active();
  EXPECT_EQ(beside.agent->active(), shadow);
  EXPECT_NE(rig.first().agent->Rules("score", shadow), nullptr);
  EXPECT_EQ(beside.agent->Rules("score", shadow), nullptr);
  EXPECT_TRUE(rig.first().agent->HasCandidate("score"));
  EXPECT_FALSE(beside.agent->HasCandidate("score"));
  EXPECT_EQ(beside.agent->Rollouts().size(), 1U);
}

TEST(RolloutAgent, ARolloutThatIsUnderWayIsNotBegunAgain) {
  RolloutRig rig;
  Instance& a = rig.first();
  Count(a, a.agent->active(), 2500, 0);
  ASSERT_TRUE(Reaches(a, ArmRule::kCanary, "8"));
  const auto again = BeginRollout(rig.shared, *rig.rollout);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->kind, DeploymentEnd::Kind::kAlready);
  EXPECT_EQ(again->generation, a.agent->active());
  EXPECT_EQ(*a.gated, 1);  // the version that scores needs no gates
  // All at once is another thing.
  const auto now = DeployVersion(rig.shared, "8");
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->kind, DeploymentEnd::Kind::kActive);
  EXPECT_TRUE(Reaches(a, ArmRule::kOne, "8"));
  EXPECT_EQ(BeginRollout(rig.shared, *rig.rollout)->kind, DeploymentEnd::Kind::kAlready);
}

TEST(RolloutAgent, AStepDuringADeploymentEndsItWithAReason) {
  RolloutRig rig;
  Instance& a = rig.first();
  std::optional<Result<DeploymentEnd>> end;
  std::thread command([&] { end = DeployVersion(rig.shared, "slow", "deploy"); });
  EXPECT_TRUE(Eventually([&] { return *a.gated == 2; }));
  Count(a, a.agent->active(), 500, 25);  // the gates of the one do not hold back the rollback of the other
  ASSERT_TRUE(Reaches(a, ArmRule::kOne, "7"));
  command.join();
  *a.open = true;
  ASSERT_TRUE(end->ok()) << end->status().message();
  EXPECT_EQ((*end)->kind, DeploymentEnd::Kind::kAbandoned);
  ASSERT_EQ((*end)->reasons.size(), 1U);
  EXPECT_NE((*end)->reasons[0].find("made a step meanwhile (rollback"), std::string::npos) << (*end)->reasons[0];
}

TEST(RolloutAgent, GatesOfOneModelDoNotHoldBackAnother) {
  SharedLog shared;
  Instance a(shared, "0", false, {.two_models = true});
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  a.agent->Follow();
  shared.members = {"0"};
  std::optional<Result<DeploymentEnd>> slow;
  std::thread command([&] { slow = DeployVersion(shared, "slow", "deploy", 20'000); });
  EXPECT_TRUE(Eventually([&] { return *a.gated == 1; }));
  MemoryLog log(shared);
  DeploymentWish wish;
  wish.prepare = CommandEntry(Kind::kPrepare);
  wish.prepare.action = "deploy";
  wish.prepare.generation.model = "other";
  wish.prepare.generation.arms = {{"2", "digest-of-2"}};
  wish.timeout_ms = 5000;
  const auto end = Deploy(log, wish);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->kind, DeploymentEnd::Kind::kActive);
  *a.open = true;
  command.join();
  EXPECT_EQ((*slow)->kind, DeploymentEnd::Kind::kActive);
}

TEST(RolloutAgent, AStepIsMadeThoughTheMembersAreNotTold) {
  RolloutRig rig;
  MemoryLog log(rig.shared);
  ControlEntry serves = CommandEntry(Kind::kServes);
  serves.instance = "0";
  serves.partition = "in/0";
  serves.generation_number = rig.first().agent->active();
  ASSERT_TRUE(log.Append(serves).ok());
  rig.shared.is_mute = true;
  std::string said;
  DeploymentWish wish;
  wish.prepare = RollBackEntry(*StateOf(rig.shared).Newest("gbt"));
  wish.progress = [&](const std::string& text) { said += text; };
  std::thread lane([&] {
    EXPECT_TRUE(Reaches(rig.first(), ArmRule::kOne, "7"));
    serves.generation_number = rig.first().agent->active();
    EXPECT_TRUE(log.Append(serves).ok());
  });
  const auto end = AppendStep(log, wish);
  lane.join();
  ASSERT_TRUE(end.ok()) << end.status().message();
  EXPECT_EQ(end->kind, DeploymentEnd::Kind::kActive);
  EXPECT_EQ(end->instances, std::vector<std::string>{"0"});
  EXPECT_TRUE(end->waiting.empty());
  EXPECT_NE(said.find("no answer about the members"), std::string::npos) << said;
}

TEST(RolloutAgent, ADeploymentDoesNotWaitForPartitionsThatNobodyHas) {
  SharedLog shared;
  Instance a(shared, "a");
  ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
  a.agent->Follow();
  shared.members = {"a"};
  MemoryLog log(shared);
  for (const char* instance : {"a", "gone"}) {
    ControlEntry serves = CommandEntry(Kind::kServes);
    serves.instance = instance;
    serves.partition = std::string("in/") + instance;
    serves.generation_number = 1;
    ASSERT_TRUE(log.Append(serves).ok());
  }
  std::thread lane([&] {
    EXPECT_TRUE(Eventually([&] { return a.agent->active() > 1; }));
    a.agent->Switched({"in", 0}, {a.agent->active(), 20, GenerationId(1U)});
    ControlEntry serves = CommandEntry(Kind::kServes);
    serves.instance = "a";
    serves.partition = "in/a";
    serves.generation_number = a.agent->active();
    EXPECT_TRUE(log.Append(serves).ok());
  });
  const auto begin = std::chrono::steady_clock::now();
  const auto end = DeployVersion(shared, "8");
  lane.join();
  ASSERT_TRUE(end.ok());
  EXPECT_TRUE(end->waiting.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
}

TEST(RolloutAgent, APartitionThatMovesIsNotedWithItsNewOwner) {
  SharedLog shared;
  Instance a(shared, "a"), b(shared, "b");
  for (Instance* each : {&a, &b}) {
    ASSERT_TRUE(each->agent->Begin(each->cancel).ok());
    each->agent->Follow();
  }
  const auto owner = [&] {
    const ControlState state = StateOf(shared);
    const auto at = state.served().find("in/0");
    return at == state.served().end() ? "" : at->second.back().instance;
  };
  a.agent->Switched(Partition(0), {GenerationId(1U), 5, 0});
  EXPECT_TRUE(Eventually([&] { return owner() == "a"; }));
  b.agent->Switched(Partition(0), {GenerationId(1U), 5, 0});
  EXPECT_TRUE(Eventually([&] { return owner() == "b"; }));
  b.agent->Switched(Partition(0), {GenerationId(1U), 5, 0});
  for (Instance* each : {&a, &b}) each->agent->Stop();
  EXPECT_EQ(Entries(shared, Kind::kServes).size(), 2U);
  EXPECT_EQ(StateOf(shared).served().at("in/0").size(), 1U);
}

// A process of its own with a log in `folder`: begins, counts `rows` and follows until a fault point kills it, or until
// version 7 or 8 scores alone. 0: it ended by itself.
int RunProcess(const std::string& folder, const std::string& fault, int64_t rows, int64_t errors) {
  const pid_t child = fork();
  if (child == 0) {
    ArmFaultPoints(fault, "");
    SharedLog unused;
    auto log = OpenLocalControlLog(folder);
    Instance instance(unused, "0", false, {.rollout = SpecOfTest(), .log = std::move(log).value()});
    if (!instance.agent->Begin(instance.cancel).ok()) _exit(10);
    instance.agent->Follow();
    const auto rollouts = instance.agent->Rollouts();
    if (!rollouts.empty() && rows > 0) Count(instance, GenerationId(rollouts[0].generation), rows, errors);
    const bool ended = Eventually([&] { return instance.agent->Rollouts().empty(); });
    instance.agent->Stop();
    _exit(ended ? 0 : 11);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(RolloutAgent, KilledAtEachStepOfARollbackItEndsTheSame) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a process with threads is copied";
#endif
  for (const char* point : {"models.counts_sent", "models.step_sent", "models.step_seen"}) {
    std::string folder = "/tmp/rollout.XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    {
      SharedLog unused;
      Instance before(unused, "0", false, {.log = OpenLocalControlLog(folder).value()});
      ASSERT_TRUE(before.agent->Begin(before.cancel).ok());
      const auto log = OpenLocalControlLog(folder).value();
      const auto begun = BeginRollout(*log, *SpecOfTest());  // nobody is at work to be asked
      ASSERT_TRUE(begun.ok()) << begun.status().message();
    }
    EXPECT_EQ(RunProcess(folder, std::string(point) + "@1=kill", 500, 25), -SIGKILL) << point;
    // Nothing is counted again: what was sent before the kill is enough.
    EXPECT_EQ(RunProcess(folder, "", 0, 0), 0) << point;
    const ControlState state = ReadControlState(*OpenLocalControlLog(folder).value()).value();
    ASSERT_EQ(state.generations().size(), 3U) << point;
    EXPECT_EQ(state.Newest("gbt")->record().newest().version, "7") << point;
    EXPECT_EQ(SumOf(*state.CountsOf(state.generations()[1].number))->at("score").paired(), 500) << point;
    std::filesystem::remove_all(folder);
  }
}

}  // namespace
}  // namespace anabranch

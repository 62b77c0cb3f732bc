#include <gtest/gtest.h>

#include "engine/testing/eventually.h"
#include "tests/engine/models/agent_fixture.h"

namespace anabranch {
namespace {

// Does towards the agent what a lane of a run does.
class FakeLane {
 public:
  FakeLane(ModelAgent& agent, FakeNode& node, int number) : agent_(agent), node_(node), number_(number) {
    thread_ = std::thread([this] { Run(); });
  }
  ~FakeLane() {
    stops_ = true;
    thread_.join();
  }
  bool rests() const { return rests_; }
  std::atomic<bool> busy{false};  // its batch does not end

 private:
  void Run() {
    agent_.Works(number_, LaneWork::kWorks);
    uint32_t scored_by = agent_.active();
    agent_.Switched(Partition(number_), {GenerationId(scored_by), 0, 0});
    while (!stops_) {
      if (agent_.rests() && !busy) {
        rests_ = true;
        agent_.Works(number_, LaneWork::kRests);
        while (agent_.rests() && !stops_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        rests_ = false;
        agent_.Works(number_, LaneWork::kWorks);
      }
      EXPECT_TRUE(node_.Scores(agent_.active())) << "a row of generation " << agent_.active() << " would fail";
      if (agent_.active() != scored_by) {
        scored_by = agent_.active();
        agent_.Switched(Partition(number_), {GenerationId(scored_by), 10, 0});
        agent_.Uses(number_, agent_.active());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    agent_.Works(number_, LaneWork::kGone);
  }

  ModelAgent& agent_;
  FakeNode& node_;
  const int number_;
  std::atomic<bool> stops_{false}, rests_{false};
  std::thread thread_;
};

class SwapInPlace : public testing::Test {
 protected:
  void SetUp() override {
    shared.members = {"0"};
    ASSERT_TRUE(a.agent->Begin(a.cancel).ok());
    for (int i = 0; i < 2; ++i) lanes.push_back(std::make_unique<FakeLane>(*a.agent, a.node, i));
    a.node.at_rest = [this] { return std::ranges::all_of(lanes, [](const auto& lane) { return lane->rests(); }); };
    a.agent->Follow();
    ASSERT_TRUE(Eventually([this] {
      size_t partitions = 0;
      a.agent->Look([&](const ControlState& state) { partitions = state.served().size(); });
      return partitions == 2;
    }));
  }
  void TearDown() override {
    lanes.clear();
    a.agent->Stop();
  }
  static InstanceExtras InPlace() {
    InstanceExtras extras;
    extras.in_place = true;
    return extras;
  }

  SharedLog shared;
  Instance a{shared, "0", false, InPlace()};
  std::vector<std::unique_ptr<FakeLane>> lanes;
};

TEST_F(SwapInPlace, OneVersionIsLoadedAtATimeAndWhileNoLaneHasABatch) {
  for (const char* version : {"8", "9", "7"}) {
    const auto end = DeployVersion(shared, version);
    ASSERT_TRUE(end.ok()) << end.status().message();
    EXPECT_EQ(end->kind, DeploymentEnd::Kind::kActive);
    EXPECT_TRUE(end->waiting.empty());
    EXPECT_TRUE(a.node.Loaded(version));
  }
  EXPECT_EQ(a.node.most_loaded, 1U);
  EXPECT_EQ(*a.gated, 3);
}

TEST_F(SwapInPlace, ALaneThatHasABatchIsWaitedFor) {
  lanes[1]->busy = true;
  std::thread command([this] { EXPECT_TRUE(DeployVersion(shared, "8").ok()); });
  ASSERT_TRUE(Eventually([this] { return lanes[0]->rests(); }));
  EXPECT_EQ(a.agent->Now().front().swapping, "8");
  EXPECT_EQ(a.agent->Now().front().version, "7");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_TRUE(a.node.Loaded("7"));
  lanes[1]->busy = false;
  command.join();
  EXPECT_TRUE(Eventually([this] { return a.agent->Now().front().version == "8"; }));
  EXPECT_EQ(a.agent->Now().front().swapping, "");
}

TEST_F(SwapInPlace, AVersionThatCannotBeLoadedIsAbandonedAndTheOldOneScores) {
  {
    const MutexLock lock(a.node.mutex);
    a.node.broken = {"8"};
  }
  const auto end = DeployVersion(shared, "8");
  ASSERT_TRUE(end.ok()) << end.status().message();
  EXPECT_EQ(end->kind, DeploymentEnd::Kind::kAbandoned);
  ASSERT_EQ(end->reasons.size(), 1U);
  EXPECT_NE(end->reasons[0].find("instance 0: "), std::string::npos) << end->reasons[0];
  EXPECT_NE(end->reasons[0].find("one reason"), std::string::npos) << end->reasons[0];
  EXPECT_TRUE(Eventually([this] { return a.agent->active() > 1; }));
  EXPECT_TRUE(a.node.Loaded("7"));
  EXPECT_FALSE(a.agent->rests());
  EXPECT_EQ(a.node.most_loaded, 1U);
  a.agent->Look([](const ControlState& state) {
    EXPECT_EQ(state.Newest("gbt")->serving().version, "7");
    EXPECT_EQ(state.deployments().back().state, ControlState::Deployment::State::kAbandoned);
    for (const auto& [partition, served] : state.served()) {
      for (const ControlState::Served& each : served) EXPECT_NE(state.At(each.number)->serving().version, "8");
    }
  });
  EXPECT_EQ(DeployVersion(shared, "9")->kind, DeploymentEnd::Kind::kActive);
}

// What a crash between the unload of one version and the load of the other leaves.
TEST(SwapInPlaceStart, ANewestVersionThatCannotBeLoadedAndNeverScoredIsAbandoned) {
  SharedLog shared;
  InstanceExtras in_place;
  in_place.in_place = true;
  {
    Instance before(shared, "0", false, std::move(in_place));
    ASSERT_TRUE(before.agent->Begin(before.cancel).ok());
    before.agent->Switched(Partition(0), {GenerationId(1U), 0, 0});
    before.agent->Follow();
  }
  ASSERT_TRUE(DeployVersion(shared, "8").ok());  // nobody is at work
  in_place = {};
  in_place.in_place = true;
  Instance after(shared, "0", false, std::move(in_place));
  after.node.broken = {"8"};
  const Status begun = after.agent->Begin(after.cancel);
  ASSERT_TRUE(begun.ok()) << begun.message();
  EXPECT_TRUE(after.node.Loaded("7"));
  EXPECT_EQ(after.agent->Now().front().version, "7");
  EXPECT_EQ(after.agent->active(), shared.entries.size());
}

TEST(SwapInPlaceStart, ANewestVersionThatScoredIsNeverReplacedInSilence) {
  SharedLog shared;
  InstanceExtras in_place;
  in_place.in_place = true;
  Instance other(shared, "1");
  ASSERT_TRUE(other.agent->Begin(other.cancel).ok());
  const auto end = DeployVersion(shared, "8");
  ASSERT_TRUE(end.ok());
  ControlEntry serves = CommandEntry(ControlEntry::Kind::kServes);
  serves.partition = "in/0";
  serves.generation_number = end->generation;
  ASSERT_TRUE(MemoryLog(shared).Append(serves).ok());
  Instance here(shared, "0", false, std::move(in_place));
  here.node.broken = {"8"};
  EXPECT_EQ(here.agent->Begin(here.cancel).code(), Code::kInvalid);
}

}  // namespace
}  // namespace anabranch

// What a process died in is known to the next one.
#include "engine/run/attempts.h"

#include <signal.h>

#include <atomic>
#include <fstream>

#include "engine/run/call_name.h"
#include "tests/engine/run/worker_fixture.h"

namespace anabranch {
namespace {

class Attempts : public WorkerTest {
 protected:
  Attempts() {
    char name[] = "/tmp/anabranch_attempts_XXXXXX";
    folder = mkdtemp(name);
  }
  ~Attempts() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<AttemptSlots> OpenSlots(size_t n = 2) {
    auto opened = AttemptSlots::Open(folder, n);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return std::move(opened).value();
  }

  std::string folder;
};

TEST_F(Attempts, AProcessKilledInsideACallLeavesItsStageAndRecordsBehind) {
  const StageId in = plan.Source(input);
  const StageId fine = plan.Node("fine", {in}, Pass);
  plan.Persist("out",
               {plan.Node("deadly", {fine},
                          [](const NodeRun&) {
                            kill(getpid(), SIGKILL);
                            return Status::Ok();
                          })},
               output);
  plan.Build();
  const int signal = SignalOf([&] {
    const auto slots = OpenSlots();
    guards = std::make_unique<StageGuards>(plan.plan());
    guards->attempts = slots.get();
    const auto worker = Open();
    RecordBatch batch;
    Fill(&batch, 4711, 3);
    (void)worker->Run(batch, nullptr);
  });
  ASSERT_EQ(signal, SIGKILL);
  const auto slots = OpenSlots();
  ASSERT_EQ(slots->left().size(), 1U);
  EXPECT_EQ(slots->left()[0].stage, "deadly");
  EXPECT_EQ(slots->left()[0].partition, (SourcePartition{"memory", 0}));
  EXPECT_EQ(slots->left()[0].first, 4711);
  EXPECT_TRUE(OpenSlots()->left().empty()) << "it is reported once";
}

TEST_F(Attempts, AProcessThatEndsBetweenCallsIsNotBlamed) {
  plan.Persist("out", {plan.Node("fine", {plan.Source(input)}, Pass)}, output);
  plan.Build();
  SignalOf([&] {
    const auto slots = OpenSlots();
    guards = std::make_unique<StageGuards>(plan.plan());
    guards->attempts = slots.get();
    const auto worker = Open();
    RecordBatch batch;
    Fill(&batch, 0, 3);
    (void)worker->Run(batch, nullptr);
    kill(getpid(), SIGKILL);
  });
  EXPECT_TRUE(OpenSlots()->left().empty());
}

TEST_F(Attempts, ANodeThatThrowsLeavesItsSlotEmpty) {
  const StageId bad =
      plan.Node("bad", {plan.Source(input)}, [](const NodeRun&) -> Status { throw std::runtime_error("boom"); });
  plan.Persist("out", {bad}, output);
  plan.Build();
  {
    const auto slots = OpenSlots();
    guards = std::make_unique<StageGuards>(plan.plan());
    guards->attempts = slots.get();
    const auto worker = Open();
    RecordBatch batch;
    Fill(&batch, 0, 3);
    ASSERT_FALSE(worker->Run(batch, nullptr).ok());
  }
  EXPECT_TRUE(OpenSlots()->left().empty());
}

TEST_F(Attempts, LongNamesAreCutAndExactOnesAreNot) {
  const std::string stage(AttemptSlots::kStageBytes, 's');
  const std::string topic(AttemptSlots::kTopicBytes + 9, 't');
  {
    const auto slots = OpenSlots();
    auto* slot = slots->Take();
    slot->Enter("a much longer name than the next", {"a longer topic", 1}, 0, 0, 0);
    slot->Leave();
    slot->Enter("short", {"12345678", 3}, 9, 0, 0);
    slots->Take()->Enter(stage, {topic, 7}, 1, 0, 0);
  }
  const auto slots = OpenSlots();
  ASSERT_EQ(slots->left().size(), 2U);
  EXPECT_EQ(slots->left()[0].stage, "short");
  EXPECT_EQ(slots->left()[0].partition, (SourcePartition{"12345678", 3}));
  EXPECT_EQ(slots->left()[1].stage, stage);
  EXPECT_EQ(slots->left()[1].partition.topic, topic.substr(0, AttemptSlots::kTopicBytes));
}

TEST_F(Attempts, WhatIsDoneUnseenIsACallOfItsStage) {
  const std::string longest(AttemptSlots::kStageBytes, 's');
  {
    const auto slots = OpenSlots();
    slots->Take()->Enter(UnseenCallOf("score"), {"t", 1}, 5, 0, 0);
    slots->Take()->Enter(UnseenCallOf(longest), {"t", 1}, 5, 0, 0);
  }
  const auto slots = OpenSlots();
  ASSERT_EQ(slots->left().size(), 2U);
  EXPECT_EQ(StageOfCall(slots->left()[0].stage), "score");
  for (const auto& call : slots->left()) EXPECT_TRUE(IsUnseenCall(call.stage));
  const std::string cut = StageOfCall(slots->left()[1].stage);
  EXPECT_TRUE(longest.starts_with(cut));
  EXPECT_GT(cut.size(), 100U);
  EXPECT_FALSE(IsUnseenCall("score"));
  EXPECT_EQ(StageOfCall("score"), "score");
}

TEST_F(Attempts, TellsWhichCallsAreLate) {
  const auto slots = OpenSlots(3);
  slots->Take()->Enter("late", {"t", 0}, 5, 100, 1000);
  slots->Take()->Enter("patient", {"t", 1}, 6, 100, AttemptSlots::kNoDeadline);
  EXPECT_TRUE(slots->Overdue(1500, 500).empty());
  const auto late = slots->Overdue(1501, 500);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].stage, "late");
  EXPECT_EQ(late[0].since_ns, 100);
  slots->Clear();
  EXPECT_TRUE(slots->Overdue(1501, 500).empty());
  EXPECT_NE(slots->Take(), nullptr);
  EXPECT_EQ(slots->Take(), nullptr) << "more threads than slots";
}

TEST_F(Attempts, ACallMovesItsOwnDeadline) {
  const auto slots = OpenSlots(1);
  AttemptSlots::Slot* slot = slots->Take();
  const AttemptScope scope(slot, "slow", {"t", 0}, 0, 100, AttemptSlots::kNoDeadline);
  EXPECT_TRUE(slots->Overdue(5000, 0).empty());
  slot->due_ns()->store(2000);
  EXPECT_TRUE(slots->Overdue(2500, 500).empty());
  EXPECT_EQ(slots->Overdue(2501, 500).size(), 1U);
  slot->due_ns()->store(3000);
  EXPECT_TRUE(slots->Overdue(2501, 500).empty());
}

TEST_F(Attempts, ADamagedFileIsHarmless) {
  const std::string path = folder + "/attempts";
  OpenSlots()->Take()->Enter("busy", {"t", 0}, 5, 0, 0);
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  for (size_t i = 0; i < bytes.size(); i += 3) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xFF);
    std::ofstream(path, std::ios::binary) << damaged;
    OpenSlots(1);
    std::ofstream(path, std::ios::binary) << bytes.substr(0, i);
    EXPECT_LE(OpenSlots(1)->left().size(), 1U);
  }
}

TEST_F(Attempts, AFolderThatIsNotThereIsNamed) {
  const auto opened = AttemptSlots::Open(folder + "/none", 1);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.status().message().find("/none/attempts"), std::string::npos);
}

TEST_F(Attempts, AReaderNeverSeesHalfOfACall) {
  const auto slots = OpenSlots(1);
  std::atomic<bool> stop{false};
  std::thread writer([&, slot = slots->Take()] {
    for (int64_t i = 1; !stop; ++i) {
      const std::string name = std::to_string(i % 2 == 0 ? 1111111111111111111 : 2222222222222222222);
      slot->Enter(name, {name, 0}, std::stoll(name), 0, 0);
      slot->Leave();
    }
  });
  for (int seen = 0, tries = 0; seen < 200 && tries < 5'000'000; ++tries) {
    for (const auto& call : slots->Overdue(1000, 0)) {
      ++seen;
      EXPECT_EQ(call.stage, call.partition.topic);
      EXPECT_EQ(call.stage, std::to_string(call.first));
    }
  }
  stop = true;
  writer.join();
}

TEST_F(Attempts, InMemoryAreWatchedAndLeaveTheFileOfADeadProcessAlone) {
  const int signal = SignalOf([&] {
    OpenSlots()->Take()->Enter("deadly", {"memory", 0}, 7, 1, AttemptSlots::kNoDeadline);
    kill(getpid(), SIGKILL);
  });
  ASSERT_EQ(signal, SIGKILL);
  {
    const auto slots = AttemptSlots::OpenInMemory(1);
    ASSERT_TRUE(slots.ok()) << slots.status().message();
    EXPECT_TRUE((*slots)->left().empty());
    AttemptSlots::Slot* slot = (*slots)->Take();
    ASSERT_NE(slot, nullptr);
    EXPECT_EQ((*slots)->Take(), nullptr);
    slot->Enter("slow", {"memory", 0}, 3, 10, 20);
    ASSERT_EQ((*slots)->Overdue(100, 50).size(), 1U);
    EXPECT_EQ((*slots)->Overdue(100, 50)[0].stage, "slow");
  }
  const auto slots = OpenSlots();
  ASSERT_EQ(slots->left().size(), 1U);
  EXPECT_EQ(slots->left()[0].stage, "deadly");
}

}  // namespace
}  // namespace anabranch

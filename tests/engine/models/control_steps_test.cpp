#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "engine/models/control_state.h"
#include "engine/sqlite/sqlite.h"

namespace anabranch {
namespace {

using Kind = ControlEntry::Kind;

ControlEntry Step(uint32_t after, const std::string& version, const std::string& model = "gbt") {
  ControlEntry entry;
  entry.kind = Kind::kStep;
  entry.after = after;
  entry.generation.model = model;
  entry.generation.arms = {{version, "digest-of-" + version}};
  return entry;
}

ControlEntry Start(const std::string& model) {
  ControlEntry entry = Step(0, "7", model);
  entry.kind = Kind::kActive;
  entry.action = "start";
  return entry;
}

ControlEntry Counts(uint32_t generation, const std::string& instance, const std::string& text) {
  ControlEntry entry;
  entry.kind = Kind::kCounts;
  entry.generation_number = generation;
  entry.instance = instance;
  entry.counts = {{"score", text}};
  return entry;
}

ControlState StateOf(std::vector<ControlEntry> entries) {
  ControlState state;
  for (uint32_t number = 1; ControlEntry & entry : entries) {
    entry.number = number++;
    state.Apply(entry);
  }
  return state;
}

TEST(ControlSteps, AreReadBackAsTheyWereWritten) {
  ControlEntry step = Step(7, "8");
  step.guards = {{"errors", "errors 0.004 of 0.01"}};
  step.generation.step = 2;
  step.generation.rollout = "d1";
  ControlEntry hold;
  hold.kind = Kind::kHold;
  hold.after = 9;
  for (const ControlEntry& entry : {step, hold, Counts(4, "a", R"({"rows": 7})")}) {
    const std::string text = PrintControlEntry(entry);
    const auto read = ParseControlEntry(text);
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(PrintControlEntry(*read), text);
    EXPECT_EQ(read->after, entry.after);
    EXPECT_EQ(read->generation.step, entry.generation.step);
    EXPECT_EQ(read->generation.rollout, entry.generation.rollout);
    EXPECT_EQ(read->generation_number, entry.generation_number);
    EXPECT_EQ(read->counts, entry.counts);
    EXPECT_EQ(read->guards, entry.guards);
  }
}

TEST(ControlSteps, WhatIsNoStepIsFatalAndWhatIsNoCountIsPassedOver) {
  for (const char* text : {R"({"kind": "step", "after": 3})", R"({"kind": "step", "generation": {"model": "gbt"}})",
                           R"({"kind": "step", "after": "x", "generation": {"model": "gbt", "rule": "one", "arms":
                              [{"version": "8", "digest": "d"}]}})"}) {
    const Status status = ReadControlEntry(text, "topic c, offset 3").status();
    EXPECT_EQ(status.code(), Code::kInternal) << text;
    EXPECT_NE(status.message().find("topic c, offset 3"), std::string::npos) << status.message();
  }
  for (const char* text : {R"({"kind": "counts", "counted": "x"})", R"({"kind": "counts", "counts": {"a": 7}})"}) {
    const auto read = ReadControlEntry(text, "topic c, offset 3");
    ASSERT_TRUE(read.ok()) << text;
    EXPECT_EQ(read->kind, Kind::kUnreadable) << text;
  }
}

TEST(ControlSteps, AHoldCountsForItsGenerationOnly) {
  ControlEntry hold;
  hold.kind = Kind::kHold;
  hold.after = 1;
  hold.by = "ann";
  ControlEntry later = hold;
  later.by = "bob";
  const ControlState state = StateOf({Start("gbt"), hold, later, Step(1, "8")});
  ASSERT_NE(state.HoldOf(1), nullptr);
  EXPECT_EQ(state.HoldOf(1)->by, "ann");
  EXPECT_FALSE(state.IsHeld(4));
  EXPECT_EQ(state.Newest("gbt")->number, 4U);  // a person goes on
}

TEST(ControlSteps, BehindAHoldOnlyAPersonAndACrashMakeAStep) {
  ControlEntry hold;
  hold.kind = Kind::kHold;
  hold.after = 1;
  ControlEntry by_itself = Step(1, "8");
  by_itself.instance = "0";
  EXPECT_EQ(StateOf({Start("gbt"), by_itself, hold}).Newest("gbt")->number, 2U);
  EXPECT_EQ(StateOf({Start("gbt"), hold, by_itself}).Newest("gbt")->number, 1U);
  EXPECT_EQ(StateOf({Start("gbt"), hold, by_itself, Step(1, "9")}).Newest("gbt")->number, 4U);
  ControlEntry crash = by_itself;
  crash.is_crash = true;
  const auto read = ParseControlEntry(PrintControlEntry(crash));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(StateOf({Start("gbt"), hold, *read}).Newest("gbt")->number, 3U);
}

TEST(ControlSteps, ADeploymentThatWasMadeFromAnotherGenerationIsNotOpened) {
  ControlEntry prepare = Step(1, "9");
  prepare.kind = Kind::kPrepare;
  prepare.deployment = "d";
  EXPECT_NE(StateOf({Start("gbt"), prepare}).Open("gbt"), nullptr);
  EXPECT_EQ(StateOf({Start("gbt"), Step(1, "8"), prepare}).Open("gbt"), nullptr);
  EXPECT_EQ(StateOf({Start("other"), prepare}).Open("gbt"), nullptr);
  ControlEntry learned = Step(1, "8");
  learned.action = "learn";
  EXPECT_NE(StateOf({Start("gbt"), learned, prepare}).Open("gbt"), nullptr);
  prepare.after = 0;
  EXPECT_NE(StateOf({Start("gbt"), Step(1, "8"), prepare}).Open("gbt"), nullptr);
}

TEST(ControlSteps, AStepEndsAnOpenDeploymentOfItsModelOnly) {
  std::vector<ControlEntry> entries = {Start("gbt"), Start("other")};
  for (const char* model : {"gbt", "other"}) {
    entries.push_back(Step(0, "9", model));
    entries.back().kind = Kind::kPrepare;
    entries.back().deployment = std::string("of ") + model;
  }
  entries.push_back(Step(2, "8"));  // after a generation of the other model: no effect
  entries.push_back(Step(1, "8"));
  const ControlState state = StateOf(entries);
  EXPECT_EQ(state.Newest("gbt")->number, 6U);
  EXPECT_EQ(state.Open("gbt"), nullptr);
  EXPECT_EQ(state.Find("of gbt")->end.kind, Kind::kStep);
  EXPECT_NE(state.Open("other"), nullptr);
}

TEST(ControlSteps, OfWritersWithTheSameBeforeExactlyOneCountsForEveryReader) {
  std::mt19937_64 random(15);
  for (int round = 0; round < 300; ++round) {
    // Writers know the log up to some entry, and append at the same time in any order.
    std::vector<ControlEntry> entries = {Start("gbt")};
    for (int i = 0; i < 30; ++i) {
      const size_t known = 1 + random() % entries.size();
      const ControlState seen = StateOf({entries.begin(), entries.begin() + static_cast<ptrdiff_t>(known)});
      entries.push_back(Step(seen.Newest("gbt")->number, std::to_string(i)));
    }
    const ControlState state = StateOf(entries);
    std::map<uint32_t, int> followers;
    for (size_t i = 1; i < state.generations().size(); ++i) {
      const ControlState::Generation& each = state.generations()[i];
      ++followers[each.active.after];
      EXPECT_EQ(each.active.after, state.generations()[i - 1].number);
    }
    for (const auto& [after, count] : followers) EXPECT_EQ(count, 1);
    // The first of each that asked for it is the one that counts.
    for (const ControlEntry& entry : entries) {
      const auto first = std::ranges::find_if(
          entries, [&](const ControlEntry& each) { return each.kind == Kind::kStep && each.after == entry.after; });
      if (entry.kind != Kind::kStep || !followers.contains(entry.after)) continue;
      const auto number = static_cast<uint32_t>(first - entries.begin() + 1);
      EXPECT_NE(state.At(number), nullptr);
    }
    // A reader that reads it in two parts says the same.
    ControlState parts = StateOf({entries.begin(), entries.begin() + 11});
    for (uint32_t number = 12; number <= entries.size(); ++number) {
      ControlEntry entry = entries[number - 1];
      entry.number = number;
      parts.Apply(entry);
    }
    EXPECT_EQ(parts.generations().size(), state.generations().size());
    EXPECT_EQ(parts.Newest("gbt")->number, state.Newest("gbt")->number);
  }
}

TEST(ControlSteps, TheLocalLogKeepsTheNewestCountsOfEachInstanceAndGeneration) {
  std::string folder = "/tmp/control.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    const auto log = OpenLocalControlLog(folder);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE((*log)->Append(Start("gbt")).ok());
    uint32_t last = 0;
    for (int i = 0; i < 50; ++i) {
      for (const uint32_t generation : {1U, 2U}) {
        for (const char* instance : {"a", "b"}) {
          const auto number = (*log)->Append(Counts(generation, instance, std::to_string(i)));
          ASSERT_TRUE(number.ok()) << number.status().message();
          EXPECT_GT(*number, last);  // numbers grow, whatever went
          last = *number;
        }
      }
    }
    const auto again = OpenLocalControlLog(folder);  // by another process
    ASSERT_TRUE((*again)->Append(Counts(2, "b", "newest")).ok());
    const auto entries = (*log)->Read(0, 0);
    ASSERT_TRUE(entries.ok());
    EXPECT_EQ(entries->size(), 5U);
    ControlState state;
    for (const ControlEntry& entry : *entries) state.Apply(entry);
    EXPECT_EQ(state.CountsOf(1)->at("a").counts.at("score"), "49");
    EXPECT_EQ(state.CountsOf(2)->at("b").counts.at("score"), "newest");
    EXPECT_EQ(state.CountsOf(3), nullptr);
    // A reader in the middle of the log goes on behind what went.
    EXPECT_EQ((*log)->Read(3, 0)->size(), 4U);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace anabranch

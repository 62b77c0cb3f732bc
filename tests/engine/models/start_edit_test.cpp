#include "engine/models/start_edit.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace anabranch {
namespace {

using Edit = ControlEntry::Kind;
using Look = StartLook::Kind;

// A log that is read as it is written.
class StartEdits : public testing::Test {
 protected:
  StartEdits() { Write(Edit::kActive, "a", "1", 0, "start"); }

  ControlEntry Make(Edit kind, const std::string& instance, const std::string& start, uint32_t edited,
                    const std::string& action) const {
    ControlEntry entry;
    entry.kind = kind;
    entry.instance = instance;
    entry.action = action;
    entry.start = start;
    entry.edited = edited;
    if (kind == Edit::kFile) {
      entry.model = "gbt";
      return entry;
    }
    entry.generation.model = "gbt";
    entry.generation.arms = {{start, "digest-of-" + start}};
    return entry;
  }
  uint32_t Apply(ControlEntry entry) {
    const auto read = ParseControlEntry(PrintControlEntry(entry));
    EXPECT_TRUE(read.ok()) << read.status().message();
    entry = *read;
    entry.number = ++number_;
    state_.Apply(entry);
    return number_;
  }
  uint32_t Write(Edit kind, const std::string& instance, const std::string& start, uint32_t edited,
                 const std::string& action = "deploy") {
    ControlEntry entry = Make(kind, instance, start, edited, action);
    if (kind == Edit::kPrepare || kind == Edit::kAbandoned) entry.deployment = "d" + std::to_string(number_ + 1);
    return Apply(std::move(entry));
  }
  // A deployment by edit from its beginning to its end.
  void Deploy(const std::string& instance, const std::string& start) {
    const uint32_t number = Write(Edit::kPrepare, instance, start, Newest().number);
    ControlEntry active = Make(Edit::kActive, instance, start, 0, "deploy");
    active.deployment = "d" + std::to_string(number);
    Apply(std::move(active));
  }
  const ControlState::FileStart& Newest() const { return state_.StartsOf("gbt").back(); }
  Look At(const std::string& instance, const std::string& start) const {
    return LookAtStart(state_, "gbt", start, instance).kind;
  }

  ControlState state_;
  uint32_t number_ = 0;
};

TEST_F(StartEdits, TheFirstStartIsWhatTheFileSaid) {
  EXPECT_EQ(At("a", "1"), Look::kNothing);
  EXPECT_EQ(At("b", "1"), Look::kSeen);
  EXPECT_EQ(At("b", "2"), Look::kEdited) << "no file said it before";
  EXPECT_EQ(LookAtStart(state_, "other", "1", "a").kind, Look::kNothing) << "it never ran";
}

TEST_F(StartEdits, AFileThatLagsBehindUndoesNothing) {
  Write(Edit::kFile, "b", "1", 0);
  Deploy("a", "2");
  EXPECT_EQ(state_.Newest("gbt")->serving().version, "2");
  EXPECT_EQ(At("a", "2"), Look::kNothing);
  EXPECT_EQ(At("b", "1"), Look::kBehind);
  EXPECT_EQ(At("b", "2"), Look::kSeen);
  Deploy("a", "3");
  EXPECT_EQ(At("b", "2"), Look::kBehind) << "its file was edited, but never to the newest";
  EXPECT_EQ(At("b", "4"), Look::kEdited);
}

TEST_F(StartEdits, WhoseFileHadTheNewestMayGoBack) {
  Deploy("a", "2");
  EXPECT_EQ(At("a", "1"), Look::kEdited);
  Deploy("a", "1");
  EXPECT_EQ(At("b", "2"), Look::kBehind);
  Write(Edit::kFile, "b", "1", 0);
  EXPECT_EQ(At("b", "2"), Look::kEdited);
}

TEST_F(StartEdits, OfTwoThatSeeAnEditTheFirstOneCounts) {
  const uint32_t before = Newest().number;
  Write(Edit::kPrepare, "a", "2", before);
  EXPECT_EQ(At("a", "2"), Look::kBegun);
  EXPECT_EQ(At("b", "2"), Look::kBegun);
  Write(Edit::kAbandoned, "b", "2", before);  // it refused what the other one had begun
  EXPECT_EQ(state_.deployments().size(), 1U);
  Write(Edit::kFile, "b", "3", before);
  EXPECT_EQ(Newest().version, "2");
  EXPECT_EQ(state_.StartsOf("gbt").size(), 2U);
}

TEST_F(StartEdits, WhatGatesRefusedIsNotOrderedAgain) {
  Write(Edit::kAbandoned, "a", "2", Newest().number);
  EXPECT_EQ(At("a", "2"), Look::kNothing);
  EXPECT_EQ(At("b", "2"), Look::kSeen);
  EXPECT_EQ(state_.Newest("gbt")->serving().version, "1");
  ASSERT_NE(DeploymentOfEdit(state_, "gbt", "2"), nullptr);
  EXPECT_EQ(DeploymentOfEdit(state_, "gbt", "2")->state, ControlState::Deployment::State::kAbandoned);
  EXPECT_EQ(DeploymentOfEdit(state_, "gbt", "1"), nullptr);
}

TEST_F(StartEdits, AnEditToWhatScoresIsNotedOnly) {
  ControlEntry deployed = Make(Edit::kPrepare, "", "2", 0, "deploy");
  deployed.deployment = "by command";
  Apply(deployed);
  deployed.kind = Edit::kActive;
  Apply(deployed);
  EXPECT_EQ(At("a", "2"), Look::kNoted);
  Write(Edit::kFile, "a", "2", Newest().number);
  EXPECT_EQ(At("a", "2"), Look::kNothing);
  EXPECT_EQ(At("b", "1"), Look::kBehind);
}

TEST_F(StartEdits, OfAModelThatWasDeployedBeforeAnyRunTheFirstFileIsNoted) {
  state_ = ControlState();
  ControlEntry deployed = Make(Edit::kPrepare, "", "5", 0, "deploy");
  deployed.deployment = "by command";
  Apply(deployed);
  deployed.kind = Edit::kActive;
  const uint32_t number = Apply(deployed);
  EXPECT_EQ(At("a", "1"), Look::kNoted);
  Write(Edit::kFile, "a", "1", number);
  EXPECT_EQ(At("a", "1"), Look::kNothing);
  EXPECT_EQ(At("a", "2"), Look::kEdited);
}

TEST_F(StartEdits, OnlyWhatAnInstanceSawLastIsKept) {
  const ControlEntry sight = Make(Edit::kFile, "a", "1", 0, "");
  EXPECT_EQ(ReplacedBy(sight), "file/gbt/a");
  EXPECT_EQ(ReplacedBy(Make(Edit::kFile, "a", "1", 7, "")), "") << "an edit is kept for good";
}

}  // namespace
}  // namespace anabranch

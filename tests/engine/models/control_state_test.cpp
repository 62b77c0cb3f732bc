#include "engine/models/control_state.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <thread>

#include "engine/sqlite/sqlite.h"

namespace anabranch {
namespace {

using Kind = ControlEntry::Kind;
using State = ControlState::Deployment::State;

ControlEntry Entry(uint32_t number, Kind kind, const std::string& deployment, const std::string& version = "") {
  ControlEntry entry;
  entry.number = number;
  entry.kind = kind;
  entry.deployment = deployment;
  entry.generation.model = "gbt";
  if (!version.empty()) entry.generation.arms = {{version, "digest-of-" + version}};
  return entry;
}

TEST(ControlEntries, AreReadBackAsTheyWereWritten) {
  ControlEntry entry = Entry(0, Kind::kPrepare, "d1", "8 \"beta\"");
  entry.at_ms = 1'700'000'000'123;
  entry.action = "deploy";
  entry.by = "ann";
  entry.reason = "ticket 7\nsecond line";
  entry.approved_by = "bob";
  entry.host = "node-1";
  entry.instance = "a.b";
  entry.reasons = {"one", "two"};
  entry.gates = {{"always", "12 rows"}};
  entry.generation.rule = ArmRule::kCanary;
  entry.generation.arms.push_back({"9", "other"});
  entry.generation.share = 0.05;
  entry.generation.salt = UINT64_MAX;
  entry.generation.probabilities = {0.25, 0.75};
  entry.generation.by_record = true;
  entry.generation.at = {{"payments/0", 7}};
  const std::string text = PrintControlEntry(entry);
  const auto read = ParseControlEntry(text);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(PrintControlEntry(*read), text);
  EXPECT_EQ(read->generation.salt, UINT64_MAX);
  EXPECT_EQ(read->reason, entry.reason);
  ControlEntry serves = Entry(0, Kind::kServes, "");
  serves.partition = "payments/3";
  serves.position = 12;
  serves.generation_number = 4;
  const auto served = ParseControlEntry(PrintControlEntry(serves));
  ASSERT_TRUE(served.ok());
  EXPECT_EQ(served->generation_number, 4U);
  EXPECT_EQ(served->position, 12);
}

TEST(ControlEntries, OfAnotherKindAreRefused) {
  for (const char* text : {"", "[]", "{}", R"({"kind": "dance"})", R"({"kind": "active"})",
                           R"({"kind": "active", "generation": {"model": "gbt", "rule": "one", "arms": []}})"}) {
    EXPECT_EQ(ParseControlEntry(text).status().code(), Code::kInternal) << text;
  }
}

TEST(ControlState, OneDeploymentOfAModelAtATime) {
  ControlState state;
  state.Apply(Entry(1, Kind::kPrepare, "first", "8"));
  state.Apply(Entry(2, Kind::kPrepare, "second", "9"));
  EXPECT_EQ(state.Open("gbt")->prepare.deployment, "first");
  state.Apply(Entry(3, Kind::kActive, "second", "9"));
  EXPECT_EQ(state.Newest("gbt"), nullptr);
  state.Apply(Entry(4, Kind::kActive, "first", "8"));
  ASSERT_NE(state.Newest("gbt"), nullptr);
  EXPECT_EQ(state.Newest("gbt")->number, 4U);
  EXPECT_EQ(state.Open("gbt"), nullptr);
  state.Apply(Entry(5, Kind::kActive, "first", "8"));  // two commands drove it to its end
  state.Apply(Entry(6, Kind::kAbandoned, "first"));
  EXPECT_EQ(state.generations().size(), 1U);
  EXPECT_EQ(state.Find("first")->state, State::kActive);
  EXPECT_EQ(state.Find("second")->state, State::kIgnored);
}

TEST(ControlState, OfTwoFirstRunsTheFirstOneCounts) {
  ControlState state;
  ControlEntry start = Entry(1, Kind::kActive, "", "7");
  start.action = "start";
  state.Apply(start);
  start.number = 2;
  start.generation.arms[0] = {"6", "digest-of-6"};
  state.Apply(start);
  ASSERT_EQ(state.generations().size(), 1U);
  EXPECT_EQ(state.Newest("gbt")->serving().version, "7");
  EXPECT_EQ(state.Newest("gbt", 0), nullptr);
  EXPECT_EQ(state.Newest("other"), nullptr);
}

TEST(ControlState, WhatIsAbandonedHasNoEffect) {
  ControlState state;
  state.Apply(Entry(1, Kind::kPrepare, "d", "8"));
  ControlEntry refused = Entry(2, Kind::kRefused, "d");
  refused.instance = "0";
  refused.reasons = {"too slow"};
  state.Apply(refused);
  EXPECT_EQ(state.Find("d")->answers.at("0").reasons.front(), "too slow");
  state.Apply(Entry(3, Kind::kAbandoned, "d"));
  state.Apply(Entry(4, Kind::kActive, "d", "8"));
  EXPECT_EQ(state.Newest("gbt"), nullptr);
}

TEST(ControlState, WhatWasRefusedBeforeAnybodyWasAskedIsKept) {
  ControlState state;
  state.Apply(Entry(1, Kind::kPrepare, "open", "8"));
  ControlEntry refused = Entry(2, Kind::kAbandoned, "refused", "9");
  refused.reasons = {"always: row 3 is wrong"};
  state.Apply(refused);
  ASSERT_NE(state.Find("refused"), nullptr);
  EXPECT_EQ(state.Find("refused")->state, State::kAbandoned);
  EXPECT_EQ(state.Find("refused")->end.reasons, refused.reasons);
  EXPECT_EQ(state.Open("gbt")->prepare.deployment, "open");
}

TEST(ControlState, KeepsWhichGenerationScoredAPartitionFromWhere) {
  ControlState state;
  ControlEntry serves = Entry(1, Kind::kServes, "");
  serves.partition = "in/0";
  serves.generation_number = 1;
  state.Apply(serves);
  state.Apply(serves);  // repeated at an assignment
  serves.generation_number = 4;
  serves.position = 100;
  state.Apply(serves);
  const auto& served = state.served().at("in/0");
  ASSERT_EQ(served.size(), 2U);
  EXPECT_EQ(served[1].since, 100);
}

TEST(ControlState, ALateEntryDoesNotTakeAPartitionBack) {
  ControlState state;
  ControlEntry serves = Entry(1, Kind::kServes, "");
  serves.partition = "in/0";
  for (const auto& [number, position] : {std::pair{5U, 50}, {9U, 100}, {5U, 50}}) {
    serves.generation_number = number;
    serves.position = position;
    state.Apply(serves);
  }
  const auto& served = state.served().at("in/0");
  ASSERT_EQ(served.size(), 2U);
  EXPECT_EQ(served[1].number, 9U);
}

ControlState StateOf(const std::vector<ControlEntry>& entries) {
  ControlState state;
  for (const ControlEntry& entry : entries) state.Apply(entry);
  return state;
}

ControlEntry Started(uint32_t number, const std::string& version, const std::string& model = "gbt") {
  ControlEntry entry = Entry(number, Kind::kActive, "", version);
  entry.action = "start";
  entry.generation.model = model;
  return entry;
}

TEST(ControlState, TwoLogsHaveTheSameCheckIfTheNumberMeansTheSame) {
  const ControlState state = StateOf({Started(3, "7")});
  const uint32_t check = state.Check(3);
  EXPECT_NE(check, 0U);
  ControlEntry same = Started(3, "7");
  same.at_ms = 99;
  same.instance = "another";
  EXPECT_EQ(StateOf({same}).Check(3), check) << "it does not matter who began, and when";
  EXPECT_EQ(StateOf({Started(3, "7"), Started(5, "1", "other")}).Check(3), check) << "what comes later says nothing";
  EXPECT_NE(StateOf({Started(2, "1", "other"), Started(3, "7")}).Check(3), check) << "it stands for all models";
  const auto changed = [&](auto change) {
    ControlEntry entry = Started(3, "7");
    change(&entry.generation);
    return StateOf({entry}).Check(3) != check;
  };
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->arms[0].version = "8"; }));
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->arms[0].digest = "another"; }));
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->arms.push_back({"8", "b"}); }));
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->rule = ArmRule::kCanary; }));
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->share = 0.5; }));
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->salt = 5; }));
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->probabilities = {1}; }));
  EXPECT_TRUE(changed([](GenerationRecord* record) { record->by_record = true; }));
}

TEST(ControlState, AnEventTimeIsPartOfWhatANumberMeansAndTheNewVersionServes) {
  ControlEntry entry = Started(3, "7");
  entry.generation.rule = ArmRule::kEventTime;
  entry.generation.arms.push_back({"8", "digest of 8"});
  entry.generation.from_time = 1'700'000'000'000'001;
  const ControlState state = StateOf({entry});
  EXPECT_EQ(state.Newest("gbt")->serving().version, "8");
  EXPECT_FALSE(state.Newest("gbt")->record().draws());
  const auto again = ParseControlEntry(PrintControlEntry(entry));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->generation.rule, ArmRule::kEventTime);
  EXPECT_EQ(again->generation.from_time, 1'700'000'000'000'001);
  entry.generation.from_time += 1;
  EXPECT_NE(StateOf({entry}).Check(3), state.Check(3));
  entry.generation.arms.pop_back();
  EXPECT_FALSE(ParseControlEntry(PrintControlEntry(entry)).ok()) << "it has no version before the time";
}

TEST(ControlState, ANumberThatIsNoGenerationHasNoCheck) {
  const ControlState state = StateOf({Started(1, "7"), Entry(2, Kind::kServes, "")});
  EXPECT_EQ(state.Check(0), 0U);
  EXPECT_EQ(state.Check(2), 0U);
  EXPECT_EQ(state.Check(9), 0U);
}

TEST(LocalControlLog, PassesOverWhatItCannotReadUnlessItIsAGeneration) {
  std::string folder = "/tmp/control.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    const auto log = OpenLocalControlLog(folder);
    ASSERT_TRUE(log.ok());
    const auto db = SqliteDatabase::Open(folder + "/models.db", SqliteDatabase::Mode::kReadWrite, 5000);
    ASSERT_TRUE(db.ok());
    const auto insert = [&](const std::string& text) {
      ASSERT_TRUE((*db)->Execute("INSERT INTO entries(entry) VALUES('" + text + "')").ok());
    };
    ASSERT_TRUE((*log)->Append(Entry(0, Kind::kPrepare, "d1", "8")).ok());
    insert("not ours");
    insert(R"({"kind": "dance"})");
    ASSERT_TRUE((*log)->Append(Entry(0, Kind::kActive, "d1", "8")).ok());
    const auto read = (*log)->Read(0, 0);
    ASSERT_TRUE(read.ok()) << read.status().message();
    ControlState state;
    for (const ControlEntry& entry : *read) state.Apply(entry);
    EXPECT_EQ(state.last(), 4U);
    ASSERT_NE(state.Newest("gbt"), nullptr);
    EXPECT_EQ(state.Newest("gbt")->number, 4U);
    EXPECT_EQ(read->at(1).kind, Kind::kUnreadable);
    const std::string& why = read->at(2).reasons.front();
    EXPECT_NE(why.find("models.db, entry 3: "), std::string::npos) << why;
    EXPECT_NE(why.find("\"dance\" is not known"), std::string::npos) << why;
    insert(R"({"kind": "active", "generation": {"model": "gbt", "rule": "vote", "arms": []}})");
    const Status newer = (*log)->Read(0, 0).status();
    EXPECT_EQ(newer.code(), Code::kInternal);
    EXPECT_NE(newer.message().find("install the anabranch that wrote it"), std::string::npos) << newer.message();
  }
  std::filesystem::remove_all(folder);
}

TEST(LocalControlLog, GivesEachReaderTheSameEntriesInTheSameOrder) {
  std::string folder = "/tmp/control.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    const auto one = OpenLocalControlLog(folder + "/state");
    const auto other = OpenLocalControlLog(folder + "/state");
    ASSERT_TRUE(one.ok() && other.ok());
    EXPECT_EQ((*one)->Append(Entry(0, Kind::kPrepare, "d1", "8")).value(), 1U);
    EXPECT_EQ((*other)->Append(Entry(0, Kind::kActive, "d1", "8")).value(), 2U);
    std::vector<ControlEntry> later;
    std::thread waits([&] { later = (*one)->Read(2, 5000).value(); });
    EXPECT_EQ((*other)->Append(Entry(0, Kind::kAbandoned, "d1")).value(), 3U);
    waits.join();
    ASSERT_EQ(later.size(), 1U);
    EXPECT_EQ(later[0].number, 3U);
    const auto all = (*one)->Read(0, 0);
    ASSERT_TRUE(all.ok());
    ASSERT_EQ(all->size(), 3U);
    EXPECT_EQ(all->at(1).kind, Kind::kActive);
    EXPECT_FALSE((*one)->Members().value().has_value());
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace anabranch

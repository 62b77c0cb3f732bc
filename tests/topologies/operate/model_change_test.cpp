#include "topologies/operate/model_change.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "engine/models/deployment.h"
#include "engine/models/package.h"
#include "engine/models/scratch_folder.h"
#include "topologies/operate/compare_view.h"
#include "topologies/operate/model_events.h"
#include "topologies/operate/model_session.h"
#include "topologies/operate/switch_place.h"

// Orders of a person about the versions of a model that no instance runs: what they append to the log. With instances:
// tests/pipelines/test_rollout_commands.py.

namespace anabranch {
namespace {

using Order = ModelChangeWish::Action;
using End = ModelChangeResult::Kind;

std::string TextOf(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A topology with the model "sum", of which versions 7, 8 and 9 are in the registry and 7 scores.
class ModelChangeTest : public testing::Test {
 protected:
  ModelChangeTest() {
    plan_.name = "sums";
    plan_.file = scratch_.path() + "/sums.json";
    for (const char* version : {"7", "8", "9"}) Pack(version);
    PlanModel model{"sum", registry(), "7", {}, {}, {}};
    model.rollout = std::make_shared<const RolloutSpec>(Spec());
    plan_.managed = {model};
    std::filesystem::create_directories(state_dir());
    ControlEntry start = CommandEntry(ControlEntry::Kind::kActive);
    start.action = "start";
    start.generation.model = "sum";
    start.generation.arms = {*FindVersion(model, "7")};
    EXPECT_TRUE(Log()->Append(start).ok());
  }

  static RolloutSpec Spec() {
    RolloutSpec spec;
    spec.steps = {{.rule = ArmRule::kShadow, .share = 1, .min_rows = 10, .min_ms = 0},
                  {.rule = ArmRule::kCanary, .share = 0.25, .min_rows = 10, .min_ms = 0},
                  {}};
    spec.guards = {{.what = RolloutSpec::Guard::What::kErrors, .limit = 0.01, .size = 0, .per_key = true}};
    return spec;
  }

  void Pack(const std::string& version) {
    const std::string folder = registry() + "/sum-" + version;
    std::filesystem::create_directories(registry());
    std::filesystem::copy(ANABRANCH_ROOT "/tests/models/registry/sum-7", folder,
                          std::filesystem::copy_options::recursive);
    std::string text = TextOf(folder + "/model.json");
    const size_t at = text.find("\"version\": \"7\"");
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, 14, "\"version\": \"" + version + "\"");
    std::ofstream(folder + "/model.json") << text;
    const Status packed = PackFolder(folder);
    ASSERT_TRUE(packed.ok()) << packed.message();
  }

  std::string registry() const { return scratch_.path() + "/registry"; }
  std::string state_dir() const { return scratch_.path() + "/state"; }
  std::unique_ptr<ControlLog> Log() const { return std::move(OpenLocalControlLog(state_dir())).value(); }
  ControlState State() const { return *ReadControlState(*Log()); }

  ModelChangeResult Change(const ModelChangeWish& wish) {
    const ModelChangePlace place{
        .plan = plan_,
        .allow_paths = {},
        .state_dir = state_dir(),
        .instance = "0",
        .gates =
            [this](const std::string&, const std::vector<std::string>&, int, const CancelToken*) {
              ++gated_;
              if (meanwhile_) meanwhile_();
              return verdict_;
            },
        .cancel = &cancel_};
    return ChangeModel(wish, place);
  }

  ModelChangeResult Change(Order order, const std::string& version = "") {
    return Change({.action = order, .model = "sum", .version = version, .at = "next", .by = "ann"});
  }

  const ScratchFolder scratch_;
  Plan plan_;
  ModelAgent::Verdict verdict_;
  std::function<void()> meanwhile_;  // while the gates are at work
  CancelToken cancel_;
  int gated_ = 0;
};

TEST_F(ModelChangeTest, DeployBeginsWithTheFirstStepAndPromoteGoesFromStepToStep) {
  const ModelChangeResult begun = Change(Order::kDeploy, "8");
  ASSERT_EQ(begun.kind, End::kActive) << begun.text;
  EXPECT_EQ(begun.step, 1);
  EXPECT_EQ(begun.steps, 3);
  EXPECT_EQ(gated_, 1);
  GenerationRecord record = State().Newest("sum")->record();
  EXPECT_EQ(record.rule, ArmRule::kShadow);
  ASSERT_EQ(record.arms.size(), 2u);
  EXPECT_EQ(record.arms[0].version, "7");
  EXPECT_EQ(record.arms[1].version, "8");
  EXPECT_EQ(record.rollout, State().Newest("sum")->active.deployment);
  const uint64_t salt = record.salt;

  ASSERT_EQ(Change(Order::kPromote).kind, End::kActive);
  record = State().Newest("sum")->record();
  EXPECT_EQ(record.rule, ArmRule::kCanary);
  EXPECT_EQ(record.share, 0.25);
  EXPECT_EQ(record.salt, salt) << "a key would change its version for no reason";
  const ModelChangeResult all = Change(Order::kPromote);
  ASSERT_EQ(all.kind, End::kActive) << all.text;
  EXPECT_EQ(all.step, 0);
  record = State().Newest("sum")->record();
  EXPECT_EQ(record.rule, ArmRule::kOne);
  ASSERT_EQ(record.arms.size(), 1u);
  EXPECT_EQ(record.arms[0].version, "8");
  EXPECT_EQ(State().Newest("sum")->active.by, "ann");
  EXPECT_EQ(gated_, 1) << "a step needs no gates";
}

TEST_F(ModelChangeTest, PromoteToTheEndSkipsTheStepsBetween) {
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  const ModelChangeResult all = Change({.action = Order::kPromote, .model = "sum", .to_end = true});
  ASSERT_EQ(all.kind, End::kActive) << all.text;
  EXPECT_EQ(State().Newest("sum")->record().rule, ArmRule::kOne);
  EXPECT_EQ(State().Newest("sum")->serving().version, "8");
}

TEST_F(ModelChangeTest, NowScoresAllAtOnceAndTheHistorySaysSo) {
  ASSERT_EQ(Change({.action = Order::kDeploy, .model = "sum", .version = "8", .now = true}).kind, End::kActive);
  EXPECT_EQ(State().Newest("sum")->record().arms.size(), 1u);
  const ModelEvent event = ModelEvents(State(), "sum").back();
  EXPECT_EQ(event.rule, ArmRule::kOne);
  EXPECT_EQ(event.step, 0);
}

TEST_F(ModelChangeTest, FirstVersionOfAModelHasNothingToBeComparedWith) {
  plan_.managed[0].name = "sum";
  std::filesystem::remove_all(state_dir());
  std::filesystem::create_directories(state_dir());
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  EXPECT_EQ(State().Newest("sum")->record().arms.size(), 1u);
}

TEST_F(ModelChangeTest, NothingIsDeployedBesideARollout) {
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  const uint32_t number = State().Newest("sum")->number;
  const ModelChangeResult again = Change(Order::kDeploy, "8");
  EXPECT_EQ(again.kind, End::kAlready);
  EXPECT_EQ(again.generation, number);
  EXPECT_EQ(again.step, 1);
  for (const bool now : {false, true}) {
    const ModelChangeResult other = Change({.action = Order::kDeploy, .model = "sum", .version = "9", .now = now});
    EXPECT_EQ(other.kind, End::kRefused);
    ASSERT_EQ(other.reasons.size(), 1u);
    EXPECT_NE(other.reasons[0].find("promote --to-end"), std::string::npos) << other.reasons[0];
    EXPECT_NE(other.reasons[0].find("step 1 of 3"), std::string::npos) << other.reasons[0];
  }
  EXPECT_EQ(State().Newest("sum")->number, number);
}

TEST_F(ModelChangeTest, HoldStopsWhatHappensByItselfAndIsThereOnce) {
  EXPECT_EQ(Change(Order::kHold).kind, End::kFailed);
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  const ModelChangeResult held = Change(Order::kHold);
  ASSERT_EQ(held.kind, End::kHeld) << held.text;
  EXPECT_TRUE(State().IsHeld(held.generation));
  EXPECT_EQ(Change(Order::kHold).kind, End::kAlready);
  EXPECT_EQ(Change(Order::kPromote).kind, End::kActive) << "a person may go on";
}

TEST_F(ModelChangeTest, RollbackOfARolloutIsAStepAndWithoutOneADeployment) {
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  const ModelChangeResult back = Change(Order::kRollBack);
  ASSERT_EQ(back.kind, End::kActive) << back.text;
  EXPECT_EQ(State().Newest("sum")->active.kind, ControlEntry::Kind::kStep);
  EXPECT_EQ(State().Newest("sum")->serving().version, "7");
  EXPECT_EQ(Change(Order::kRollBack).kind, End::kFailed) << "no other version served before";
  ASSERT_EQ(Change({.action = Order::kDeploy, .model = "sum", .version = "9", .now = true}).kind, End::kActive);
  ASSERT_EQ(Change(Order::kRollBack).kind, End::kActive);
  EXPECT_EQ(State().Newest("sum")->serving().version, "7");
  EXPECT_EQ(State().Newest("sum")->active.kind, ControlEntry::Kind::kActive);
}

TEST_F(ModelChangeTest, RollbackAfterARolloutGoesBackToWhatServedBefore) {
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  ASSERT_EQ(Change({.action = Order::kPromote, .model = "sum", .to_end = true}).kind, End::kActive);
  ASSERT_EQ(Change(Order::kRollBack).kind, End::kActive);
  EXPECT_EQ(State().Newest("sum")->serving().version, "7");
}

TEST_F(ModelChangeTest, WhoSawAnotherGenerationChangesNothing) {
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  const uint32_t seen = State().Newest("sum")->number;
  ASSERT_EQ(Change({.action = Order::kPromote, .model = "sum", .seen = seen}).kind, End::kActive);
  const uint32_t newest = State().Newest("sum")->number;
  for (const Order order : {Order::kPromote, Order::kHold, Order::kRollBack}) {
    const ModelChangeResult late = Change({.action = order, .model = "sum", .seen = seen});
    EXPECT_EQ(late.kind, End::kFailed);
    EXPECT_EQ(late.status.code(), Code::kRetry);
    EXPECT_NE(late.text.find("another change was faster"), std::string::npos) << late.text;
  }
  EXPECT_EQ(State().Newest("sum")->number, newest);
  EXPECT_FALSE(State().IsHeld(newest));
}

TEST_F(ModelChangeTest, StepAfterAGenerationThatIsGoneHasNoEffect) {
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  const ControlState::Generation old = *State().Newest("sum");
  ASSERT_EQ(Change(Order::kPromote).kind, End::kActive);
  DeploymentWish wish;
  wish.prepare = RollBackEntry(old);
  const Result<DeploymentEnd> end = AppendStep(*Log(), wish);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.status().code(), Code::kRetry);
  EXPECT_EQ(State().Newest("sum")->record().rule, ArmRule::kCanary);
}

TEST_F(ModelChangeTest, DeploymentThatEndsDuringTheGatesIsNotOverwritten) {
  meanwhile_ = [this] {
    meanwhile_ = nullptr;
    EXPECT_EQ(Change({.action = Order::kDeploy, .model = "sum", .version = "9", .now = true}).kind, End::kActive);
  };
  const ModelChangeResult late = Change(Order::kDeploy, "8");
  EXPECT_EQ(late.kind, End::kFailed) << late.text;
  EXPECT_EQ(late.status.code(), Code::kRetry);
  EXPECT_NE(late.text.find("was faster"), std::string::npos) << late.text;
  EXPECT_EQ(State().Newest("sum")->serving().version, "9");
  EXPECT_EQ(State().Open("sum"), nullptr);
  EXPECT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  EXPECT_EQ(State().Newest("sum")->serving().version, "9") << "compared with what serves now";
}

TEST_F(ModelChangeTest, RolloutThatTheFileLostCanBeEndedOnly) {
  ASSERT_EQ(Change(Order::kDeploy, "8").kind, End::kActive);
  plan_.managed[0].rollout = nullptr;
  const ModelChangeResult next = Change(Order::kPromote);
  EXPECT_EQ(next.kind, End::kFailed);
  EXPECT_NE(next.text.find("--to-end"), std::string::npos) << next.text;
  EXPECT_EQ(Change({.action = Order::kPromote, .model = "sum", .to_end = true}).kind, End::kActive);
}

TEST_F(ModelChangeTest, RefusedPackageIsPartOfTheHistory) {
  verdict_.reasons = {"always: tests/always.jsonl:1: 3 is not 4"};
  const ModelChangeResult refused = Change(Order::kDeploy, "8");
  EXPECT_EQ(refused.kind, End::kRefused);
  EXPECT_EQ(refused.reasons, verdict_.reasons);
  const ModelEvent event = ModelEvents(State(), "sum").back();
  EXPECT_EQ(event.state, "abandoned");
  EXPECT_EQ(event.version, "8");
}

TEST_F(ModelChangeTest, StopDuringTheGatesRefusesNothing) {
  cancel_.Raise(CancelToken::kDrain);
  const ModelChangeResult stopped = Change(Order::kDeploy, "8");
  EXPECT_EQ(stopped.kind, End::kFailed);
  EXPECT_EQ(stopped.status.code(), Code::kRetry);
  EXPECT_EQ(ModelEvents(State(), "sum").size(), 1u);
}

TEST_F(ModelChangeTest, WrongWordsAreTold) {
  EXPECT_EQ(Change({.action = Order::kPromote, .model = "summ"}).kind, End::kWrong);
  const ModelChangeResult place =
      Change({.action = Order::kDeploy, .model = "sum", .version = "8", .at = "offsets:a/0=5"});
  EXPECT_EQ(place.kind, End::kWrong);
  EXPECT_NE(place.text.find("--now"), std::string::npos) << place.text;
  EXPECT_EQ(Change(Order::kDeploy, "10").kind, End::kFailed);
  EXPECT_EQ(gated_, 0);
}

// ------------------------------------------------------------------------------------- event time

constexpr const char* kAtNoon = "event-time:2026-11-29T12:00:00Z";

ModelChangeWish AtTime(const std::string& version, const std::string& at = kAtNoon) {
  return {.action = Order::kDeploy, .model = "sum", .version = version, .now = true, .at = at};
}

TEST_F(ModelChangeTest, AnEventTimeStandsBetweenTheVersionOfNowAndTheNewOne) {
  const ModelChangeResult done = Change(AtTime("8"));
  ASSERT_EQ(done.kind, End::kActive) << done.text;
  EXPECT_EQ(done.text,
            "sum, version 8 scores the records from event time 2026-11-29T12:00:00Z on, version 7 those before, "
            "generation " +
                std::to_string(done.generation));
  GenerationRecord record = State().Newest("sum")->record();
  EXPECT_EQ(record.rule, ArmRule::kEventTime);
  EXPECT_EQ(record.from_time, 1'795'953'600'000'000);
  ASSERT_EQ(record.arms.size(), 2u);
  EXPECT_EQ(record.arms[0].version, "7");
  const ModelEvent event = ModelEvents(State(), "sum").back();
  EXPECT_EQ(event.version, "8");
  EXPECT_NE(ModelEventsText({event}).find("from event time 2026-11-29T12:00:00Z on"), std::string::npos);
  EXPECT_NE(ModelEventsJson({event}).find(R"("from_time": "2026-11-29T12:00:00Z")"), std::string::npos)
      << ModelEventsJson({event});

  EXPECT_EQ(Change(AtTime("8", "event-time:1795953600000")).kind, End::kAlready) << "the same moment";
  EXPECT_EQ(Change(AtTime("8", "event-time:2026-11-29T13:00:00+01:00")).kind, End::kAlready);
  const ModelChangeResult moved = Change(AtTime("8", "event-time:2026-11-30T12:00:00Z"));
  ASSERT_EQ(moved.kind, End::kRefused) << moved.text;
  EXPECT_NE(moved.reasons[0].find("roll back first"), std::string::npos) << moved.reasons[0];

  ASSERT_EQ(Change(AtTime("9", "event-time:2026-12-01T00:00:00.000001Z")).kind, End::kActive);
  record = State().Newest("sum")->record();
  EXPECT_EQ(record.arms[0].version, "8") << "the newest one of the cut is the version before the next";
  EXPECT_EQ(record.from_time % 1'000'000, 1);
}

TEST_F(ModelChangeTest, RollbackOfAnEventTimeIsForAllRecordsAndADeploymentEndsIt) {
  ASSERT_EQ(Change(AtTime("8")).kind, End::kActive);
  ASSERT_EQ(Change(Order::kRollBack).kind, End::kActive);
  GenerationRecord record = State().Newest("sum")->record();
  EXPECT_EQ(record.rule, ArmRule::kOne);
  EXPECT_EQ(record.serving().version, "7");
  ASSERT_EQ(Change(AtTime("8", "event-time:2026-11-30T12:00:00Z")).kind, End::kActive);
  const int gated = gated_;
  ASSERT_EQ(Change({.action = Order::kDeploy, .model = "sum", .version = "8", .now = true}).kind, End::kActive);
  record = State().Newest("sum")->record();
  EXPECT_EQ(record.rule, ArmRule::kOne);
  EXPECT_EQ(record.serving().version, "8");
  EXPECT_EQ(gated_, gated) << "it scored already";
  ASSERT_EQ(Change(AtTime("9")).kind, End::kActive);
  EXPECT_EQ(Change(Order::kPromote).kind, End::kFailed) << "an event time is no rollout";
  EXPECT_FALSE(ComparisonIn(State(), "sum", 0).ok()) << "no record has two answers";
}

TEST_F(ModelChangeTest, AnEventTimeBeforeTheFirstRunFollowsTheVersionOfTheFile) {
  std::filesystem::remove_all(state_dir());
  std::filesystem::create_directories(state_dir());
  ASSERT_EQ(Change(AtTime("8")).kind, End::kActive);
  const std::vector<ModelEvent> events = ModelEvents(State(), "sum");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].action, "start");
  EXPECT_EQ(events[1].serving, "7");
  ASSERT_EQ(Change(Order::kRollBack).kind, End::kActive);
  EXPECT_EQ(State().Newest("sum")->serving().version, "7");
}

TEST_F(ModelChangeTest, AnEventTimeThatCannotBeMeantIsToldWithOneThatCan) {
  ModelChangeWish beside = AtTime("8");
  beside.now = false;
  const ModelChangeResult rollout = Change(beside);
  EXPECT_EQ(rollout.kind, End::kWrong);
  EXPECT_NE(rollout.text.find("--now"), std::string::npos) << rollout.text;
  for (const char* wrong : {"tomorrow", "", "2026-11-29T12:00:00", "2026-11-29", "-5", "1e3", "9999999999999999",
                            "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"}) {
    const ModelChangeResult refused = Change(AtTime("8", "event-time:" + std::string(wrong)));
    EXPECT_EQ(refused.kind, End::kWrong) << wrong;
    const std::string& text = refused.text;
    EXPECT_NE(text.find("\"" + std::string(wrong) + "\" is no time"), std::string::npos) << text;
    // What it shows is right.
    const size_t at = text.find("write event-time:") + 6;
    const std::string example = text.substr(at, text.find(',', at) - at);
    EXPECT_EQ(ParseSwitchPlace(example)->from_time, ParseSwitchPlace(text.substr(text.rfind("event-time:")))->from_time)
        << text;
  }
  EXPECT_EQ(Change(AtTime("8", "later")).kind, End::kWrong);
  const ModelChangeResult same = Change(AtTime("7"));
  ASSERT_EQ(same.kind, End::kRefused);
  EXPECT_NE(same.reasons[0].find("only another version"), std::string::npos) << same.reasons[0];
  plan_.managed[0].rollout = nullptr;
  ControlEntry drawing = CommandEntry(ControlEntry::Kind::kStep);
  drawing.after = State().Newest("sum")->number;
  drawing.generation = State().Newest("sum")->record();
  drawing.generation.rule = ArmRule::kBandit;
  drawing.generation.arms.push_back(drawing.generation.arms[0]);
  drawing.generation.probabilities = {0.5, 0.5};
  ASSERT_TRUE(Log()->Append(drawing).ok());
  const ModelChangeResult bandit = Change(AtTime("8"));
  EXPECT_EQ(bandit.kind, End::kWrong);
  EXPECT_NE(bandit.text.find("bandit"), std::string::npos) << bandit.text;
  EXPECT_EQ(gated_, 0);
}

}  // namespace
}  // namespace anabranch

#include "topologies/operate/failure_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "topologies/commands/status_view.h"

namespace anabranch {
namespace {

using nlohmann::json;

const NextCommands kNext = {"anabranch run t.json", "anabranch restart t.json", "anabranch dlq skip t.json",
                            "anabranch dlq ls t.json"};

Failure ModelIsGone() {
  Failure failure;
  failure.stage = "score";
  failure.error_class = ErrorClass::kStage;
  failure.message = "models/gbt.onnx cannot be read: no such file";
  failure.attempts = 4;
  failure.at_ms = 1'700'000'000'000;
  failure.records = {"payments/0/17", "payments/0/18"};
  failure.kept_rows = 256;
  failure.kept_bytes = 1'234'567;
  return failure;
}

RestartPlan FromScore() {
  RestartPlan plan;
  plan.from = "score";
  plan.stages_to_run = {"score", "out"};
  plan.results_reused = {{"check", 256, 9000}, {"feat", 256, 40'000, {"gbt@7", "gbt@8"}}};
  plan.records = 256;
  plan.changes = {"score (infer): model file changed"};
  plan.token = "ab12cd";
  return plan;
}

bool HasLine(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(FailureText, TellsStageCauseRecordsWhatIsKeptAndTheNextCommandOnALineOfItsOwn) {
  const std::string text = FailureText(ModelIsGone(), kNext);
  for (const char* part : {"stage \"score\" stopped: models/gbt.onnx cannot be read: no such file", "payments/0/17",
                           "payments/0/18, …", "256 records", "1.2 MB", "2023-11-14T22:13:20.000Z"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in:\n" << text;
  }
  EXPECT_TRUE(HasLine(text, "  anabranch restart t.json")) << text;
  EXPECT_TRUE(HasLine(text, "  anabranch dlq skip t.json")) << text;
}

TEST(FailureText, OffersToGiveUpOnlyWhereRecordsWait) {
  Failure failure = ModelIsGone();
  failure.kept_rows = 0;
  EXPECT_EQ(FailureText(failure, kNext).find("dlq skip"), std::string::npos);
}

TEST(RestartPlanView, JsonHasTheMembersThatScriptsRelyOn) {
  RestartPlan plan = FromScore();
  json shown = json::parse(RestartPlanJson(plan));
  EXPECT_EQ(shown["from"], "score");
  EXPECT_EQ(shown["stages_to_run"], json({"score", "out"}));
  EXPECT_EQ(shown["results_reused"][1],
            json({{"node", "feat"}, {"rows", 256}, {"bytes", 40000}, {"versions", {"gbt@7", "gbt@8"}}}));
  EXPECT_EQ(shown["records"], 256);
  EXPECT_EQ(shown["changes"], json({"score (infer): model file changed"}));
  EXPECT_TRUE(shown["refused"].is_null());
  EXPECT_EQ(shown["token"], "ab12cd");
  plan.refused = "check was edited: \"--from check\"";
  EXPECT_EQ(json::parse(RestartPlanJson(plan))["refused"], *plan.refused);
}

TEST(RestartPlanView, AStateWithoutFailureHasTheSameMembers) {
  const json nothing = json::parse(NothingFailedJson());
  const json something = json::parse(RestartPlanJson(FromScore()));
  for (auto member = something.begin(); member != something.end(); ++member) {
    EXPECT_TRUE(nothing.contains(member.key())) << member.key();
  }
  EXPECT_TRUE(nothing["refused"].is_null());
}

TEST(RestartPlanView, TextTellsWhatRunsWhatIsReusedAndWhyItIsRefused) {
  RestartPlan plan = FromScore();
  plan.unclaimed = 3;
  plan.refused = "the consumer of check is gone: --drop-unclaimed";
  const std::string text = RestartPlanText(ModelIsGone(), plan);
  for (const char* part :
       {"restart from \"score\"", "score, out", "check: 256 rows, 9.0 kB",
        "feat: 256 rows, 40.0 kB, made by gbt@7, gbt@8", "256, then live input", "3 records", "model file changed",
        "ab12cd", "refused: the consumer of check is gone: --drop-unclaimed"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in:\n" << text;
  }
}

TEST(BytesText, UsesTheUnitThatReadsBest) {
  EXPECT_EQ(BytesText(1), "1 byte");
  EXPECT_EQ(BytesText(999), "999 bytes");
  EXPECT_EQ(BytesText(1400), "1.4 kB");
  EXPECT_EQ(BytesText(2'500'000'000), "2.5 GB");
}

StatusFacts Facts(RunPhase phase) {
  StatusFacts facts;
  facts.name = "payments";
  facts.state.phase = phase;
  facts.nodes = {"check", "score"};
  facts.counters["check"] = {{"invocations", 2}, {"rows_in", 512}, {"rows_out", 500}, {"failed", 12}};
  facts.positions["payments"] = {{"payments/0", 17}};
  return facts;
}

TEST(StatusView, TheStateIsWhatTheLedgerAndItsOwnerSay) {
  StatusFacts facts = Facts(RunPhase::kRunning);
  facts.owner = 4711;
  EXPECT_EQ(StateWord(facts), "running");
  facts.owner = 0;  // nobody wrote how it ended
  EXPECT_EQ(StateWord(facts), "stopped");
  EXPECT_NE(StatusText(facts, kNext).find("without a word"), std::string::npos);
  EXPECT_TRUE(HasLine(StatusText(facts, kNext), "  anabranch run t.json"));
  EXPECT_EQ(StateWord(Facts(RunPhase::kDone)), "done");
  EXPECT_EQ(StateWord(Facts(RunPhase::kStopped)), "stopped");
  facts = Facts(RunPhase::kFailed);
  facts.state.failure = ModelIsGone();
  EXPECT_EQ(StateWord(facts), "failed");
  EXPECT_TRUE(HasLine(StatusText(facts, kNext), "  anabranch restart t.json"));
}

TEST(StatusView, ARestartThatWasKilledStillWaitsForARestart) {
  StatusFacts facts = Facts(RunPhase::kRestarting);
  facts.state.failure = ModelIsGone();
  EXPECT_EQ(StateWord(facts), "failed");
  EXPECT_TRUE(HasLine(StatusText(facts, kNext), "  anabranch restart t.json"));
}

TEST(StatusView, JsonHasTheMembersThatScriptsRelyOn) {
  StatusFacts facts = Facts(RunPhase::kFailed);
  facts.state.failure = ModelIsGone();
  json shown = json::parse(StatusJson(facts, kNext));
  EXPECT_EQ(shown["name"], "payments");
  EXPECT_EQ(shown["state"], "failed");
  EXPECT_EQ(shown["failed"]["node"], "score");
  EXPECT_EQ(shown["failed"]["class"], "stage");
  EXPECT_EQ(shown["failed"]["message"], ModelIsGone().message);
  EXPECT_EQ(shown["failed"]["records"], 256);
  EXPECT_EQ(shown["failed"]["kept_bytes"], 1'234'567);
  EXPECT_EQ(shown["failed"]["next"], "anabranch restart t.json");
  for (const char* counter :
       {"invocations", "rows_in", "rows_out", "filtered", "skipped", "failed", "dead_lettered", "retried"}) {
    EXPECT_TRUE(shown["nodes"]["score"].contains(counter)) << counter;
  }
  EXPECT_EQ(shown["nodes"]["check"]["failed"], 12);
  EXPECT_EQ(shown["nodes"]["score"]["invocations"], 0);
  EXPECT_EQ(shown["sources"]["payments"]["payments/0"], 17);
  facts.state.phase = RunPhase::kDone;
  EXPECT_TRUE(json::parse(StatusJson(facts, kNext))["failed"].is_null()) << "a failure that was fixed is over";
}

}  // namespace
}  // namespace anabranch

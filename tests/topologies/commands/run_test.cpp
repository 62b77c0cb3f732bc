#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/topologies/commands/commands_fixture.h"
#include "topologies/commands/stop_signals.h"

namespace anabranch {
namespace {

class RunCommand : public Commands {};

TEST_F(RunCommand, RefusesAFaultyTopologyWith78AndMakesNoState) {
  const std::string file = Write("topology.json", FaultyTopology());
  Outcome outcome = Run({"run", file});
  EXPECT_EQ(outcome.code, 78);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("error[AB203]"), std::string::npos) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(Path(".anabranch")));
}

TEST_F(RunCommand, EndsWithTheInputAndSumsUp) {
  Write("in.jsonl", "{\"id\": \"a\", \"amount\": 2}\n{\"id\": \"b\", \"amount\": 1}\n{\"id\": \"c\", \"amount\": 4}\n");
  Outcome outcome = Run({"run", Write("topology.json", GoodTopology())});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const std::string lines = ReadFile(Path("out.jsonl"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
  EXPECT_NE(outcome.err.find("3 records read, 3 committed"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("out.jsonl"), std::string::npos) << outcome.err;
  EXPECT_TRUE(std::filesystem::is_directory(Path(".anabranch/orders/0")));
}

TEST_F(RunCommand, PutsItsStateWhereItIsTold) {
  Write("in.jsonl", "{\"id\": \"a\", \"amount\": 2}\n");
  Outcome outcome =
      Run({"run", Write("topology.json", GoodTopology()), "--state-dir", Path("state"), "--workers", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::is_directory(Path("state")));
  EXPECT_FALSE(std::filesystem::exists(Path(".anabranch")));
}

TEST_F(RunCommand, OfAFinishedFileIsANoOpThatNamesFresh) {
  Write("in.jsonl", "{\"id\": \"a\", \"amount\": 2}\n");
  const std::string file = Write("topology.json", GoodTopology());
  ASSERT_EQ(Run({"run", file}).code, 0);
  const std::string before = ReadFile(Path("out.jsonl"));
  Outcome outcome = Run({"run", file});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("--fresh"), std::string::npos) << outcome.err;
  EXPECT_EQ(ReadFile(Path("out.jsonl")), before);
  outcome = Run({"run", file, "--fresh"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(ReadFile(Path("out.jsonl")), before);
}

TEST(StopSignals, TheFirstDrainsAndTheSecondStopsAtOnce) {
  CancelToken cancel;
  StopSignals signals(cancel);
  raise(SIGTERM);
  EXPECT_EQ(cancel.level(), CancelToken::kDrain);
  raise(SIGINT);
  EXPECT_EQ(cancel.level(), CancelToken::kNow);
  EXPECT_EQ(signals.seen(), 2);
}

TEST(StopSignals, AProcessThatDoesNotUnwindAfterTheSecondEndsWith130) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    CancelToken cancel;
    StopSignals signals(cancel);
    raise(SIGINT);
    raise(SIGINT);
    for (;;) pause();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
}

}  // namespace
}  // namespace anabranch

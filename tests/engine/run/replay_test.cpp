// A run whose input are dead letters.
#include "engine/run/replay.h"

#include "tests/engine/run/run_fixture.h"

namespace anabranch {
namespace {

class Replay : public RunTest {
 protected:
  Replay() {
    plan.Persist("out", {plan.Node("score", {plan.Source(input)}, Pass)}, output);
    options.start = RunStart::kReplay;
    options.tick_ns = 1'000'000;
    options.once = true;
  }
};

TEST_F(Replay, IsLookedAfterByTheWatchdogForAsLongAsItTakes) {
  options.input = MakeReplay(plan.Build(), std::make_shared<MemorySourceProgram>(input), {});
  PushRows(3);
  std::atomic<int> ticks{0};
  observer.tick = [&ticks](const RunSnapshot&) { ++ticks; };
  RunInBackground();
  EXPECT_TRUE(Eventually([&] { return ticks.load() > 5; }));
  input->End();
  thread.join();
  EXPECT_TRUE(summary.status.ok()) << summary.status.message();
}

}  // namespace
}  // namespace anabranch

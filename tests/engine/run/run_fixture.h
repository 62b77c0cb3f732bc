#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/run/pipeline.h"
#include "engine/run/runner.h"
#include "engine/testing/eventually.h"
#include "engine/testing/plan_builder.h"

namespace anabranch {

// A pipeline in memory: push, cork, run, expect.
class RunTest : public ::testing::Test {
 protected:
  RunTest() {
    registry.Add(MakeMemoryConnector());
    std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::ranges::replace(name, '/', '_');  // a parameter
    options.state_dir =
        (std::filesystem::temp_directory_path() / ("anabranch_run_" + std::to_string(::getpid()) + "_" + name))
            .string();
    std::filesystem::remove_all(options.state_dir);
    options.workers = 1;
  }
  ~RunTest() override { std::filesystem::remove_all(options.state_dir); }

  void PushRows(int n) {
    for (int i = 0; i < n; ++i) {
      const auto offset = std::to_string(pushed++);
      input->Push("k" + offset, "v" + offset);
    }
  }

  RunSummary RunToEnd() {
    input->End();
    return Run(plan.Build(), cancel);
  }

  // As RunPlan(), with a look at what the run measured.
  RunSummary Run(const Plan& built, CancelToken& token) {
    Pipeline pipeline(built, registry, options, observer, &token);
    if (!pipeline.Start().ok()) return pipeline.Finish();
    ExpectAllTimeIsKnownAtItsEnd(pipeline);
    return pipeline.Finish();
  }

  // Waits for the end of a run, and compares its lanes with a clock that is not theirs: the lane polls and closes its
  // source. A bound on the whole run would also time threads that wait for a core before they begin and when they end.
  void ExpectAllTimeIsKnownAtItsEnd(Pipeline& pipeline) {
    while (!pipeline.Wait(std::chrono::seconds(1))) {
    }
    measures = pipeline.Measures();
    const MutexLock lock(input->mutex);
    for (const LaneMeasures& lane : measures.lanes) {
      ExpectAllTimeIsKnown(lane);
      EXPECT_GE(lane.wall_ns, input->read_for_ns[lane.source]) << "the clock of lane " << lane.lane << " stood still";
    }
  }

  void ExpectAllTimeIsKnown(const LaneMeasures& lane) const {
    int64_t sum = 0;
    for (const LaneShare& share : lane.shares) sum += share.ns;
    EXPECT_NEAR(static_cast<double>(sum), static_cast<double>(lane.wall_ns), static_cast<double>(lane.wall_ns) * 0.02);
    EXPECT_LE(lane.wall_ns, measures.elapsed_ns);
  }

  void RunInBackground() {
    const Plan& built = plan.Build();
    thread = std::thread([this, &built] { summary = Run(built, cancel); });
  }

  // Ends a run in the background; it is to end well.
  void Drain() {
    cancel.Raise(CancelToken::kDrain);
    thread.join();
    EXPECT_TRUE(summary.status.ok());
  }

  static std::vector<int64_t> Offsets(const std::vector<MemoryOutput::Row>& rows) {
    std::vector<int64_t> offsets;
    for (const auto& row : rows) offsets.push_back(row.offset);
    return offsets;
  }
  static std::vector<int64_t> Numbers(int64_t begin, int64_t end) {
    std::vector<int64_t> numbers;
    for (int64_t i = begin; i < end; ++i) numbers.push_back(i);
    return numbers;
  }

  Registry registry;
  RunOptions options;
  CancelToken cancel;
  RunObserver observer;
  PlanBuilder plan;
  std::shared_ptr<MemoryInput> input = std::make_shared<MemoryInput>();
  std::shared_ptr<MemoryOutput> output = std::make_shared<MemoryOutput>();
  int pushed = 0;
  std::thread thread;
  RunSummary summary;
  MeasureSnapshot measures;  // of the last run, when it ended
};

// A hundred times as fast as time.
class FastClock : public Clock {
 public:
  int64_t NowNs() const override { return Clock::Real().NowNs() * 100; }
  int64_t WallMs() const override { return Clock::Real().WallMs(); }
};

// Runs `body` in a process of its own and answers the signal that ended it, or 0.
template <typename Body>
int SignalOf(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

inline Status Pass(const NodeRun&) { return Status::Ok(); }

}  // namespace anabranch

#pragma once

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/run/run_fixture.h"
#include "tests/engine/run/switch_fixture.h"

namespace anabranch {

class SwitchesTest : public RunTest {
 protected:
  // score → a, b: results say which generation scored them.
  void Build() {
    registry.Add(std::make_unique<OutsideConnector>(outside));
    options.generations = &generations;
    plan.plan().batch.max_rows = 8;
    plan.plan().epoch.commit_ns = 1'000'000;
    std::vector<StageId> in = {plan.Source(input)};
    plan.plan().sources[0].program = std::make_shared<OutsideSourceProgram>(outside);
    if (beside != nullptr) {
      in.push_back(plan.Source(input));
      plan.plan().sources[1].program = std::make_shared<OutsideSourceProgram>(*beside);
    }
    const StageId score = plan.Node("score", in, [this](const NodeRun& run) { return Score(run); });
    auto& program = plan.plan().nodes[score - plan.plan().sources.size()].program;
    program = Managed(program);
    const StageId below = plan.Node("below", {score}, [this](const NodeRun& run) { return Below(run); });
    for (const char* unit : {"a", "b"}) {
      const StageId sink = plan.Persist(unit, {below}, output, unit);
      plan.plan().targets[plan.node(sink).target].program = std::make_shared<OutsideTarget>(unit);
    }
    plan.plan().targets.push_back({"dead_letters", std::make_shared<OutsideTarget>("a")});
  }

  virtual std::shared_ptr<const NodeProgram> Managed(std::shared_ptr<const NodeProgram> node) {
    return std::make_shared<VersionedProgram>(std::move(node));
  }

  static bool Holds(const RecordBatch& batch, int64_t offset) {
    return offset >= 0 && std::ranges::find(batch.offset, offset) != batch.offset.end();
  }
  Status Below(const NodeRun& run) const {
    return Holds(run.batch, below_fails_at) ? Status(Code::kStage, "it cannot go on") : Status::Ok();
  }

  Status Score(const NodeRun& run) {
    RecordBatch& batch = run.batch;
    if (Holds(batch, score_fails_at)) return {Code::kStage, "the model is gone"};
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      const auto of = std::ranges::find(batch.positions, batch.partition[row], &PositionRange::partition);
      if (of == batch.positions.end()) return {Code::kInternal, "a row of no range"};
      const GenerationId generation = of->scoring.At(batch.offset[row]);
      if (!generations.Ready(generation)) ++not_ready;
      batch.payload[row] = batch.text.Copy(std::to_string(uint32_t{generation}));
    }
    return Status::Ok();
  }

  RunSummary RunOnce() {
    generations.Restart();
    CancelToken token;
    return Run(plan.plan(), token);
  }

  // Runs end at any commit of any unit, before or behind it; epochs are aborted and written again; partitions come and
  // go; generations are activated at any time, some for a given position. The last run reaches the end. `dies`: units
  // end runs as the death of a process does, its results known to nobody or to everybody.
  void RunAtRandom(uint64_t seed, bool dies = true) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Mutex random_mutex;
    const auto draw = [&](int64_t below) {
      const MutexLock lock(random_mutex);
      return static_cast<int64_t>(random() % static_cast<uint64_t>(below));
    };
    constexpr int kFaultyRuns = 6;
    outside.positions = static_cast<Outside::Positions>(seed % 3);
    outside.records = {300, 120, 0, 40};
    options.workers = seed % 2 == 0 ? 1 : 3;
    Build();
    generations.Activate();
    std::atomic<bool> faulty{true};
    outside.take = [&](int) { return std::max<int64_t>(0, draw(8) - 2); };
    outside.poll = [&]() -> std::optional<SourceEvent> {
      if (draw(12) == 0 && generations.active() < 60) {
        std::map<SourcePartition, int64_t> positions;
        if (draw(2) == 0) positions[Outside::Named(static_cast<int>(draw(2)))] = draw(300);
        generations.Activate(positions);
      }
      if (faulty && draw(40) == 0) return draw(2) == 0 ? SourceEvent::kRevoked : SourceEvent::kLost;
      return std::nullopt;
    };
    outside.fault = [&](const std::string& unit, bool behind) {
      if (!faulty || draw(14) != 0) return Status::Ok();
      const bool aborts = !behind && unit != "group" && draw(3) == 0;
      if (!aborts && !dies) return Status::Ok();
      return Status(aborts ? Code::kAborted : Code::kFenced, "by chance");
    };
    for (int run = 0; run < kFaultyRuns; ++run) {
      const RunSummary ended = RunOnce();
      ASSERT_TRUE(ended.status.ok() || ended.status.code() == Code::kFenced) << ended.status.message();
    }
    faulty = false;
    const RunSummary last = RunOnce();
    ASSERT_TRUE(last.status.ok()) << last.status.message();
  }

  // What is wrong with one record, or with all of them; empty: each has one generation, the same in both targets, and
  // the one that the history of switches says.
  std::string Wrong() {
    if (not_ready > 0) return "rows were scored by a generation that nobody had asked for";
    if (outside.doubled > 0) return "rows were written twice";
    const auto &a = outside.units["a"].rows, &b = outside.units["b"].rows;
    for (int p = 0; p < static_cast<int>(outside.records.size()); ++p) {
      const SourcePartition partition = Outside::Named(p);
      for (int64_t offset = 0; offset < outside.records[static_cast<size_t>(p)]; ++offset) {
        const std::string record = std::to_string(p) + "/" + std::to_string(offset);
        const auto row = a.find({partition, offset}), other = b.find({partition, offset});
        if (row == a.end() || other == b.end()) return record + " is lost";
        if (row->second != other->second) return record + " has " + row->second + " and " + other->second;
        const auto generation = GenerationId(static_cast<uint32_t>(std::stoul(row->second)));
        if (generation != generations.At(partition, offset))
          return record + " has " + row->second + ", not the history's";
        if (offset < generations.PlannedAt(partition, generation)) return record + " is below its planned switch";
      }
    }
    return "";
  }
  void ExpectOneGenerationPerRecord() { EXPECT_EQ(Wrong(), ""); }

  Outside outside;
  Outside* beside = nullptr;  // a second source
  FakeGenerations generations;
  std::atomic<int> not_ready{0};
  std::atomic<int64_t> score_fails_at{-1}, below_fails_at{-1};
};

}  // namespace anabranch

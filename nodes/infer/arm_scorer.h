#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/arm_scores.h"
#include "nodes/infer/arms.h"
#include "nodes/infer/model_runner.h"

namespace anabranch {

// Scores the rows of a generation that has several arms, and notes in StageRows::arms what each said. For one thread.
class ArmScorer {
 public:
  // `plan`: of the version that the columns were made for; it outlives the scorer.
  explicit ArmScorer(const InferPlan& plan);

  // Of a canary or a bandit: the arm that a row draws answers it, or the first one where that arm fails it. So only
  // the first arm fails rows, or the stage. Of a canary the first arm scores the rows of the second one as well, for
  // the comparison. Every other arm gets its part of the time that is left until the deadline. `runners`: by arm.
  Status Answer(const NodeRun& run, const VersionTable::Entry& entry, std::span<ModelRunner* const> runners);

  // Of a shadow, after `run` was scored: the second arm scores the rows that it draws. Of the batch nothing changes
  // but StageRows::arms. `alone`: the generation scored all rows of the stage.
  void ScoreUnseen(const NodeRun& run, const VersionTable::Entry& entry, ModelRunner& candidate, bool alone);

 private:
  class Aside;
  // Columns of the node that a runner writes: those of the values, then those of the shown features.
  struct Written {
    ColumnId id;
    Type type;
  };

  std::shared_ptr<ArmScores> Begin(const NodeRun& run, const VersionTable::Entry& entry);
  uint32_t Pick(const std::vector<uint8_t>& arms, uint8_t arm);
  NodeRun Picked(const NodeRun& run, uint32_t count, int64_t deadline_ns) const;
  int64_t TryArm(const NodeRun& run, ModelRunner& runner, ArmScores* scores);
  void GiveUpRows(const NodeRun& run, ArmScores* scores);
  void NoteFailure(const NodeRun& run, const VersionTable::Entry& entry, const ModelRunner& runner);
  int64_t ScoreAside(const NodeRun& run, ModelRunner& runner, ArmScores* scores);
  void PrepareAside(uint32_t rows);

  std::vector<Written> written_;
  std::vector<size_t> compared_;  // indices into written_
  ArmDraw draw_;
  std::vector<uint8_t> picked_;  // by row
  Status failure_;               // of the last whole call of an arm
  GenerationId told_{0};         // the generation whose candidate the operator's log has heard of

  // What the batch holds while a row is scored that another arm answers, and then what that said.
  std::vector<Column> columns_;  // by written_
  std::vector<Outcome> outcome_;
  std::vector<RowError> errors_;
  std::vector<StageRows::ModelCall> calls_;
};

}  // namespace anabranch

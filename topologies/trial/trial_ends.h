#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/connector.h"
#include "engine/mutex.h"
#include "topologies/trial/trial.h"

namespace anabranch {

// The ends of a trial: sources that hand over given records, targets that keep what they get.

// Some records of a trial.
using TrialRecords = std::vector<const TrialRecord*>;

// A source that hands over `records`, which outlive it, once. In everything else it is `origin`.
std::shared_ptr<const SourceProgram> MakeTrialSource(std::shared_ptr<const SourceProgram> origin, TrialRecords records);

// A committed row, under the identity of its record.
struct TrialCommit {
  SourcePartition partition;
  int64_t offset = 0;
  TrialRow row;
};

// What the targets of a trial have. Thread-safe; outlives the trial's run.
class TrialTargets {
 public:
  explicit TrialTargets(size_t targets) : commits_(targets), failing_(targets, 0) {}

  void FailNext(TargetId target, int commits);
  // True: this commit is to fail.
  bool TakeFailure(TargetId target);
  void Add(TargetId target, std::vector<TrialCommit> rows);
  // By TargetId. Once, when the run has ended.
  std::vector<std::vector<TrialCommit>> Take();

 private:
  Mutex mutex_;
  std::vector<std::vector<TrialCommit>> commits_ GUARDED_BY(mutex_);
  std::vector<int> failing_ GUARDED_BY(mutex_);
};

// A target that encodes as `origin` does and gives its rows to `targets`.
std::shared_ptr<const TargetProgram> MakeTrialTarget(std::shared_ptr<const TargetProgram> origin,
                                                     std::shared_ptr<TrialTargets> targets);

// The connector of these targets. It binds nothing.
std::unique_ptr<Connector> MakeTrialConnector();

}  // namespace anabranch

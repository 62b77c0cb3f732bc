#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "engine/ids.h"
#include "engine/source.h"

namespace anabranch {

// Records of one source that a run computes again, beside the pipeline that computed them first: RunStart::kRescore. It
// joins no group and moves no position of the pipeline: what it has done is stored under a name of its own, so the same
// run goes on after a crash. Immutable; outlives the run.
class RescoreInput : public SourceProgram {
 public:
  // Positions [first, next).
  struct Range {
    int64_t first = 0;
    int64_t next = 0;
  };
  using Ranges = std::map<SourcePartition, Range>;

  // Under which groups, transactional ids and progress of this run are kept.
  virtual const std::string& identity() const = 0;
  virtual StageId stage() const = 0;
  virtual const std::string& source_id() const = 0;
};

// `reader`: SourceProgram::Reader() of the source `source_id`, which is `stage` in the plan. Partitions without a range
// are not read. One lane; it ends when all of `ranges` was read.
std::shared_ptr<const RescoreInput> MakeRescoreInput(std::shared_ptr<const SourceProgram> reader, StageId stage,
                                                     std::string source_id, std::string identity,
                                                     RescoreInput::Ranges ranges);

}  // namespace anabranch

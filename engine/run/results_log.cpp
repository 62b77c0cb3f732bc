#include "engine/run/results_log.h"

#include "engine/keep/kept_batch.h"

namespace anabranch {

void ResultsLog::Keep(const RecordBatch& batch, const std::vector<bool>& done) {
  std::vector<KeptHeader::Range> ranges;
  for (const PositionRange& range : batch.positions) {
    ranges.push_back({batch.partitions->at(range.partition), range.first, range.next});
  }
  const Status logged = store_.Log(batch.lane, WriteKeptBatch(plan_, batch, done), ranges, stop_);
  if (logged.ok() || logged.code() == Code::kCancelled || warned_.exchange(true)) return;
  warn_("results cannot be kept (" + logged.message() + "): after a crash they are computed again");
}

}  // namespace anabranch

#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/mutex.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/run_observer.h"
#include "engine/trace/span_exporter.h"

namespace anabranch {

// Makes spans of a run, from what its observer sees:
//
//   process TOPOLOGY   a batch; links to the records that are traced, 128 at most, the rest is counted
//     NODE             a stage of it; they stand one after the other, though branches may have run at the same time
//     commit           the epoch that made it durable; in the trace of the epoch's first batch, with links to the
//     others
//   process SOURCE     a record whose producer traces it: a part of the producer's trace. Its results carry it on.
//
// The span of a record has an id that is made from its trace and its position, so the same record gives the same bytes.
// No record data leaves through spans: names, numbers, positions and codes of errors only.
// Thread-safe. A batch whose spans would not fit is counted, and costs no more than that.
class Tracer {
 public:
  static constexpr size_t kMostLinks = 128;

  // `plan`, `clock` and `dropped`, to which lost spans are added, outlive it. `instance` and `version`: for the
  // resource.
  Tracer(const Plan& plan, const Clock& clock, TraceSettings settings, const std::string& instance,
         const std::string& version, std::function<void(const std::string&)> warn, std::atomic<int64_t>& dropped);

  // Adds itself to what `observer` does already. Outlives the run.
  void Attach(RunObserver* observer);
  // As RunObserver::before, batch, committed.
  void Before(RecordBatch& batch);
  void After(const RecordBatch& batch);
  void Committed(const CommitSeen& commit);

 private:
  struct OpenBatch {
    TraceContext context;
    std::vector<PositionRange> positions;
  };
  using Events = std::vector<SpanEvent>;

  SpanId NewSpanId();
  TraceId NewTraceId();
  int64_t WallOf(int64_t ns) const;
  SpanId IdOf(const TraceContext& parent, const SourcePartition& partition, int64_t offset) const;
  Span BatchSpan(const RecordBatch& batch, int64_t end_ns);
  void AddStages(const RecordBatch& batch, const Span& whole, std::vector<Span>* spans);
  void AddRecords(const RecordBatch& batch, Span* whole, bool batch_kept, std::vector<Span>* spans);
  Span RecordSpan(const RecordBatch& batch, uint32_t row, const TraceContext& parent, const Span& whole) const;
  std::string ErrorOf(const RecordBatch& batch, uint32_t row) const;

  const Plan& plan_;
  const Clock& clock_;
  const TraceSampler sampler_;
  const uint64_t seed_;
  std::atomic<uint64_t> next_{0};
  SpanExporter exporter_;
  std::vector<std::string> models_;  // by stage: name@version; empty: it calls none

  Mutex mutex_;
  std::map<int, std::deque<OpenBatch>> open_ GUARDED_BY(mutex_);  // by lane: kept, and not committed
};

}  // namespace anabranch

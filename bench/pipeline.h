#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "engine/run/plan_worker.h"
#include "topologies/language/check.h"

namespace anabranch::bench {

// A whole plan worker over one file source: decode, nodes, encode, without source and target I/O. A faulty topology
// ends the program.
class Pipeline {
 public:
  static constexpr uint32_t kRows = 256;

  // `text` is the topology, as if it lay in `folder`; its one source is the file source `source`. The rows of a batch
  // hold `payloads` in turn, which stay the caller's.
  Pipeline(const std::string& folder, const Registry& registry, const std::string& text, const std::string& source,
           const std::vector<std::string>& payloads)
      : payloads_(payloads) {
    checked_ = CheckTopologyText(folder + "/bench.json", text, registry, {});
    if (!checked_.ok()) {
      for (const Fault& fault : checked_.faults) std::fprintf(stderr, "%s\n", fault.message.c_str());
      std::exit(1);
    }
    guards_ = std::make_unique<StageGuards>(*checked_.plan);
    auto worker = PlanWorker::Open(*checked_.plan, Clock::Real(), *guards_, cancel_);
    if (!worker.ok()) {
      std::fprintf(stderr, "%s\n", worker.status().message().c_str());
      std::exit(1);
    }
    worker_ = std::move(worker).value();
    (void)table_.Find({"file:" + source, 0});
  }

  // CPU time, which a busy machine changes less than wall time; all of it is spent on the caller's thread.
  double NsPerRecord(int batches) {
    const double begin = CpuSeconds();
    for (int i = 0; i < batches; ++i) {
      batch_.Clear(checked_.plan->columns.size(), checked_.plan->stages());
      batch_.partitions = &table_;
      for (uint32_t r = 0; r < kRows; ++r) batch_.AddRow(0, r, 0, {}, false, payloads_[r % payloads_.size()]);
      if (!worker_->Run(batch_, nullptr).ok()) std::exit(1);
    }
    return (CpuSeconds() - begin) * 1e9 / (static_cast<double>(kRows) * batches);
  }

 private:
  const std::vector<std::string>& payloads_;
  CheckedTopology checked_;
  std::unique_ptr<StageGuards> guards_;
  CancelToken cancel_;
  std::unique_ptr<PlanWorker> worker_;
  SourceTable table_;
  RecordBatch batch_;
};

}  // namespace anabranch::bench

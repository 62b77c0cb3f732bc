#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/keep/kept_store.h"
#include "engine/plan.h"
#include "engine/run/plan_worker.h"

namespace anabranch {

// Writes the results of nodes with "keep": "always" to the logs of the state folder. That only saves work: results that
// cannot be written are reported once, and computed again after a crash. Thread-safe.
class ResultsLog : public KeptSink {
 public:
  // All outlive the log.
  ResultsLog(const Plan& plan, KeptStore& store, const CancelToken& stop,
             const std::function<void(const std::string&)>& warn)
      : plan_(plan), store_(store), stop_(stop), warn_(warn) {}

  void Keep(const RecordBatch& batch, const std::vector<bool>& done) override;

 private:
  const Plan& plan_;
  KeptStore& store_;
  const CancelToken& stop_;
  const std::function<void(const std::string&)>& warn_;
  std::atomic<bool> warned_{false};
};

}  // namespace anabranch

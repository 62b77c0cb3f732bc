#include "engine/run/runner.h"

#include "engine/run/pipeline.h"

namespace anabranch {

RunSummary RunPlan(const Plan& plan, const Registry& registry, const RunOptions& options, CancelToken& cancel,
                   const RunObserver& observer) {
  Pipeline pipeline(plan, registry, options, observer, &cancel);
  (void)pipeline.Start();  // the summary says why it did not start
  return pipeline.Finish();
}

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>

#include "engine/plan.h"
#include "engine/run/ledger.h"
#include "engine/run/runner.h"

namespace anabranch {

// What the state folder says before a run, and what this run tells it: who owns the name, whether a
// bounded input is finished, grown or another one, which identity outputs have. One per run; one thread.
class RunState {
 public:
  // Opens (and with `fresh` first archives) the state. Refuses with kInvalid and the cure what cannot
  // be continued; sets `already_done` when a finished bounded input is unchanged.
  static Result<std::unique_ptr<RunState>> Open(const Plan& plan, const RunOptions& options);

  Ledger& ledger() { return *ledger_; }
  bool already_done() const { return already_done_; }
  const std::string& finished_at() const { return finished_at_; }
  // The name under which groups, transactional ids and progress are kept: the topology's, with a
  // generation after `--new-identity`.
  const std::string& identity() const { return identity_; }

  Status Begin();
  Status End(const RunSummary& summary, bool input_ended);

 private:
  RunState(const Plan& plan, const Clock& clock) : plan_(plan), clock_(clock) {}
  static Status CheckForgets(const Plan& plan, const RunOptions& options);
  static Status StartOver(const Plan& plan, const RunOptions& options, int64_t* generation);
  Status CheckInputs();

  const Plan& plan_;
  const Clock& clock_;
  std::unique_ptr<Ledger> ledger_;
  bool already_done_ = false;
  std::string finished_at_;
  std::string identity_;
};

}  // namespace anabranch

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/plan.h"
#include "engine/run/ledger.h"
#include "engine/run/run_counts.h"
#include "engine/run/run_mode.h"
#include "engine/run/run_options.h"
#include "engine/run/run_summary.h"

namespace anabranch {

// Where a pipeline stands, as its ledger has it.
enum class RunPhase : uint8_t {
  kNone,        // nothing was run
  kRunning,     // or its process was killed, or crashed
  kRestarting,  // as kRunning, from a failed stage; also a restart that was stopped
  kStopped,
  kDone,  // the input ended
  kFailed,
};
struct StateReport {
  RunPhase phase = RunPhase::kNone;
  std::string ended_at;            // RFC 3339; empty while it runs
  std::optional<Failure> failure;  // that waits for a restart; empty also where it cannot be read
};

// What the state folder says before a run, and what this run tells it: who owns the name, whether a
// bounded input is finished, grown or another one, which identity outputs have. One per run; one thread.
class RunState {
 public:
  // Opens (and with `fresh` or `new_ledger` first archives) the state. Refuses with kInvalid and the cure what cannot
  // be continued, with kStage and the command a stage that failed and is not restarted; sets `already_done` when a
  // finished bounded input is unchanged, or a restart has nothing to do.
  // Plan, options and mode outlive the state.
  static Result<std::unique_ptr<RunState>> Open(const Plan& plan, const RunOptions& options, const RunMode& mode);

  // For readers: where the pipeline stands; the failure that waits for a restart; the name of groups, transactional ids
  // and progress.
  static Result<StateReport> Read(Ledger& ledger);
  static Result<std::optional<Failure>> FailureIn(Ledger& ledger);
  static Result<std::string> IdentityIn(Ledger& ledger, const Plan& plan);
  // kInvalid, with the cure, when a bounded input is not the one that was read before. `*grown`: more came behind it.
  static Status CheckSameInput(Ledger& ledger, const Plan& plan, const PlanSource& source, bool* known, bool* grown);

  Ledger& ledger() { return *ledger_; }
  bool already_done() const { return already_done_; }
  const std::string& note() const { return note_; }  // why it is done
  // The stage failure that this run restarts from.
  const std::optional<Failure>& failure() const { return failure_; }
  // The owner before this one was killed, or crashed.
  bool crashed() const { return crashed_; }
  // The name under which groups, transactional ids and progress are kept: the topology's, with a
  // generation after `--new-identity`.
  const std::string& identity() const { return identity_; }

  // `unchanged`: this run restarts, and nothing changed since the failure.
  Status Begin(bool unchanged);
  // The rows that were kept are committed: from here on it is a run like any other.
  Status Restarted();
  // What the counters say now, for `status`; once a second or so.
  Status Note(const RunSnapshot& totals);
  // Completes the failure with time and plan.
  Status End(RunSummary* summary, bool input_ended);

 private:
  RunState(const Plan& plan, const RunOptions& options, const RunMode& mode, const Clock& clock)
      : plan_(plan), options_(options), mode_(mode), clock_(clock) {}
  static Status CheckForgets(const Plan& plan, const RunOptions& options);
  static Status StartOver(const Plan& plan, const RunOptions& options, int64_t* generation);
  static Status SetLedgerAside(const std::string& state_dir, int64_t* generation);
  Status NoteGeneration(int64_t generation);
  Status CheckFailure();
  Status CheckInputs();

  const Plan& plan_;
  const RunOptions& options_;
  const RunMode& mode_;
  const Clock& clock_;
  std::unique_ptr<Ledger> ledger_;
  bool already_done_ = false;
  std::string note_;
  std::optional<Failure> failure_;
  bool crashed_ = false;
  bool unchanged_ = false;
  std::string restarts_stage_;                                   // of the failure that this run restarts from
  int rounds_ = 0;                                               // its Failure::rounds
  bool restarts_anew_ = false;                                   // not from a restart that was interrupted
  std::map<std::string, std::map<std::string, int64_t>> noted_;  // counters as last written
  std::string identity_;
};

}  // namespace anabranch

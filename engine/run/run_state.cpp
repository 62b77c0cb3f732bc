#include "engine/run/run_state.h"

#include <filesystem>
#include <map>

#include "engine/codec/json_writer.h"

namespace anabranch {
namespace {

constexpr const char* kState = "state";
constexpr const char* kHash = "topology_hash";
constexpr const char* kFinishedAt = "finished_at";
constexpr const char* kGeneration = "generation";

std::string InputFact(const PlanSource& source) { return "source:" + source.id; }

Status Refused(const std::string& why) { return {Code::kInvalid, why + "; run with --fresh to start over"}; }

}  // namespace

Result<std::unique_ptr<RunState>> RunState::Open(const Plan& plan, const RunOptions& options) {
  int64_t generation = 0;
  if (options.fresh && std::filesystem::exists(options.state_dir)) {
    RETURN_IF_ERROR(StartOver(plan, options, &generation));
  }
  std::unique_ptr<RunState> state(new RunState(plan, options.clock ? *options.clock : Clock::Real()));
  ASSIGN_OR_RETURN(state->ledger_, Ledger::Open(options.state_dir, plan.file));
  if (generation > 0) RETURN_IF_ERROR(state->ledger_->Put({{kGeneration, std::to_string(generation)}}));
  ASSIGN_OR_RETURN(const auto stored, state->ledger_->Get(kGeneration));
  state->identity_ = stored ? plan.name + ".g" + *stored : plan.name;
  RETURN_IF_ERROR(state->CheckInputs());
  return state;
}

// Emptied targets under a source that goes on where it was would never be filled again.
Status RunState::CheckForgets(const Plan& plan, const RunOptions& options) {
  for (const PlanSource& source : plan.sources) {
    if (!source.program->KeepsPosition()) continue;
    const std::string what = "source \"" + source.id + "\" goes on where its group was read to; ";
    if (!options.new_identity) return {Code::kInvalid, what + "add --new-identity to read it from its start"};
    if (!source.program->ForgetsUnderNewIdentity()) {
      return {Code::kInvalid, what + "it names its \"group\" itself: give it another name to read it from its start"};
    }
  }
  return Status::Ok();
}

Status RunState::StartOver(const Plan& plan, const RunOptions& options, int64_t* generation) {
  RETURN_IF_ERROR(CheckForgets(plan, options));
  {
    ASSIGN_OR_RETURN(std::unique_ptr<Ledger> old, Ledger::Open(options.state_dir, plan.file));
    ASSIGN_OR_RETURN(const auto stored, old->Get(kGeneration));
    *generation = stored ? std::stoll(*stored) : 0;
    if (options.new_identity) ++*generation;
    for (const PlanTarget& target : plan.targets) {
      if (!target.program->CanDiscard() && !options.new_identity) return target.program->Discard(*old);
    }
    for (const PlanTarget& target : plan.targets) {
      if (target.program->CanDiscard()) RETURN_IF_ERROR(target.program->Discard(*old));
    }
  }
  return Ledger::Archive(options.state_dir);
}

Status RunState::CheckInputs() {
  ASSIGN_OR_RETURN(const auto hash, ledger_->Get(kHash));
  ASSIGN_OR_RETURN(const auto state, ledger_->Get(kState));
  bool all_finished = state == "done";
  for (const PlanSource& source : plan_.sources) {
    ASSIGN_OR_RETURN(const auto stored, ledger_->Get(InputFact(source)));
    if (!source.program->bounded() || !stored) {
      all_finished = false;
      continue;
    }
    bool grown = false;
    ASSIGN_OR_RETURN(const bool same, source.program->SameInput(*stored, &grown));
    if (!same) return Refused("the input of source \"" + source.id + "\" is not the one that was read before");
    if (hash && *hash != plan_.hash) {
      return Refused("the topology was edited since part of the input of source \"" + source.id + "\" was scored");
    }
    all_finished = all_finished && !grown;
  }
  if (all_finished && !plan_.sources.empty()) {
    already_done_ = true;
    ASSIGN_OR_RETURN(const auto at, ledger_->Get(kFinishedAt));
    finished_at_ = at.value_or("");
  }
  return Status::Ok();
}

Status RunState::Begin() {
  std::map<std::string, std::string> facts = {{kState, "running"}, {kHash, plan_.hash}};
  for (const PlanSource& source : plan_.sources) {
    ASSIGN_OR_RETURN(const std::string identity, source.program->Identity());
    if (!identity.empty()) facts[InputFact(source)] = identity;
  }
  return ledger_->Put(facts);
}

Status RunState::End(const RunSummary& summary, bool input_ended) {
  const std::string state = !summary.status.ok() ? "failed" : input_ended ? "done" : "stopped";
  std::map<std::string, std::string> facts = {{kState, state},
                                              {kFinishedAt, FormatTimestamp(clock_.WallMs() * 1000)},
                                              {"failed_stage", summary.failed_stage},
                                              {"failure", summary.status.message()}};
  RETURN_IF_ERROR(ledger_->Put(facts));
  std::map<std::string, std::map<std::string, int64_t>> counters;
  for (const StageCounts& stage : summary.totals.stages) {
    counters[stage.id] = {
        {"invocations", stage.invocations},     {"rows_in", stage.rows_in}, {"rows_out", stage.rows_out},
        {"filtered", stage.filtered},           {"skipped", stage.skipped}, {"failed", stage.failed},
        {"dead_lettered", stage.dead_lettered}, {"retried", stage.retried}};
  }
  return ledger_->PutCounters(counters);
}

}  // namespace anabranch

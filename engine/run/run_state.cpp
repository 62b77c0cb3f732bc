#include "engine/run/run_state.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>

#include "engine/fault_point.h"
#include "engine/text/instant.h"

namespace anabranch {
namespace {

constexpr const char* kState = "state";
constexpr const char* kHash = "topology_hash";
constexpr const char* kFinishedAt = "finished_at";
constexpr const char* kGeneration = "generation";
constexpr const char* kFailure = "failure";
constexpr const char* kGenerationFile =
    "/generation";  // of the state folder: the fact once more, should the ledger be lost

constexpr std::array<std::string_view, 6> kPhases = {"", "running", "restarting", "stopped", "done", "failed"};
static_assert(kPhases.size() == static_cast<size_t>(RunPhase::kFailed) + 1);

std::string TextOf(RunPhase phase) { return std::string(kPhases[static_cast<size_t>(phase)]); }

Result<RunPhase> PhaseIn(Ledger& ledger) {
  ASSIGN_OR_RETURN(const auto text, ledger.Get(kState));
  const auto phase = std::ranges::find(kPhases, text.value_or(""));
  return phase == kPhases.end() ? RunPhase::kStopped : static_cast<RunPhase>(phase - kPhases.begin());
}

std::string InputFact(const PlanSource& source) { return "source:" + source.id; }

// Everything that `run --fresh` will ask for, at once.
Status Refused(const Plan& plan, const std::string& why) {
  const bool new_identity =
      std::ranges::any_of(plan.sources, [](const PlanSource& source) { return source.program->KeepsPosition(); }) ||
      std::ranges::any_of(plan.targets, [](const PlanTarget& target) { return !target.program->CanDiscard(); });
  return {Code::kInvalid, why + "; to start over and score everything again: anabranch run " + plan.file + " --fresh" +
                              (new_identity ? " --new-identity" : "")};
}

}  // namespace

Result<std::unique_ptr<RunState>> RunState::Open(const Plan& plan, const RunOptions& options, const RunMode& mode) {
  int64_t generation = 0;
  if (options.fresh && std::filesystem::exists(options.state_dir)) {
    RETURN_IF_ERROR(StartOver(plan, options, &generation));
  }
  if (options.new_ledger) RETURN_IF_ERROR(SetLedgerAside(options.state_dir, &generation));
  std::unique_ptr<RunState> state(new RunState(plan, options, mode, options.clock ? *options.clock : Clock::Real()));
  ASSIGN_OR_RETURN(state->ledger_, Ledger::Open(options.state_dir, plan.file));
  RETURN_IF_ERROR(state->NoteGeneration(generation));
  ASSIGN_OR_RETURN(const std::string identity, IdentityIn(*state->ledger_, plan));
  state->identity_ = mode.Identity(identity);
  if (!mode.has_history()) return state;
  RETURN_IF_ERROR(state->CheckFailure());
  if (!state->already_done_) RETURN_IF_ERROR(state->CheckInputs());
  return state;
}

Result<std::string> RunState::IdentityIn(Ledger& ledger, const Plan& plan) {
  ASSIGN_OR_RETURN(const auto generation, ledger.Get(kGeneration));
  return generation ? plan.name + ".g" + *generation : plan.name;
}

Result<std::optional<Failure>> RunState::FailureIn(Ledger& ledger) {
  ASSIGN_OR_RETURN(const auto text, ledger.Get(kFailure));
  if (!text || text->empty()) return std::optional<Failure>();
  ASSIGN_OR_RETURN(Failure failure, ParseFailure(*text));
  return std::optional<Failure>(std::move(failure));
}

Result<StateReport> RunState::Read(Ledger& ledger) {
  StateReport report;
  ASSIGN_OR_RETURN(report.phase, PhaseIn(ledger));
  ASSIGN_OR_RETURN(const auto ended, ledger.Get(kFinishedAt));
  const bool runs = report.phase == RunPhase::kRunning || report.phase == RunPhase::kRestarting;
  if (!runs) report.ended_at = ended.value_or("");
  if (auto failure = FailureIn(ledger); failure.ok()) report.failure = std::move(failure).value();
  return report;
}

Status RunState::CheckFailure() {
  ASSIGN_OR_RETURN(const RunPhase phase, PhaseIn(*ledger_));
  crashed_ = phase == RunPhase::kRunning || phase == RunPhase::kRestarting;
  restarts_anew_ = phase == RunPhase::kFailed;
  ASSIGN_OR_RETURN(failure_, FailureIn(*ledger_));
  if (!mode_.restarts() && !failure_) return Status::Ok();
  if (!failure_) {
    already_done_ = true;
    note_ = "no stage of \"" + plan_.name + "\" has failed: there is nothing to restart";
    return {};
  }
  if (mode_.restarts()) return Status::Ok();
  return {Code::kStage, "stage \"" + failure_->stage + "\" failed at " + FormatInstant(failure_->at_ms) + ": " +
                            failure_->message +
                            (phase == RunPhase::kRestarting ? "; a restart of it was interrupted" : "") +
                            (failure_->error_class == ErrorClass::kLostPosition
                                 ? ". Then: anabranch restart " + plan_.file + " --accept-loss"
                                 : ". Its records are kept: fix the cause, then: anabranch restart " + plan_.file)};
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

// Groups, transactional ids and progress rows have the generation in their names, so it must outlive the ledger.
Status RunState::SetLedgerAside(const std::string& state_dir, int64_t* generation) {
  Status found = Ledger::Check(state_dir);
  if (found.ok()) {
    return {Code::kInvalid, state_dir + " holds no damaged ledger: leave --new-ledger out (--fresh starts over)"};
  }
  if (found.code() != Code::kInternal) return found;
  std::ifstream(state_dir + kGenerationFile) >> *generation;
  return Ledger::Archive(state_dir);
}

Status RunState::NoteGeneration(int64_t generation) {
  if (generation == 0) return {};
  RETURN_IF_ERROR(ledger_->Put({{kGeneration, std::to_string(generation)}}));
  std::ofstream file(options_.state_dir + kGenerationFile);
  file << generation << "\n";
  file.close();
  if (file) return {};
  return {Code::kUnavailable, "cannot write " + options_.state_dir + kGenerationFile};
}

Status RunState::CheckSameInput(Ledger& ledger, const Plan& plan, const PlanSource& source, bool* known, bool* grown) {
  ASSIGN_OR_RETURN(const auto stored, ledger.Get(InputFact(source)));
  *known = source.program->bounded() && stored;
  if (!*known) return {};
  ASSIGN_OR_RETURN(const bool same, source.program->SameInput(*stored, grown));
  if (same) return {};
  return Refused(plan, "the input of source \"" + source.id + "\" is not the one that was read before");
}

Status RunState::CheckInputs() {
  ASSIGN_OR_RETURN(const auto hash, ledger_->Get(kHash));
  ASSIGN_OR_RETURN(const RunPhase phase, PhaseIn(*ledger_));
  bool all_finished = phase == RunPhase::kDone;
  for (const PlanSource& source : plan_.sources) {
    bool known = false, grown = false;
    RETURN_IF_ERROR(CheckSameInput(*ledger_, plan_, source, &known, &grown));
    if (!known) {
      all_finished = false;
      continue;
    }
    if (hash && *hash != plan_.hash && !mode_.restarts()) {
      const std::string of = "the input of source \"" + source.id + "\"";
      return Refused(plan_, "the topology was edited since part of " + of + " was scored");
    }
    all_finished = all_finished && !grown;
  }
  if (all_finished && !plan_.sources.empty()) {
    for (const PlanTarget& target : plan_.targets) {
      if (target.program != nullptr) RETURN_IF_ERROR(target.program->CheckThere(options_.state_dir, *ledger_));
    }
    already_done_ = true;
    ASSIGN_OR_RETURN(const auto at, ledger_->Get(kFinishedAt));
    note_ = "finished at " + at.value_or("") + "; the input has not changed since (--fresh does it again)";
  }
  return Status::Ok();
}

Status RunState::Begin(bool unchanged) {
  unchanged_ = unchanged;
  if (failure_) {
    restarts_stage_ = failure_->stage;
    rounds_ = failure_->rounds;
  }
  if (!mode_.has_history()) return Status::Ok();
  const bool restart = mode_.restarts();
  std::map<std::string, std::string> facts = {{kState, TextOf(restart ? RunPhase::kRestarting : RunPhase::kRunning)},
                                              {kHash, plan_.hash}};
  for (const PlanSource& source : plan_.sources) {
    ASSIGN_OR_RETURN(const std::string identity, source.program->Identity());
    if (!identity.empty()) facts[InputFact(source)] = identity;
  }
  if (restart) {
    RETURN_IF_ERROR(ledger_->ResetCounters());
    if (restarts_anew_) RETURN_IF_ERROR(ledger_->PutCrashes({}));
  }
  FaultPoint("state.begin");
  return ledger_->Put(facts);
}

Status RunState::Restarted() {
  FaultPoint("state.restarted");
  RETURN_IF_ERROR(ledger_->Put({{kState, TextOf(RunPhase::kRunning)}, {kFailure, ""}}));
  failure_.reset();
  return Status::Ok();
}

Status RunState::Note(const RunSnapshot& totals) {
  if (!mode_.has_history()) return Status::Ok();
  std::map<std::string, std::map<std::string, int64_t>> added;
  for (const StageCounts& stage : totals.stages) {
    const std::pair<const char*, int64_t> counters[] = {
        {"invocations", stage.invocations},     {"rows_in", stage.rows_in}, {"rows_out", stage.rows_out},
        {"filtered", stage.filtered},           {"skipped", stage.skipped}, {"failed", stage.failed},
        {"dead_lettered", stage.dead_lettered}, {"retried", stage.retried}, {"missed", stage.missed},
        {"defaulted", stage.defaulted}};
    const auto note = [&](const std::string& name, int64_t value) {
      int64_t& noted = noted_[stage.id][name];
      added[stage.id][name] = value - noted;
      noted = value;
    };
    for (const auto& [name, value] : counters) note(name, value);
    for (const auto& [name, value] : stage.tallies) note(name, value);
  }
  return ledger_->PutCounters(added);
}

Status RunState::End(RunSummary* summary, bool input_ended) {
  if (!mode_.has_history()) return Status::Ok();
  if (summary->failure) {
    summary->failure->at_ms = clock_.WallMs();
    summary->failure->plan = FactsOf(plan_, identity_);
    // A restart that committed something got further: the next failure is not the same one.
    const bool again = summary->failure->stage == restarts_stage_ && summary->totals.rows_committed == 0;
    if (unchanged_ && again) summary->failure->rounds = rounds_ + 1;
    FaultPoint("failure.record");
    return ledger_->Put({{kState, TextOf(RunPhase::kFailed)},
                         {kFinishedAt, FormatInstant(summary->failure->at_ms)},
                         {kFailure, PrintFailure(*summary->failure)}});
  }
  // An interrupted restart stays one.
  const RunPhase phase = failure_                                ? RunPhase::kRestarting
                         : !summary->status.ok() || !input_ended ? RunPhase::kStopped
                                                                 : RunPhase::kDone;
  FaultPoint("state.end");
  return ledger_->Put({{kState, TextOf(phase)}, {kFinishedAt, FormatInstant(clock_.WallMs())}});
}

}  // namespace anabranch

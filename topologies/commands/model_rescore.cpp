#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>

#include "engine/models/deployment.h"
#include "engine/models/pinned_models.h"
#include "engine/models/sha256.h"
#include "engine/plan_graph.h"
#include "engine/printable.h"
#include "engine/run/ledger.h"
#include "engine/text/json_object.h"
#include "topologies/commands/command.h"
#include "topologies/commands/rescore_edits.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/operate/failure_view.h"
#include "topologies/operate/model_session.h"
#include "topologies/operate/rescore.h"
#include "topologies/operate/rollout_view.h"

namespace anabranch {
namespace {

constexpr const char* kCommand = "model rescore";
constexpr const char* kPinned = "rescored_with";  // fact of the run's own ledger: the generation that it began with
constexpr size_t kNameDigits = 8;

// One `model rescore`, from its arguments to its end.
class Rescore {
 public:
  Rescore(const ModelRescoreArgs& args, CommandIo& io) : args_(args), io_(io) {}
  int Run();

 private:
  int Refuse(const Status& status, Code invalid) const;
  int CheckFile();
  Status CheckEdited();
  Status FindGeneration();
  Status FindRanges();
  Status Pin();
  int Score();
  int64_t Gone() const;
  int64_t Left() const;
  std::string Target() const { return plan_->targets[plan_->node(sink_).target].program->Describe(); }
  std::string Text() const;
  std::string Json() const;

  const ModelRescoreArgs& args_;
  CommandIo& io_;
  CheckedTopology checked_, edited_;
  RescoreTo to_;
  std::string state_dir_, own_dir_, identity_;
  std::unique_ptr<Plan> plan_;  // that scores again
  StageId sink_ = kNoStage;
  ModelEvent event_;
  PinnedModels::Pin pin_;
  std::vector<RescoreRange> ranges_;
  int64_t records_ = 0, letters_ = 0;
};

int Rescore::Refuse(const Status& status, Code invalid) const {
  io_.err << "anabranch " << kCommand << ": " << PrintableLines(status.message()) << "\n";
  if (status.code() == Code::kCancelled) return kExitInterrupted;
  if (status.code() != Code::kInvalid) return ExitCode(status.code());
  return invalid == Code::kInvalid ? kExitUsage : ExitCode(invalid);
}

// The file as it is.
int Rescore::CheckFile() {
  if (!CheckInstance(kCommand, args_, io_)) return kExitUsage;
  checked_ = CheckForCommand(args_.file, args_.allow_paths, io_);
  if (!checked_.ok()) return kExitFaulty;
  const Plan& plan = *checked_.plan;
  const bool known = std::ranges::count(plan.managed, args_.model, &PlanModel::name) > 0;
  if (!known)
    return Refuse({Code::kInvalid, args_.file + " has no model \"" + args_.model + "\" with a \"registry\""},
                  Code::kInvalid);
  to_ = ParseRescoreTo(args_.to);
  const auto sink = FindRescoreSink(plan, args_.model, to_.node);
  if (!sink.ok()) return Refuse(sink.status(), Code::kInvalid);
  to_.node = plan.StageName(*sink);
  state_dir_ = std::filesystem::absolute(StateDirOf(args_, plan.file, plan.name)).string();
  return kExitOk;
}

// The topology that scores again; it is named as the file is. kInvalid: its faults are on io.err, or the message has
// one.
Status Rescore::CheckEdited() {
  const Plan& plan = *checked_.plan;
  const std::string what = args_.model + "\n" + to_.node + "\n" + to_.Canonical();
  ASSIGN_OR_RETURN(const std::string digest, Sha256(what));
  const std::string name = "rescore-" + std::to_string(args_.generation) + "-" + digest.substr(0, kNameDigits);
  own_dir_ = state_dir_ + "/" + name;
  ASSIGN_OR_RETURN(const std::string identity, IdentityOfState(plan, state_dir_));
  identity_ = identity + "." + name;
  ASSIGN_OR_RETURN(const auto edits,
                   RescoreEdits(checked_.topology->root, plan, io_.registry, FindStage(plan, to_.node), to_.target,
                                args_.generation, own_dir_ + "/dead_letters.jsonl"));
  CheckOptions options;
  options.allow_paths = args_.allow_paths;
  options.allow_paths.push_back(state_dir_);
  options.edits = edits;
  edited_ = CheckTopology(args_.file, io_.registry, options);
  if (!edited_.ok()) {
    RenderFaults(edited_.faults, edited_.topology.get(), args_.file, io_.err_colour, io_.err);
    return {Code::kInvalid, "with --to " + args_.to + " the topology is faulty, as shown above"};
  }
  plan_ = std::make_unique<Plan>(*edited_.plan);
  plan_->hash = plan.hash;
  sink_ = FindStage(*plan_, to_.node);
  const auto own = [&](const PlanTarget& each) { return each.program->Describe() == Target(); };
  if (std::ranges::none_of(plan.targets, own)) return Status::Ok();
  return {Code::kInvalid, Target() + " is a target of the topology itself: what was written there stays, name another"};
}

// What scored, and what scores it again: what served when this run began.
Status Rescore::FindGeneration() {
  ASSIGN_OR_RETURN(const auto log, OpenControlLog(*checked_.plan, state_dir_));
  ASSIGN_OR_RETURN(const ControlState state, ReadControlState(*log));
  uint32_t number = state.generations().empty() ? 0 : state.generations().back().number;
  if (std::filesystem::exists(own_dir_ + "/ledger.db")) {
    ASSIGN_OR_RETURN(const auto ledger, Ledger::OpenReadOnly(own_dir_));
    ASSIGN_OR_RETURN(const auto pinned, ledger->Get(kPinned));
    if (pinned) number = static_cast<uint32_t>(std::stoul(*pinned));
  }
  ASSIGN_OR_RETURN(event_, GenerationToRescore(state, args_.model, args_.generation, number));
  ASSIGN_OR_RETURN(pin_, PinnedModels::PinIn(state, ManagedModelsOf(*plan_), number));
  return Status::Ok();
}

Status Rescore::FindRanges() {
  CancelToken cancel;
  const StopSignals signals(cancel);
  ASSIGN_OR_RETURN(ranges_, FindRescoreRanges(*plan_, event_, identity_, own_dir_, cancel));
  return Status::Ok();
}

// So that a run that goes on scores with the version that it began with.
Status Rescore::Pin() {
  ASSIGN_OR_RETURN(const auto ledger, Ledger::Open(own_dir_, plan_->file));
  return ledger->Put({{kPinned, std::to_string(pin_.number)}});
}

int Rescore::Score() {
  if (Status pinned = Pin(); !pinned.ok()) return Refuse(pinned, Code::kStage);
  PinnedModels models(pin_);
  const Status loaded = models.Load(ManagedModelsOf(*plan_), PackageFinder(*plan_, state_dir_));
  if (!loaded.ok()) return Refuse(loaded, Code::kStage);
  for (StageId source = 0; source < plan_->sources.size(); ++source) {
    RunOptions options;
    options.start = RunStart::kRescore;
    options.input = InputOf(*plan_, source, identity_, ranges_);
    options.state_dir = own_dir_;
    options.instance = args_.instance;
    options.workers = args_.workers;
    options.generations = &models;
    if (options.input == nullptr) continue;
    const SessionEnd end = RunAndShow(kCommand, *plan_, args_, options, io_);
    records_ += end.records;
    letters_ += end.dead_letters;
    if (end.code != kExitOk) return end.code;
    if (end.stop_asked) return kExitInterrupted;
  }
  return kExitOk;
}

int64_t Rescore::Gone() const {
  int64_t gone = 0;
  for (const RescoreRange& range : ranges_) gone += range.gone;
  return gone;
}

int64_t Rescore::Left() const {
  int64_t left = 0;
  for (const RescoreRange& range : ranges_) left += range.until - range.first;
  return left;
}

std::string Rescore::Text() const {
  const GenerationRecord& with = pin_.records.at(args_.model);
  std::string text = "generation " + std::to_string(args_.generation) + " of model " + args_.model + ", version " +
                     Printable(event_.version) + ", is scored again" +
                     (with.rule == ArmRule::kEventTime ? ": " + ScoringText(with)
                                                       : " by version " + Printable(with.serving().version)) +
                     "; rows of \"" + to_.node + "\" go to " + Target() + "\n";
  for (const RescoreRange& range : ranges_) {
    const std::string unit = range.counts ? "position" : "byte";
    text += "  " + range.partition.topic + "/" + std::to_string(range.partition.partition) + " from " +
            std::to_string(range.first) + " to " + std::to_string(range.until) + ": " +
            Count(range.until - range.first, unit);
    if (range.done > 0) text += "; " + Count(range.done, unit) + " before are done";
    if (range.gone > 0) text += "; " + Count(range.gone, unit) + " can no longer be read";
    text += "\n";
  }
  if (event_.rule != ArmRule::kOne) {
    text += "that generation had several versions: records that another one answered are scored again as well\n";
  }
  if (Left() == 0) text += "nothing is left to be scored again\n";
  return text;
}

std::string Rescore::Json() const {
  std::vector<std::string> ranges;
  for (const RescoreRange& range : ranges_) {
    ranges.push_back(JsonObject()
                         .AddText("source", range.source)
                         .AddText("partition", range.partition.topic + "/" + std::to_string(range.partition.partition))
                         .AddNumber("from", range.first)
                         .AddNumber("until", range.until)
                         .AddNumber("done", range.done)
                         .AddNumber("gone", range.gone)
                         .text());
  }
  const GenerationRecord& with = pin_.records.at(args_.model);
  JsonObject json;
  json.AddText("model", args_.model).AddNumber("generation", args_.generation).AddText("version", event_.version);
  json.AddText("with_version", with.serving().version).AddNumber("with_generation", pin_.numbers.at(args_.model));
  json.AddText("node", to_.node);
  json.AddText("target", Target());
  json.AddJson("ranges", JsonList(ranges)).AddFlag("dry_run", args_.dry_run);
  return json.AddNumber("records", records_).AddNumber("dead_letters", letters_).text();
}

int Rescore::Run() {
  if (const int code = CheckFile(); code != kExitOk) return code;
  if (Status edited = CheckEdited(); !edited.ok()) return Refuse(edited, Code::kInvalid);
  Status found = FindGeneration();
  if (found.ok()) found = FindRanges();
  if (!found.ok()) return Refuse(found, Code::kStage);
  const bool json = args_.format == "json";
  if (!json) (args_.dry_run ? io_.out : io_.err) << Text();
  int code = kExitOk;
  if (Gone() > 0 && !args_.accept_loss && !args_.dry_run) {
    code = Refuse({Code::kStage, std::to_string(Gone()) + " of the positions can no longer be read, so their rows "
                                                          "cannot be scored again; --accept-loss scores the others"},
                  Code::kStage);
  } else if (Left() > 0 && !args_.dry_run) {
    code = Score();
  }
  if (json && code == kExitOk) io_.out << Json() << "\n";
  return code;
}

}  // namespace

int CommandModelRescore(const ModelRescoreArgs& args, CommandIo& io) { return Rescore(args, io).Run(); }

}  // namespace anabranch

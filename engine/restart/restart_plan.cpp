#include "engine/restart/restart_plan.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>

#include "engine/fault.h"
#include "engine/plan_graph.h"
#include "engine/restart/kept_match.h"
#include "engine/restart/plan_changes.h"

namespace anabranch {
namespace {

constexpr const char* kRecompute = "restart with --on-missing recompute";

std::string Joined(const std::vector<std::string>& texts, const char* between) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : between) + text;
  return all;
}

bool Contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

class Planner {
 public:
  Planner(const Failure& failure, const std::vector<KeptStore::Entry>& kept, const Plan& plan,
          const std::string& identity, const RestartChoices& choices)
      : failure_(failure),
        kept_(kept),
        plan_(plan),
        identity_(identity),
        choices_(choices),
        changes_(failure.plan, plan, identity),
        match_(plan, kept, [this](StageId stage) { return KeptId(stage); }),
        forced_(plan.stages(), false),
        start_(plan.stages(), false),
        reused_(plan.stages(), false) {}

  RestartPlan Make();

 private:
  std::string KeptId(StageId stage) const;
  void CheckNames();
  void FindStart();
  void CheckMoved();
  void CheckGone();
  bool Unchanged() const;
  int64_t Unclaimed(const StageFacts& gone) const;
  std::set<std::string> Above(const StageFacts& stage) const;
  void JudgeKept();
  bool Usable(StageId stage, const std::vector<bool>& usable) const;
  std::string WhyChanged(StageId stage) const;
  void NameEarliest(const std::vector<bool>& usable);
  void Decide();
  void FillLists();
  std::string Token() const;

  const Failure& failure_;
  const std::vector<KeptStore::Entry>& kept_;
  const Plan& plan_;
  const std::string& identity_;
  const RestartChoices& choices_;
  const PlanChanges changes_;
  const KeptMatch match_;
  std::vector<bool> forced_;             // by StageId: requested to run again
  std::vector<bool> start_;              // the stage to start from and everything below it
  std::vector<bool> reused_;             // kept results are reused if a frame has them
  std::vector<std::string> refusals_;    // each with its remedy
  std::vector<std::string> recomputes_;  // the same; recomputing is a remedy too
  RestartPlan out_;
};

RestartPlan Planner::Make() {
  out_.changes = changes_.Lines();
  CheckNames();
  FindStart();
  CheckMoved();
  CheckGone();
  out_.unchanged = Unchanged();
  JudgeKept();
  Decide();
  FillLists();
  out_.token = Token();
  return std::move(out_);
}

std::string Planner::KeptId(StageId stage) const {
  const StageFacts* before = changes_.Before(stage);
  return before != nullptr ? before->id : plan_.StageName(stage);
}

void Planner::CheckNames() {
  std::vector<std::string> nodes, all;
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    all.push_back(plan_.StageName(stage));
    if (stage >= plan_.sources.size()) nodes.push_back(plan_.StageName(stage));
  }
  const auto unknown = [](const std::string& flag, const std::string& id, const std::vector<std::string>& known) {
    return flag + " names \"" + id + "\", which is not in the topology; " + Suggest(id, known);
  };
  if (!choices_.from.empty() && !Contains(all, choices_.from)) {
    refusals_.push_back(unknown("--from", choices_.from, nodes));
  }
  for (const std::string& id : choices_.accept_stale) {
    if (!Contains(all, id)) refusals_.push_back(unknown("--accept-stale", id, nodes));
  }
}

void Planner::FindStart() {
  out_.from = choices_.from.empty() ? failure_.stage : choices_.from;
  StageId start = FindStage(plan_, out_.from);
  for (StageId stage = 0; choices_.from.empty() && stage < plan_.stages(); ++stage) {
    const StageFacts* before = changes_.Before(stage);
    if (before != nullptr && before->id == failure_.stage) start = stage;
  }
  if (start == kNoStage) return;
  out_.from = plan_.StageName(start);
  start_ = StageAndBelow(plan_, start);
  if (choices_.from.empty()) return;
  forced_ = start_;
  if (start >= plan_.sources.size()) return;
  recomputes_.push_back("--from names the source \"" + out_.from + "\": to read its records again, " + kRecompute);
}

void Planner::CheckMoved() {
  if (choices_.new_identity) return;
  for (const std::string& moved : changes_.Moved()) {
    refusals_.push_back(moved + ": undo the change, or restart with --new-identity");
  }
}

// The ids of a stored stage and of all stages above it. Stages are stored in plan order.
std::set<std::string> Planner::Above(const StageFacts& stage) const {
  std::set<std::string> above = {stage.id};
  for (auto each = failure_.plan.stages.rbegin(); each != failure_.plan.stages.rend(); ++each) {
    if (above.count(each->id) != 0) above.insert(each->inputs.begin(), each->inputs.end());
  }
  return above;
}

// Kept rows that only this stage would read.
int64_t Planner::Unclaimed(const StageFacts& gone) const {
  const std::set<std::string> above = Above(gone);
  int64_t rows = 0;
  for (const KeptMatch::Frame& frame : match_.frames()) {
    const KeptHeader& header = *frame.header;
    const bool had =
        std::any_of(header.done.begin(), header.done.end(), [&](const auto& d) { return d.id == gone.id; });
    // Encoded rows of a target are not written yet, either.
    if (above.count(header.source) != 0 && (!had || !gone.target.empty() || gone.kind == "source")) rows += header.rows;
  }
  return rows;
}

void Planner::CheckGone() {
  for (const StageFacts* gone : changes_.gone()) {
    if (gone->id != failure_.stage && gone->target.empty() && gone->kind != "source") continue;
    const int64_t rows = Unclaimed(*gone);
    out_.unclaimed = std::max(out_.unclaimed, rows);
    if (choices_.drop_unclaimed || (rows == 0 && gone->id != failure_.stage)) continue;
    const std::string rename =
        gone->kind == "source" ? "" : ", or add \"was\": \"" + gone->id + "\" to the node that replaces it";
    refusals_.push_back((gone->kind == "source" ? "source \"" : "node \"") + gone->id + "\" is gone, and " +
                        std::to_string(rows) + " kept rows wait for it: restart with --drop-unclaimed" + rename);
  }
}

bool Planner::Unchanged() const {
  if (!choices_.from.empty() || !changes_.gone().empty()) return false;
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    if (start_[stage] && (changes_.Before(stage) == nullptr || changes_.Edited(stage))) return false;
  }
  return true;
}

// Its kept results are those of this plan, or are accepted as they are.
bool Planner::Usable(StageId stage, const std::vector<bool>& usable) const {
  if (!match_.Changed(stage) || choices_.accept_stale.count(plan_.StageName(stage)) != 0) return true;
  const StageFacts* before = changes_.Before(stage);
  if (changes_.Edited(stage) || !match_.AllHave(stage, before->closure) || stage < plan_.sources.size()) return false;
  // Changed only by what lies above, and that was accepted.
  const std::vector<StageId>& inputs = plan_.node(stage).inputs;
  return std::all_of(inputs.begin(), inputs.end(), [&](StageId input) { return usable[input]; });
}

std::string Planner::WhyChanged(StageId stage) const {
  const StageFacts* before = changes_.Before(stage);
  const std::string what = (stage < plan_.sources.size() ? "source \"" : "node \"") + plan_.StageName(stage) + "\" ";
  const bool older = before != nullptr && !changes_.Edited(stage) && !match_.AllHave(stage, before->closure);
  return what + (older ? "was kept by an older topology" : "was edited after its results were kept");
}

void Planner::NameEarliest(const std::vector<bool>& usable) {
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    if (usable[stage] || start_[stage]) continue;
    const std::string& id = plan_.StageName(stage);
    const bool source = stage < plan_.sources.size();
    recomputes_.push_back(WhyChanged(stage) + ": restart " + (source ? "--on-missing recompute" : "--from " + id) +
                          ", or reuse the results unchanged: --accept-stale " + id);
    return;
  }
}

void Planner::JudgeKept() {
  std::vector<bool> usable(plan_.stages(), true);
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    usable[stage] = Usable(stage, usable);
    reused_[stage] = match_.Held(stage) && usable[stage] && !forced_[stage];
  }
  NameEarliest(usable);
  const std::vector<std::string> lacks = match_.Lacks(reused_);
  if (!lacks.empty()) recomputes_.push_back(Joined(lacks, "; ") + ": " + kRecompute);
}

void Planner::Decide() {
  const bool rows = std::any_of(match_.frames().begin(), match_.frames().end(),
                                [](const auto& frame) { return frame.source != kNoStage; });
  if (match_.frames().empty() && failure_.kept_rows > 0) {
    out_.changes.push_back("kept results are gone: the rows are read from the source again");
  }
  if (!rows || (choices_.recompute && !recomputes_.empty())) {
    out_.recompute = true;
    recomputes_.clear();
    reused_.assign(plan_.stages(), false);
  }
  refusals_.insert(refusals_.end(), recomputes_.begin(), recomputes_.end());
  if (!refusals_.empty()) out_.refused = Joined(refusals_, "; ");
}

void Planner::FillLists() {
  const std::vector<bool> running = match_.Running(reused_);
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    if (out_.recompute || running[stage] || start_[stage]) out_.stages_to_run.push_back(plan_.StageName(stage));
    if (!reused_[stage]) continue;
    RestartPlan::Reused reused{plan_.StageName(stage), 0, 0};
    for (const KeptMatch::Frame& frame : match_.frames()) {
      if (frame.stages[stage] == nullptr) continue;
      reused.rows += frame.stages[stage]->rows_out;
      reused.bytes += static_cast<int64_t>(frame.stages[stage]->bytes);
      for (const std::string& version : frame.stages[stage]->versions) {
        if (std::ranges::find(reused.versions, version) == reused.versions.end()) reused.versions.push_back(version);
      }
    }
    std::ranges::sort(reused.versions);
    out_.results_reused.push_back(reused);
  }
  for (const KeptMatch::Frame& frame : match_.frames()) {
    if (frame.source != kNoStage) out_.records += frame.header->rows;
  }
  out_.rules.reuse = match_.Reuse(reused_);
}

// 12 hex digits: a hash over the plan, its inputs, and what it will read.
std::string Planner::Token() const {
  std::string all;
  const auto add = [&all](const std::string& text) { (all += text) += '\0'; };
  const auto number = [&add](int64_t value) { add(std::to_string(value)); };
  for (const auto* texts : {&out_.stages_to_run, &out_.changes}) add(Joined(*texts, "\n"));
  for (const RestartPlan::Reused& each : out_.results_reused) {
    add(each.node);
    number(each.rows);
    number(each.bytes);
  }
  for (const auto& [id, kept_id] : out_.rules.reuse) add(id + "=" + kept_id);
  for (const std::string& id : choices_.accept_stale) add("stale " + id);
  for (const KeptStore::Entry& entry : kept_) {
    add(entry.file);
    number(static_cast<int64_t>(entry.bytes));
    number(static_cast<int64_t>(entry.header.sequence));
    number(entry.header.rows);
  }
  for (const int64_t value : {out_.records, out_.unclaimed, failure_.at_ms}) number(value);
  for (const bool choice : {out_.recompute, choices_.recompute, choices_.drop_unclaimed, choices_.new_identity}) {
    number(choice ? 1 : 0);
  }
  for (const std::string& text : {out_.from, out_.refused.value_or(""), plan_.hash, identity_}) add(text);
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(XXH3_64bits(all.data(), all.size())));
  return std::string(digits).substr(0, 12);
}

}  // namespace

RestartPlan MakeRestartPlan(const Failure& failure, const std::vector<KeptStore::Entry>& kept, const Plan& plan,
                            const std::string& identity, const RestartChoices& choices) {
  return Planner(failure, kept, plan, identity, choices).Make();
}

RestoreRules RulesAfterCrash(const std::vector<KeptStore::Entry>& kept, const Plan& plan) {
  const auto held = [&kept](const std::string& id) {
    return std::any_of(kept.begin(), kept.end(), [&](const KeptStore::Entry& entry) {
      return std::any_of(entry.header.done.begin(), entry.header.done.end(), [&](const auto& d) { return d.id == id; });
    });
  };
  const KeptMatch match(plan, kept, [&](StageId stage) {
    const std::string& id = plan.StageName(stage);
    const bool renamed = stage >= plan.sources.size() && !plan.node(stage).was.empty() && !held(id);
    return renamed ? plan.node(stage).was : id;
  });
  std::vector<bool> reused(plan.stages(), false);
  for (StageId stage = 0; stage < plan.stages(); ++stage) reused[stage] = match.Held(stage) && !match.Changed(stage);
  RestoreRules rules;
  if (match.Lacks(reused).empty()) rules.reuse = match.Reuse(reused);
  return rules;
}

}  // namespace anabranch

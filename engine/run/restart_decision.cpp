#include "engine/run/restart_decision.h"

#include <algorithm>
#include <vector>

namespace anabranch {
namespace {

Status Refused(const std::string& why) { return {Code::kInvalid, "this restart is refused: " + why}; }

// Results that had left their stages can be written only where the rules reuse all of them.
bool UsesOutputs(const std::vector<KeptStore::Entry>& entries, const RestoreRules& rules) {
  return std::ranges::all_of(entries, [&](const KeptStore::Entry& entry) {
    if (!entry.header.outputs) return true;
    return std::ranges::all_of(entry.header.done, [&](const KeptHeader::Stage& stage) {
      return std::ranges::any_of(rules.reuse, [&](const auto& reused) { return reused.second == stage.id; });
    });
  });
}

std::map<SourcePartition, int64_t> RereadBelow(const std::vector<KeptStore::Entry>& entries) {
  std::map<SourcePartition, int64_t> below;
  const auto has_outputs = [](const KeptStore::Entry& entry) {
    return entry.header.outputs && !entry.header.positions_only();
  };
  if (std::ranges::none_of(entries, has_outputs)) return below;
  for (const KeptStore::Entry& entry : entries) {
    for (const KeptHeader::Range& range : entry.header.ranges) {
      int64_t& next = below[range.partition];
      next = std::max(next, range.next);
    }
  }
  return below;
}

Result<RestartPlan> Accepted(const Plan& plan, const RunOptions& options, const Failure& failure, const KeptStore& kept,
                             const std::string& identity) {
  RestartPlan restart = PlanRestart(plan, options, failure, kept, identity);
  if (restart.refused) return Refused(*restart.refused);
  if (!options.token.empty() && options.token != restart.token) {
    return Refused("its plan is not " + options.token + " any more but " + restart.token +
                   ": the topology or the kept results changed; look at it again with --dry-run");
  }
  return restart;
}

TakeUp Take(const RestartPlan& restart, const RunOptions& options, const KeptStore& kept) {
  TakeUp take_up;
  take_up.rules = restart.rules;
  take_up.unchanged = restart.unchanged;
  take_up.discard_kept = options.choices.recompute && !kept.damaged().empty();
  return take_up;
}

std::string ActionText(const std::string& what, const RestartPlan& restart) {
  return what + restart.from + ", plan " + restart.token;
}

}  // namespace

RestartPlan PlanRestart(const Plan& plan, const RunOptions& options, const Failure& failure, const KeptStore& kept,
                        const std::string& identity) {
  RestartPlan restart = MakeRestartPlan(failure, kept.entries(), plan, identity, options.choices);
  if (!kept.damaged().empty() && !options.choices.recompute && !restart.refused) {
    restart.refused = "kept results are damaged (" + kept.damaged().front() +
                      "): --on-missing recompute computes those records again from their source";
  }
  return restart;
}

TakeUp ContinueKept(const Plan& plan, const KeptStore& kept) {
  const std::vector<KeptStore::Entry> entries = kept.entries();
  TakeUp take_up;
  take_up.rules = RulesAfterCrash(entries, plan);
  take_up.discard_kept = !UsesOutputs(entries, take_up.rules);
  return take_up;
}

Result<TakeUp> RestartKept(const Plan& plan, const RunOptions& options, const Failure& failure, const KeptStore& kept,
                           const std::string& identity) {
  ASSIGN_OR_RETURN(const RestartPlan restart, Accepted(plan, options, failure, kept, identity));
  TakeUp take_up = Take(restart, options, kept);
  take_up.discard_kept = take_up.discard_kept || !UsesOutputs(kept.entries(), take_up.rules);
  take_up.action = ActionText("restart from ", restart);
  return take_up;
}

Result<TakeUp> GiveUpKept(const Plan& plan, const RunOptions& options, const Failure& failure, const KeptStore& kept,
                          const std::string& identity) {
  ASSIGN_OR_RETURN(const RestartPlan restart, Accepted(plan, options, failure, kept, identity));
  if (restart.records == 0) {
    return Refused("no records of stage \"" + restart.from +
                   "\" are kept that could be given up: fix the cause, then: anabranch restart");
  }
  TakeUp take_up = Take(restart, options, kept);
  take_up.rules.give_up = restart.from;
  take_up.action = ActionText("gave up on the records of ", restart);
  if (!take_up.discard_kept) take_up.reread_below = RereadBelow(kept.entries());
  return take_up;
}

}  // namespace anabranch

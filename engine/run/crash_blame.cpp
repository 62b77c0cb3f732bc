#include "engine/run/crash_blame.h"

#include <algorithm>
#include <vector>

#include "engine/record_id.h"
#include "engine/run/call_name.h"

namespace anabranch {
namespace {

// How often in a row the process died in the stage, this time included.
int CountNow(const std::vector<Ledger::Crashes>& before, const AttemptSlots::Call& call, bool anywhere) {
  int most = 0;
  for (const Ledger::Crashes& each : before) {
    const bool same = anywhere || (each.partition == call.partition && each.first == call.first);
    if (same && each.stage == call.stage) most = std::max(most, each.count);
  }
  return most + 1;
}

}  // namespace

Result<std::optional<Failure>> BlameCrash(const AttemptSlots& slots, Ledger& ledger, Generations* generations,
                                          const std::function<void(const std::string&)>& warn) {
  ASSIGN_OR_RETURN(const std::vector<Ledger::Crashes> before, ledger.GetCrashes());
  std::vector<Ledger::Crashes> now;
  std::vector<std::string> given_up;
  std::optional<Failure> failure;
  for (const AttemptSlots::Call& call : slots.left()) {
    const std::string stage = StageOfCall(call.stage);
    if (std::ranges::find(given_up, stage) != given_up.end()) continue;
    const bool has_candidate = generations != nullptr && generations->HasCandidate(stage);
    // Whoever kills a process from outside hits a stage now and then, but not at one place.
    const int count = CountNow(before, call, IsUnseenCall(call.stage) && has_candidate);
    const std::string record = RecordId(call.partition, call.first);
    const std::string dead = "the process died " + std::to_string(count) + " times in a row while stage \"" + stage +
                             "\" worked on the records from " + record +
                             ": a crash in a model or a library, or a kill from outside (out of memory?)";
    if (count >= kMostCrashes && has_candidate) {
      ASSIGN_OR_RETURN(const bool rolled_back, generations->GiveUpCandidate(stage, dead));
      if (rolled_back) {
        warn(dead + ". The new version of its model is rolled back, and the run goes on");
        std::erase_if(now, [&](const Ledger::Crashes& each) { return StageOfCall(each.stage) == stage; });
        given_up.push_back(stage);
        continue;
      }
    }
    now.push_back({call.stage, call.partition, call.first, count});
    if (count < kMostCrashes || failure) {
      warn("the process before this one died while stage \"" + stage + "\" worked on the records from " + record +
           ": a crash in a model or a library, or a kill from outside (out of memory?). It was time " +
           std::to_string(count) + " in a row; after " + std::to_string(kMostCrashes) +
           (has_candidate ? " the new version of its model is rolled back" : " the stage stops"));
      continue;
    }
    failure.emplace();
    failure->stage = stage;
    failure->error_class = ErrorClass::kCrash;
    failure->attempts = count;
    failure->records = {record};
    failure->message = dead;
  }
  RETURN_IF_ERROR(ledger.PutCrashes(now));
  return failure;
}

}  // namespace anabranch

#include "engine/run/crash_blame.h"

#include <algorithm>

#include "engine/record_id.h"

namespace anabranch {

Result<std::optional<Failure>> BlameCrash(const AttemptSlots& slots, Ledger& ledger,
                                          const std::function<void(const std::string&)>& warn) {
  ASSIGN_OR_RETURN(const std::vector<Ledger::Crashes> before, ledger.GetCrashes());
  std::vector<Ledger::Crashes> now;
  std::optional<Failure> failure;
  for (const AttemptSlots::Call& call : slots.left()) {
    const auto same = std::ranges::find_if(before, [&](const Ledger::Crashes& each) {
      return each.stage == call.stage && each.partition == call.partition && each.first == call.first;
    });
    now.push_back({call.stage, call.partition, call.first, same == before.end() ? 1 : same->count + 1});
    const std::string record = RecordId(call.partition, call.first);
    if (now.back().count < kMostCrashes || failure) {
      warn("the process before this one died while stage \"" + call.stage + "\" worked on the records from " + record +
           ": a crash in a model or a library, or a kill from outside (out of memory?). It was time " +
           std::to_string(now.back().count) + " in a row; after " + std::to_string(kMostCrashes) + " the stage stops");
      continue;
    }
    failure.emplace();
    failure->stage = call.stage;
    failure->error_class = ErrorClass::kCrash;
    failure->attempts = now.back().count;
    failure->records = {record};
    failure->message = "the process died " + std::to_string(now.back().count) + " times in a row while stage \"" +
                       call.stage + "\" worked on the records from " + record +
                       ": a crash in a model or a library, or a kill from outside (out of memory?)";
  }
  RETURN_IF_ERROR(ledger.PutCrashes(now));
  return failure;
}

}  // namespace anabranch

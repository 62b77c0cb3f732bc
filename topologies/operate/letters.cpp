#include "topologies/operate/letters.h"

#include <utility>

#include "engine/run/replay.h"

namespace anabranch {
namespace {

constexpr size_t kMostReasons = 20;

}  // namespace

Result<Letters> OpenLetters(std::shared_ptr<const CheckedTopology> checked, RunOptions options,
                            const Registry& registry) {
  Letters letters{std::move(checked), std::move(options), nullptr};
  ASSIGN_OR_RETURN(letters.program, OpenDeadLetters(letters.plan(), registry, letters.options.state_dir));
  return letters;
}

Status VisitLetters(const Letters& letters, CancelToken& cancel, const LetterVisit& visit) {
  return VisitDeadLetters(letters.plan(), *letters.program, letters.options, cancel, visit);
}

Status LookAtReplay(const Letters& letters, const LetterFilter& filter, CancelToken& cancel, ReplayOutlook* outlook) {
  const LetterRoutes routes(letters.plan());
  return VisitLetters(letters, cancel, [&](const RecordBatch&, uint32_t, const DeadLetter& letter) {
    if (!filter.Takes(letter)) {
      ++outlook->left;
      return;
    }
    const LetterRoutes::Route route = routes.Find(letter);
    if (route.stage == kNoStage) {
      ++outlook->left;
      const bool known = outlook->stuck.size() < kMostReasons || outlook->stuck.contains(route.why);
      ++outlook->stuck[known ? route.why : "for other reasons"];
      return;
    }
    AddLetter(letter, &outlook->chosen);
    ++outlook->letters;
    outlook->with_results += route.results ? 1 : 0;
  });
}

RunOptions ReplayOptions(const Letters& letters, const LetterFilter& filter) {
  RunOptions options = letters.options;
  options.start = RunStart::kReplay;
  options.input = MakeReplay(letters.plan(), letters.program, filter);
  options.state_dir = ReplayStateDir(letters.plan(), options.state_dir);
  return options;
}

}  // namespace anabranch

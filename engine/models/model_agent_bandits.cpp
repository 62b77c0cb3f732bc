#include "engine/clock.h"
#include "engine/fault_point.h"
#include "engine/models/bandit_learner.h"
#include "engine/models/model_agent.h"
#include "engine/models/rollout_judge.h"

namespace anabranch {
namespace {

constexpr int64_t kLessonRetryNs = 5'000'000'000;

}  // namespace

// What scores before any deployment.
Result<GenerationRecord> ModelAgent::FirstOf(const Model& model) const {
  GenerationRecord record;
  record.model = model.name;
  if (model.bandit == nullptr) {
    ASSIGN_OR_RETURN(const GenerationRecord::Arm arm, parts_.start(model));
    record.arms = {arm};
    return record;
  }
  for (const std::string& version : model.bandit->arms) {
    Model one = model;
    one.start = version;
    ASSIGN_OR_RETURN(GenerationRecord::Arm arm, parts_.start(one));
    record.arms.push_back(std::move(arm));
  }
  const std::string seed = parts_.instance + "/" + std::to_string(Clock::Real().WallMs());
  return FirstDraws(*model.bandit, model.name, record.arms, seed);
}

// What the topology file says of draws, and the log does not do.
void ModelAgent::CompareDraws() {
  for (const Model& model : parts_.models) {
    const auto newest = Newest(model.name, UINT32_MAX);
    if (!newest) continue;
    const std::string of_model = "the bandit of model \"" + model.name + "\"";
    const std::string anew = "begin it anew: anabranch model deploy FILE " + model.name;
    const bool draws = newest->record().rule == ArmRule::kBandit;
    if (draws && model.bandit == nullptr) {
      Warn(of_model +
           " is at work, and the topology file has no \"bandit\" for it: it learns nothing. Put it back, or "
           "end it: anabranch model deploy FILE " +
           model.name + "@VERSION");
    } else if (model.bandit != nullptr && !draws) {
      Warn(of_model + " is not at work: version " + newest->serving().version + " scores all records. To have it, " +
           anew);
    } else if (model.bandit != nullptr && !Fits(newest->record(), *model.bandit)) {
      Warn(of_model +
           " has other versions, or another unit, than the topology file says by now, so it learns nothing; " + anew);
    }
  }
}

// Appends the generation that the rewards ask for. Of several instances the first one counts.
void ModelAgent::Learn() {
  for (const Model& model : parts_.models) {
    if (model.bandit == nullptr || stops_.load()) continue;
    std::optional<BanditStatus> status;
    {
      const MutexLock lock(mutex_);
      // A deployment comes first.
      if (state_.Open(model.name) == nullptr) status = BanditOf(state_, model.name);
    }
    if (!status) continue;
    if (!status->fault.empty()) WarnOnce("the bandit of model \"" + model.name + "\" learns nothing: " + status->fault);
    auto lesson = NextLesson(*status, *model.bandit, Clock::Real().WallMs());
    if (!lesson) continue;
    const int64_t now = Clock::Real().NowNs();
    auto& [after, at_ns] = learned_[model.name];
    if (after == status->generation && now - at_ns < kLessonRetryNs) continue;  // not read yet
    Stamp(&*lesson);
    if (!Append(*lesson)) continue;
    FaultPoint("models.lesson_sent", model.name);
    learned_[model.name] = {status->generation, now};
    if (lesson->action == "promote") Warn("model \"" + model.name + "\", promote: " + lesson->reason);
  }
}

}  // namespace anabranch

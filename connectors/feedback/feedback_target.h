#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/committer.h"
#include "engine/lane_context.h"
#include "engine/strategy/bandit.h"
#include "engine/target.h"

namespace anabranch {

// A reward on its way to the committer, as the value of an encoded row. The row's key is that of the reward's record.
struct EncodedReward {
  std::string_view id;  // of the record that was answered
  double reward = 0;
  bool has_id = false, has_reward = false;
};
void AppendReward(const EncodedReward& reward, std::string* bytes);
EncodedReward ReadReward(std::string_view bytes);

class FeedbackTargetProgram : public TargetProgram {
 public:
  FeedbackTargetProgram(std::string model, BanditPolicy policy, TargetField id, TargetField reward)
      : model_(std::move(model)), policy_(policy), id_(std::move(id)), reward_(std::move(reward)) {}

  // One progress per model and partition: nodes of different sources write it side by side.
  std::string commit_unit() const override { return "feedback " + model_; }
  std::string connector() const override { return "feedback"; }
  std::string rewards() const override { return model_; }
  bool ExactlyOnce(const SourceProgram& /*source*/, std::string* /*why*/) const override { return true; }
  bool ManyWriters() const override { return true; }
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& identity) const override;
  std::string Describe() const override { return "the bandit of model \"" + model_ + "\""; }
  const std::string& model() const { return model_; }
  const BanditPolicy& policy() const { return policy_; }

 private:
  const std::string model_;
  const BanditPolicy policy_;
  const TargetField id_, reward_;
};

// Adds the rewards of each epoch to what the control log has of the bandit (ControlEntry::Kind::kRewards).
std::unique_ptr<Committer> MakeFeedbackCommitter(const LaneContext& lane, TargetId target,
                                                 const FeedbackTargetProgram& program);

}  // namespace anabranch

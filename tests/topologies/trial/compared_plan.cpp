#include "tests/topologies/trial/compared_plan.h"

#include "topologies/language/fingerprint.h"

namespace anabranch {
namespace {

class WritingProgram : public NodeProgram {
 public:
  WritingProgram(std::shared_ptr<const NodeProgram> origin, std::vector<TargetField> fields)
      : origin_(std::move(origin)), fields_(std::move(fields)) {}
  Result<std::unique_ptr<Node>> Open() const override { return origin_->Open(); }
  std::shared_ptr<const TargetProgram> target() const override { return origin_->target(); }
  std::span<const TargetField> written() const override { return fields_; }

 private:
  const std::shared_ptr<const NodeProgram> origin_;
  const std::vector<TargetField> fields_;
};

}  // namespace

StageId ComparedPlan::Node(const std::string& id, std::vector<StageId> inputs, const std::string& fingerprint) {
  const StageId stage = builder_.Node(id, std::move(inputs), [](const NodeRun&) { return Status::Ok(); });
  node(stage).fingerprint = fingerprint;
  return stage;
}

StageId ComparedPlan::Sink(const std::string& id, std::vector<StageId> inputs, std::vector<TargetField> fields) {
  const StageId stage = builder_.Persist(id, std::move(inputs), std::make_shared<MemoryOutput>());
  node(stage).program = std::make_shared<WritingProgram>(node(stage).program, std::move(fields));
  return stage;
}

const Plan& ComparedPlan::Build() {
  for (PlanNode& each : builder_.plan().nodes) CloseFingerprint(builder_.plan(), each);
  return builder_.Build();
}

}  // namespace anabranch

#include "engine/testing/plan_builder.h"

namespace anabranch {
namespace {

class WorkProgram : public NodeProgram {
 public:
  explicit WorkProgram(PlanBuilder::Work work) : work_(std::move(work)) {}
  Result<std::unique_ptr<Node>> Open() const override {
    class WorkNode : public Node {
     public:
      explicit WorkNode(const PlanBuilder::Work& work) : work_(work) {}
      Status Process(const NodeRun& run) override { return work_(run); }

     private:
      const PlanBuilder::Work& work_;
    };
    return std::unique_ptr<Node>(std::make_unique<WorkNode>(work_));
  }

 private:
  PlanBuilder::Work work_;
};

class PersistProgram : public NodeProgram {
 public:
  explicit PersistProgram(std::shared_ptr<const TargetProgram> target) : target_(std::move(target)) {}
  Result<std::unique_ptr<Node>> Open() const override { return Status(Code::kInternal, "persist is encoded"); }
  std::shared_ptr<const TargetProgram> target() const override { return target_; }

 private:
  std::shared_ptr<const TargetProgram> target_;
};

}  // namespace

PlanBuilder::PlanBuilder() {
  plan_.name = "test";
  plan_.hash = "000000000000";
  plan_.file = "/test.json";
  plan_.batch.max_rows = 4;
  plan_.batch.linger_ns = 0;
}

StageId PlanBuilder::Source(std::shared_ptr<MemoryInput> input) {
  PlanSource source;
  source.id = "in" + std::to_string(plan_.sources.size());
  source.connector = "memory";
  source.program = std::make_shared<MemorySourceProgram>(std::move(input));
  plan_.sources.push_back(std::move(source));
  return StageId(plan_.sources.size() - 1);
}

StageId PlanBuilder::Add(PlanNode node) {
  node.from_source.assign(plan_.sources.size(), false);
  for (StageId input : node.inputs) {
    for (StageId s = 0; s < plan_.sources.size(); ++s) {
      if (input == s || (input >= plan_.sources.size() && this->node(input).from_source[s])) node.from_source[s] = true;
    }
  }
  node.retry_backoff_ns = 1000;
  plan_.nodes.push_back(std::move(node));
  return StageId(plan_.stages() - 1);
}

StageId PlanBuilder::Node(const std::string& id, std::vector<StageId> inputs, Work work) {
  PlanNode node;
  node.id = id;
  node.kind = "work";
  node.inputs = std::move(inputs);
  node.program = std::make_shared<WorkProgram>(std::move(work));
  return Add(std::move(node));
}

StageId PlanBuilder::Persist(const std::string& id, std::vector<StageId> inputs, std::shared_ptr<MemoryOutput> output,
                             const std::string& unit) {
  PlanNode node;
  node.id = id;
  node.kind = "persist";
  node.inputs = std::move(inputs);
  auto target = std::make_shared<MemoryTargetProgram>(std::move(output), unit);
  node.program = std::make_shared<PersistProgram>(target);
  node.target = TargetId(plan_.targets.size());
  plan_.targets.push_back({id, target});
  return Add(std::move(node));
}

const Plan& PlanBuilder::Build() {
  const std::string unit = plan_.targets.empty() ? "memory" : plan_.targets.front().program->commit_unit();
  plan_.targets.push_back({"dead_letters", std::make_shared<MemoryTargetProgram>(dead_letters_, unit)});
  return plan_;
}

}  // namespace anabranch

#include "topologies/trial/reused_node.h"

#include <utility>
#include <vector>

#include "engine/mutex.h"
#include "engine/plan.h"

namespace anabranch {
namespace {

// Nodes that are open and not in use.
class IdleNodes {
 public:
  std::unique_ptr<Node> Take() {
    const MutexLock lock(mutex_);
    if (nodes_.empty()) return nullptr;
    std::unique_ptr<Node> node = std::move(nodes_.back());
    nodes_.pop_back();
    return node;
  }
  void Give(std::unique_ptr<Node> node) {
    const MutexLock lock(mutex_);
    nodes_.push_back(std::move(node));
  }

 private:
  Mutex mutex_;
  std::vector<std::unique_ptr<Node>> nodes_ GUARDED_BY(mutex_);
};

class ReusedNode : public Node {
 public:
  ReusedNode(std::unique_ptr<Node> node, std::shared_ptr<IdleNodes> idle)
      : node_(std::move(node)), idle_(std::move(idle)) {}
  ~ReusedNode() override { idle_->Give(std::move(node_)); }
  Status Process(const NodeRun& run) override { return node_->Process(run); }
  bool judges_rows() const override { return node_->judges_rows(); }

 private:
  std::unique_ptr<Node> node_;
  std::shared_ptr<IdleNodes> idle_;
};

class ReusedProgram : public NodeProgram {
 public:
  explicit ReusedProgram(std::shared_ptr<const NodeProgram> program) : program_(std::move(program)) {}

  Result<std::unique_ptr<Node>> Open() const override {
    std::unique_ptr<Node> node = idle_->Take();
    if (node == nullptr) {
      ASSIGN_OR_RETURN(node, program_->Open());
    }
    return std::unique_ptr<Node>(std::make_unique<ReusedNode>(std::move(node), idle_));
  }
  std::shared_ptr<const TargetProgram> target() const override { return program_->target(); }
  std::span<const TargetField> written() const override { return program_->written(); }
  std::map<std::string, std::string> Facts() const override { return program_->Facts(); }
  int64_t EstimateNs(uint32_t rows) const override { return program_->EstimateNs(rows); }
  std::vector<std::string> Tallies() const override { return program_->Tallies(); }
  std::vector<Finding> Explain(const RecordBatch& batch, uint32_t row) const override {
    return program_->Explain(batch, row);
  }
  bool deterministic() const override { return program_->deterministic(); }
  std::string FingerprintExtra() const override { return program_->FingerprintExtra(); }

 private:
  const std::shared_ptr<const NodeProgram> program_;
  const std::shared_ptr<IdleNodes> idle_ = std::make_shared<IdleNodes>();
};

}  // namespace

std::shared_ptr<const NodeProgram> ReuseNodes(std::shared_ptr<const NodeProgram> program) {
  return std::make_shared<ReusedProgram>(std::move(program));
}

}  // namespace anabranch

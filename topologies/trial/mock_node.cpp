#include "topologies/trial/mock_node.h"

#include <utility>

#include "engine/target.h"
#include "topologies/trial/cell_value.h"

namespace anabranch {
namespace {

class MockNode : public Node {
 public:
  explicit MockNode(const MockSpec& spec) : spec_(spec) {}

  Status Process(const NodeRun& run) override {
    std::vector<const MockOutputs*> answers(run.batch.rows(), nullptr);
    for (uint32_t row = 0; row < run.batch.rows(); ++row) {
      if (run.active[row]) answers[row] = Answer(run, row);
    }
    for (const MockSpec::MockColumn& made : spec_.makes) {
      std::vector<const ConfigValue*> values(answers.size(), nullptr);
      for (size_t row = 0; row < answers.size(); ++row) {
        if (answers[row] == nullptr) continue;
        const auto value = answers[row]->find(made.id);
        if (value != answers[row]->end()) values[row] = value->second;
      }
      FillCells(values, made.type, &run.batch.columns[made.id]);
    }
    return Status::Ok();
  }
  bool judges_rows() const override { return true; }

 private:
  // Null: the row fails.
  const MockOutputs* Answer(const NodeRun& run, uint32_t row) const {
    if (spec_.by) {
      const auto chosen = spec_.values.find(TextOf(run.batch.columns[spec_.by->id], row));
      return chosen == spec_.values.end() ? &spec_.always.outputs : &chosen->second;
    }
    const MockAnswer& answer = spec_.rows ? spec_.rows->at(static_cast<size_t>(run.batch.offset[row])) : spec_.always;
    if (answer.timeout) run.TimeOutRow(row, answer.message);
    if (!answer.code.empty()) run.FailRow(row, answer.code, answer.message);
    return answer.timeout || !answer.code.empty() ? nullptr : &answer.outputs;
  }

  static std::string TextOf(const Column& column, uint32_t row) {
    if (!column.valid(row)) return {};
    switch (column.type().kind) {
      case Kind::kString: return std::string(column.values<std::string_view>()[row]);
      case Kind::kInt64: return std::to_string(column.values<int64_t>()[row]);
      case Kind::kBool: return column.values<uint8_t>()[row] != 0 ? "true" : "false";
      default: return {};
    }
  }

  const MockSpec& spec_;
};

// Facts and tallies are those of the node that is mocked; its model is not opened.
class MockProgram : public NodeProgram {
 public:
  MockProgram(MockSpec spec, std::shared_ptr<const NodeProgram> origin)
      : spec_(std::move(spec)), origin_(std::move(origin)) {}
  Result<std::unique_ptr<Node>> Open() const override {
    return std::unique_ptr<Node>(std::make_unique<MockNode>(spec_));
  }
  std::map<std::string, std::string> Facts() const override { return origin_->Facts(); }
  std::string FingerprintExtra() const override { return origin_->FingerprintExtra(); }

 private:
  const MockSpec spec_;
  const std::shared_ptr<const NodeProgram> origin_;
};

class IdleNode : public Node {
 public:
  Status Process(const NodeRun& run) override {
    for (uint32_t row = 0; row < run.batch.rows(); ++row) {
      if (run.active[row]) run.FilterRow(row);
    }
    return Status::Ok();
  }
};

class IdleProgram : public NodeProgram {
 public:
  Result<std::unique_ptr<Node>> Open() const override { return std::unique_ptr<Node>(std::make_unique<IdleNode>()); }
};

}  // namespace

std::shared_ptr<const NodeProgram> MakeMockNode(MockSpec spec, std::shared_ptr<const NodeProgram> origin) {
  return std::make_shared<MockProgram>(std::move(spec), std::move(origin));
}

std::shared_ptr<const NodeProgram> MakeIdleNode() { return std::make_shared<IdleProgram>(); }

}  // namespace anabranch

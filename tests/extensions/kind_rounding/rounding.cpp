#include "tests/extensions/kind_rounding/rounding.h"

#include <cmath>

namespace anabranch {
namespace {

struct Plan {
  ColumnId from{0};
  ColumnId to{0};
  double step = 1;
};

class RoundingNode final : public Node {
 public:
  explicit RoundingNode(Plan plan) : plan_(plan) {}

  Status Process(const NodeRun& run) override {
    const Column& from = run.batch.columns[plan_.from];
    Column& to = run.batch.columns[plan_.to];
    to.Reset(Type::Scalar(Kind::kFloat64), run.batch.rows());
    for (uint32_t row = 0; row < run.batch.rows(); ++row) {
      if (run.active[row] == 0) continue;
      if (!from.valid(row)) {
        run.FailRow(row, "null_feature", "there is nothing to round");
        continue;
      }
      to.values<double>()[row] = std::round(from.values<double>()[row] / plan_.step) * plan_.step;
      to.states()[row] = kValid;
    }
    return Status::Ok();
  }

 private:
  const Plan plan_;
};

class RoundingProgram final : public NodeProgram {
 public:
  explicit RoundingProgram(Plan plan) : plan_(plan) {}
  Result<std::unique_ptr<Node>> Open() const override {
    return std::unique_ptr<Node>(std::make_unique<RoundingNode>(plan_));
  }

 private:
  const Plan plan_;
};

class RoundingKind final : public NodeKind {
 public:
  RoundingKind() {
    spec_.name = "rounding";
    spec_.summary = "Rounds a number to a multiple.";
    spec_.about = "A null fails its record.";
    spec_.fields = {
        {"column", Shape::Column(), true, "", "The number to round."},
        {"batch", Shape::Number(0.001), false, "1", "The result is a multiple of it."},
        {"threads", Shape::Integer(1), false, "1", "How many threads round.", Affects::kNothing},
        {"output", Shape::String(), true, "", "The new column."},
    };
    spec_.example = R"({"kind": "rounding", "inputs": ["orders"], "column": "amount", "batch": 5, "output": "about"})";
  }
  const Spec& spec() const override { return spec_; }

  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override {
    const ConfigValue& column = *context.config().Find("column");
    const VisibleColumn* from = context.Read(column, column.text);
    if (from == nullptr) return nullptr;
    const ConfigValue& output = *context.config().Find("output");
    const ColumnId to = context.Make(output, output.text, Type::Scalar(Kind::kFloat64), false);
    return std::make_shared<RoundingProgram>(Plan{from->id, to, context.config().Number("batch", 1)});
  }

 private:
  Spec spec_;
};

}  // namespace

void RegisterNodeRounding(Registry& registry) { registry.Add(std::make_unique<RoundingKind>()); }

}  // namespace anabranch

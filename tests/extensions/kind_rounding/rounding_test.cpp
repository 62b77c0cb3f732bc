#include "tests/extensions/kind_rounding/rounding.h"

#include <gtest/gtest.h>

#include "tests/conformance/kind_suite.h"
#include "tests/conformance/program_registry.h"

namespace anabranch {
namespace {

// The program's parts and one more kind: no other folder knows of it.
const Registry& Extended() {
  static const Registry* registry = MakeProgramRegistry(RegisterNodeRounding);
  return *registry;
}

KindCase Rounding() {
  KindCase tested;
  tested.kind = "rounding";
  tested.file = ANABRANCH_ROOT "/tests/topology.json";
  tested.topology = R"({
    "anabranch": 1, "name": "rounds",
    "schemas": {"order": {"type": "object", "required": ["id", "a", "b"], "properties": {
      "id": {"type": "string"}, "a": {"type": "number"}, "b": {"type": "number"}}}},
    "sources": {"orders": {"file": {"path": "orders.jsonl"}, "schema": "order", "key": {"field": "id"}}},
    "nodes": {
      "round": {"kind": "rounding", "inputs": ["orders"], "column": "a", "output": "about"},
      "out": {"kind": "persist", "inputs": ["round"], "to": {"file": {"path": "out.jsonl"}}, "fields": "*"}}})";
  tested.node = "round";
  tested.changes = {{"column", {"{}", R"({"column": "b"})"}},
                    {"batch", {"{}", R"({"batch": 5})"}},
                    {"threads", {"{}", R"({"threads": 2})"}},
                    {"output", {"{}", R"({"output": "near"})"}}};
  tested.bind = [](NodeRunner& runner) {
    runner.AddColumn("a", Type::Scalar(Kind::kFloat64));
    runner.Bind(RegisterNodeRounding,
                ConfigObject({{"kind", "rounding"}, {"column", "a"}, {"batch", 5}, {"output", "about"}}));
  };
  tested.fill = [](NodeRunner& runner, int first, int rows) {
    std::vector<Cell> cells;
    for (int row = first; row < first + rows; ++row) cells.push_back(row % 9 == 0 ? Cell(nullptr) : Cell(row * 1.25));
    runner.Fill("a", cells);
  };
  return tested;
}

TEST(KindRounding, HasACompleteSpec) { CheckSpecIsComplete(*Extended().FindKind("rounding")); }
TEST(KindRounding, HasAFingerprintOfWhatAffectsResults) { CheckFingerprint(Extended(), Rounding()); }
TEST(KindRounding, GivesTheSameInEveryBatch) { CheckBatchesDoNotMatter(Rounding()); }

}  // namespace
}  // namespace anabranch

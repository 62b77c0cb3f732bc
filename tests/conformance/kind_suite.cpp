#include "tests/conformance/kind_suite.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "topologies/language/check.h"
#include "topologies/language/topology_spec.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kRows = 64;

const FieldSpec* FindField(const std::vector<FieldSpec>& fields, const std::string& name) {
  for (const FieldSpec& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::string FingerprintOf(const Registry& registry, const KindCase& tested, const std::string& text) {
  CheckOptions options;
  options.env = [](const std::string&) { return std::nullopt; };
  const CheckedTopology checked = CheckTopologyText(tested.file, text, registry, options);
  std::string faults;
  for (const Fault& fault : checked.faults) faults += fault.message + "\n";
  EXPECT_TRUE(checked.ok()) << faults << text;
  if (!checked.ok()) return {};
  for (const PlanNode& node : checked.plan->nodes) {
    if (node.id == tested.node) return node.fingerprint;
  }
  ADD_FAILURE() << "no node " << tested.node;
  return {};
}

// What became of each row, as one text per row.
std::vector<std::string> RowsOf(NodeRunner& runner, uint32_t rows) {
  std::vector<std::string> texts;
  for (uint32_t row = 0; row < rows; ++row) {
    std::ostringstream text;
    text << static_cast<int>(runner.outcome(row)) << " " << runner.ErrorText(row);
    for (const NodeRunner::MadeColumn& made : runner.made()) text << " " << runner.Value(made.name, row);
    texts.push_back(text.str());
  }
  return texts;
}

std::vector<std::string> RunIn(const KindCase& tested, int batch_rows) {
  NodeRunner runner;
  tested.bind(runner);
  EXPECT_TRUE(runner.program() != nullptr) << runner.FaultText();
  std::vector<std::string> all;
  for (int first = 0; first < kRows && runner.program() != nullptr; first += batch_rows) {
    runner.ClearRows();
    tested.fill(runner, first, batch_rows);
    EXPECT_TRUE(runner.Run().ok());
    const std::vector<std::string> once = RowsOf(runner, static_cast<uint32_t>(batch_rows));
    EXPECT_TRUE(runner.Run().ok());
    EXPECT_EQ(RowsOf(runner, static_cast<uint32_t>(batch_rows)), once) << "the same batch again";
    all.insert(all.end(), once.begin(), once.end());
  }
  return all;
}

}  // namespace

void CheckSpecIsComplete(const NodeKind& kind) {
  const NodeKind::Spec& spec = kind.spec();
  EXPECT_EQ(spec.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << spec.name;
  EXPECT_FALSE(spec.name.empty());
  EXPECT_TRUE(spec.summary.ends_with('.')) << spec.summary;
  EXPECT_FALSE(spec.about.empty());
  EXPECT_GE(spec.version, 1);
  for (const FieldSpec& field : spec.fields) {
    EXPECT_FALSE(field.doc.empty()) << field.name;
    EXPECT_TRUE(field.fallback.empty() || Json::accept(field.fallback)) << field.name << ": " << field.fallback;
    EXPECT_FALSE(field.required && !field.fallback.empty()) << field.name << " is required and has a default";
  }
  ASSERT_TRUE(Json::accept(spec.example)) << spec.example;
  const Json example = Json::parse(spec.example);
  EXPECT_EQ(example.value("kind", ""), spec.name);
  const std::vector<FieldSpec> fields = NodeFields(kind);
  for (const auto& [key, value] : example.items()) EXPECT_NE(FindField(fields, key), nullptr) << key;
  for (const FieldSpec& field : fields) {
    EXPECT_TRUE(!field.required || example.contains(field.name)) << "the example has no " << field.name;
  }
}

void CheckFingerprint(const Registry& registry, const KindCase& tested) {
  const NodeKind* kind = registry.FindKind(tested.kind);
  ASSERT_NE(kind, nullptr);
  const Json topology = Json::parse(tested.topology, nullptr, true, true);
  for (const FieldSpec& field : kind->spec().fields) {
    const auto change = tested.changes.find(field.name);
    ASSERT_NE(change, tested.changes.end()) << "the case has no other value for \"" << field.name << "\"";
    Json changed = topology;
    changed["nodes"][tested.node].merge_patch(Json::parse(change->second.base));
    const std::string before = FingerprintOf(registry, tested, changed.dump());
    changed["nodes"][tested.node].merge_patch(Json::parse(change->second.patch));
    const std::string after = FingerprintOf(registry, tested, changed.dump());
    EXPECT_EQ(after != before, field.affects == Affects::kResults) << field.name;
  }
}

void CheckBatchesDoNotMatter(const KindCase& tested) {
  ASSERT_TRUE(tested.bind && tested.fill);
  const std::vector<std::string> whole = RunIn(tested, kRows);
  ASSERT_EQ(whole.size(), size_t{kRows});
  for (const int rows : {kRows / 2, 4, 1}) EXPECT_EQ(RunIn(tested, rows), whole) << "in batches of " << rows;
}

}  // namespace anabranch

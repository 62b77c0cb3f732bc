#include <gtest/gtest.h>

#include "nodes/ensemble/ensemble.h"
#include "nodes/transform/transform.h"
#include "nodes/validate/validate.h"
#include "tests/conformance/kind_suite.h"
#include "tests/topologies/cases/case_files.h"

namespace anabranch {
namespace {

const std::string kPage = CasesRoot() + "/valid/topology_page/topology.json";

constexpr const char* kVotes = R"({
  "anabranch": 1, "name": "votes",
  "schemas": {"vote": {"type": "object", "required": ["id", "x", "y", "z", "v", "w"], "properties": {
    "id": {"type": "string"}, "x": {"type": "string"}, "y": {"type": "string"}, "z": {"type": "string"},
    "v": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
    "w": {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}}}},
  "sources": {"votes": {"file": {"path": "votes.jsonl"}, "schema": "vote", "key": {"field": "id"}}},
  "nodes": {
    "part": {"kind": "transform", "inputs": ["votes"], "set": {"u": "x"}, "when": "x != y"},
    "vote": {"kind": "ensemble", "inputs": ["part"], "method": "majority_vote", "members": ["u", "y", "z"],
             "missing": "renormalise", "outputs": {"winner": "value"}},
    "out": {"kind": "persist", "inputs": ["vote"], "to": {"file": {"path": "out.jsonl"}}}}})";

void FillNumbers(NodeRunner& runner, int first, int rows) {
  std::vector<Cell> a, b;
  for (int row = first; row < first + rows; ++row) {
    a.push_back(row % 5 == 0 ? Cell(nullptr) : Cell(row * 0.5));
    b.push_back(row % 7 == 0 ? Cell(nullptr) : Cell(double(100 - row)));
  }
  runner.Fill("a", a);
  runner.Fill("b", b);
}

void AddNumbers(NodeRunner& runner) {
  runner.AddColumn("a", Type::Scalar(Kind::kFloat64));
  runner.AddColumn("b", Type::Scalar(Kind::kFloat64));
}

void BindValidate(NodeRunner& runner) {
  AddNumbers(runner);
  runner.Bind(RegisterNodeValidate,
              ConfigObject({{"kind", "validate"}, {"rules", ConfigObject({{"small", "a < 20"}, {"b", "b > a"}})}}));
}

void BindTransform(NodeRunner& runner) {
  AddNumbers(runner);
  runner.Bind(RegisterNodeTransform,
              ConfigObject({{"kind", "transform"},
                            {"set", ConfigObject({{"sum", "a + b"}, {"share", "int(a) % int(b - 40)"}})},
                            {"where", "sum > 60"}}));
}

void BindEnsemble(NodeRunner& runner) {
  AddNumbers(runner);
  runner.Bind(RegisterNodeEnsemble,
              ConfigObject({{"kind", "ensemble"},
                            {"method", "mean"},
                            {"members", ConfigList({"a", "b"})},
                            {"missing", "renormalise"},
                            {"outputs", ConfigObject({{"mean", "value"}, {"gone", "missing_why"}})}}));
}

std::vector<KindCase> Cases() {
  const std::string page = ReadText(kPage);
  return {
      {"validate",
       kPage,
       page,
       "check",
       {{"rules", {"{}", R"({"rules": {"sane_amount": "amount < 2e6"}})"}}},
       BindValidate,
       FillNumbers},
      {"transform",
       kPage,
       page,
       "feat",
       {{"set", {"{}", R"j({"set": {"log_amount": "log1p(amount + 1)"}})j"}},
        {"where", {"{}", R"({"where": "amount > 1"})"}},
        {"drop", {"{}", R"({"drop": ["home"]})"}},
        {"rename", {"{}", R"({"rename": {"country": "land"}})"}}},
       BindTransform,
       FillNumbers},
      {"infer",
       kPage,
       page,
       "gbt",
       {{"model", {"{}", R"({"model": "nn"})"}},
        {"features", {"{}", R"({"features": ["is_home", "log_amount"]})"}},
        {"outputs", {"{}", R"({"outputs": {"p_gbt": "probabilities[0]"}})"}},
        {"batch", {"{}", R"({"batch": {"max_rows": 32}})"}},
        {"nulls", {"{}", R"({"nulls": "nan"})"}},
        {"allow_nan", {"{}", R"({"allow_nan": true})"}}},
       nullptr,
       nullptr},
      {"ensemble",
       kPage,
       kVotes,
       "vote",
       {{"method", {R"({"tie": "lowest"})", R"({"tie": null, "method": "first"})"}},
        {"members", {"{}", R"({"members": ["y", "u", "z"]})"}},
        {"missing", {"{}", R"({"missing": "fail"})"}},
        {"quorum", {"{}", R"({"quorum": 2})"}},
        {"tie", {"{}", R"({"tie": "lowest"})"}},
        {"pool", {R"({"method": "soft_vote", "members": ["v", "w"]})", R"({"pool": "log"})"}},
        {"classes", {R"({"method": "soft_vote", "members": ["v", "w"]})", R"({"classes": ["a", "b", "c"]})"}},
        {"missing_max", {"{}", R"({"missing_max": "stop"})"}},
        {"outputs", {"{}", R"({"outputs": {"winner": "value", "sure": "confidence"}})"}}},
       BindEnsemble,
       FillNumbers},
      {"persist",
       kPage,
       page,
       "out",
       {{"to", {"{}", R"({"to": {"kafka": {"topic": "payments.again"}}})"}},
        {"fields", {"{}", R"({"fields": ["score"]})"}},
        {"envelope", {"{}", R"({"envelope": "cloudevents"})"}}},
       nullptr,
       nullptr},
  };
}

class BuiltInKind : public testing::TestWithParam<KindCase> {};

TEST_P(BuiltInKind, HasACompleteSpec) { CheckSpecIsComplete(*WholeRegistry().FindKind(GetParam().kind)); }
TEST_P(BuiltInKind, HasAFingerprintOfWhatAffectsResults) { CheckFingerprint(WholeRegistry(), GetParam()); }
TEST_P(BuiltInKind, GivesTheSameInEveryBatch) {
  if (GetParam().bind == nullptr) GTEST_SKIP() << "its own tests cover this";
  CheckBatchesDoNotMatter(GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, BuiltInKind, testing::ValuesIn(Cases()),
                         [](const auto& made) { return made.param.kind; });

TEST(BuiltInKinds, AreAllTested) {
  std::vector<std::string> tested;
  for (const KindCase& each : Cases()) tested.push_back(each.kind);
  std::sort(tested.begin(), tested.end());
  EXPECT_EQ(tested, WholeRegistry().KindNames());
}

}  // namespace
}  // namespace anabranch

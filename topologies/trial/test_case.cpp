#include "topologies/trial/test_case.h"

#include <algorithm>

#include "engine/text/timestamp.h"
#include "topologies/trial/bind_parts.h"
#include "topologies/trial/mock_node.h"

namespace anabranch {
namespace {

// The nodes that `only` leaves out. All that a chosen node reads is chosen too, so they have only others below them.
std::set<StageId> LeftOut(const Plan& plan, StageId chosen, bool and_below) {
  const auto first = static_cast<uint32_t>(plan.sources.size());
  std::vector<bool> keep(plan.stages(), false);
  keep[chosen] = true;
  for (uint32_t stage = first; and_below && stage < plan.stages(); ++stage) {
    for (const StageId input : plan.node(StageId(stage)).inputs) keep[stage] = keep[stage] || keep[input];
  }
  for (uint32_t stage = static_cast<uint32_t>(plan.stages()); stage-- > first;) {
    if (!keep[stage]) continue;
    for (const StageId input : plan.node(StageId(stage)).inputs) keep[input] = true;
  }
  std::set<StageId> left;
  for (uint32_t stage = first; stage < plan.stages(); ++stage) {
    if (!keep[stage]) left.insert(StageId(stage));
  }
  return left;
}

void BindOnly(const ConfigValue& only, TestBinding& binding) {
  std::string id = only.text;
  const bool and_below = id.ends_with('+');
  if (and_below) id.pop_back();
  const std::optional<StageId> stage = FindStage(only, id, true, binding);
  if (!stage) return;
  binding.test.idle = LeftOut(binding.plan, *stage, and_below);
  for (const StageId idle : binding.test.idle) binding.test.options.nodes[idle] = MakeIdleNode();
}

void TakeSecrets(const ConfigValue& at, std::vector<std::string>* secrets) {
  if (at.secret && !at.text.empty()) secrets->push_back(at.text);
  for (const ConfigValue& child : at.children) TakeSecrets(child, secrets);
}

Tolerance ToleranceOf(const ConfigValue& at) {
  Tolerance tolerance;
  const ConfigValue* given = at.Find("tolerance");
  if (given == nullptr) return tolerance;
  tolerance.rel = given->Number("rel", tolerance.rel);
  tolerance.abs = given->Number("abs", tolerance.abs);
  return tolerance;
}

}  // namespace

std::optional<StageId> FindStage(const ConfigValue& at, const std::string& id, bool sources, TestBinding& binding) {
  std::vector<std::string> known;
  for (uint32_t i = sources ? 0 : static_cast<uint32_t>(binding.plan.sources.size()); i < binding.plan.stages(); ++i) {
    const std::string& name = binding.plan.StageName(StageId(i));
    if (name == id) return StageId(i);
    known.push_back(name);
  }
  const std::string message = std::string("there is no ") + (sources ? "source or node" : "node") + " \"" + id + "\"";
  if (at.name == id) {
    binding.faults.AddAtName(FaultCode::kUnknownReference, at, message, Suggest(id, known));
  } else {
    binding.faults.Add(FaultCode::kUnknownReference, at, message, Suggest(id, known));
  }
  return std::nullopt;
}

bool MayBeMisspelt(const ConfigValue& at, const std::vector<std::string>& known) {
  return std::ranges::any_of(
      at.children, [&](const ConfigValue& member) { return std::ranges::find(known, member.name) == known.end(); });
}

bool IsLeftOut(const ConfigValue& at, StageId stage, TestBinding& binding) {
  if (!binding.test.idle.contains(stage)) return false;
  const std::string& name = binding.plan.StageName(stage);
  const std::string only(binding.test.at->Text("only"));
  const std::string message = "\"only\": \"" + only + "\" leaves out the node \"" + name + "\"";
  const std::string hint = "remove this, or choose it: \"only\": \"" + name + "\"";
  if (at.name == name) {
    binding.faults.AddAtName(FaultCode::kUnknownReference, at, message, hint);
  } else {
    binding.faults.Add(FaultCode::kUnknownReference, at, message, hint);
  }
  return true;
}

bool AreHeaders(const ConfigValue& headers, TestBinding& binding) {
  if (headers.is_object()) return true;
  binding.faults.Add(FaultCode::kWrongType, headers,
                     std::string("\"headers\" must be an object, not ") + headers.KindName(),
                     "write each header as a key: {\"traceparent\": \"…\"}");
  return false;
}

std::vector<ColumnId> ColumnsOf(const Plan& plan, StageId stage) {
  std::vector<ColumnId> columns;
  for (uint32_t i = 0; i < plan.columns.size(); ++i) {
    if (plan.columns[i].maker == plan.StageName(stage)) columns.emplace_back(i);
  }
  return columns;
}

std::optional<ColumnId> FindColumn(const ConfigValue& at, StageId stage, TestBinding& binding) {
  std::vector<std::string> known;
  for (const ColumnId column : ColumnsOf(binding.plan, stage)) {
    if (binding.plan.columns[column].name == at.name) return column;
    known.push_back(binding.plan.columns[column].name);
  }
  const bool source = stage < binding.plan.sources.size();
  Fault& fault = binding.faults.AddAtName(
      FaultCode::kUnknownColumn, at,
      (source ? "no node reads a field \"" : "the node \"" + binding.plan.StageName(stage) + "\" makes no column \"") +
          at.name + "\"" + (source ? " of source \"" + binding.plan.StageName(stage) + "\"" : ""),
      Suggest(at.name, known));
  fault.subject = at.name;
  return std::nullopt;
}

std::optional<int64_t> InstantOf(const ConfigValue& at, FaultSink& faults) {
  if (at.is_number()) return at.integer;
  int64_t micros = 0;
  if (at.is_string() && ParseTimestamp(at.text, &micros)) return micros / 1000;
  faults.Add(FaultCode::kBadValue, at, "\"" + at.text + "\" is not a time", "write it as \"2026-11-28T10:00:00Z\"");
  return std::nullopt;
}

std::unique_ptr<TestCase> BindTestCase(ConfigValue& at, const Plan& plan, const PathJudge& paths, FaultSink& faults) {
  const size_t before = faults.errors();
  auto test = std::make_unique<TestCase>();
  test->at = &at;
  test->name = at.Text("name");
  test->plan = &plan;
  test->any_order = at.Text("order") == "any";
  test->contains = at.Text("match") == "contains";
  test->tolerance = ToleranceOf(at);
  TakeSecrets(at, &test->secrets);
  TestBinding binding{plan, paths, faults, *test};
  if (const ConfigValue* now = at.Find("now")) test->options.wall_ms = InstantOf(*now, faults);
  if (const ConfigValue* given = at.Find("given")) BindGiven(*given, binding);
  if (const ConfigValue* only = at.Find("only")) BindOnly(*only, binding);
  if (const ConfigValue* mocks = at.Find("mocks")) BindMocks(*mocks, binding);
  if (const ConfigValue* expect = at.Find("expect")) BindExpect(const_cast<ConfigValue&>(*expect), binding);
  return faults.errors() == before ? std::move(test) : nullptr;
}

}  // namespace anabranch

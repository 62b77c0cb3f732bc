#include <algorithm>

#include "topologies/trial/bind_parts.h"
#include "topologies/trial/cell_value.h"
#include "topologies/trial/json_value.h"
#include "topologies/trial/mock_node.h"

namespace anabranch {
namespace {

// Keys of a mock's row that say that it fails.
constexpr std::string_view kError = "error";
constexpr std::string_view kMessage = "message";
constexpr std::string_view kTimeout = "timeout";

std::string CountOf(size_t number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

class MockBinder {
 public:
  MockBinder(const ConfigValue& at, StageId stage, TestBinding& binding) : at_(at), stage_(stage), binding_(binding) {
    for (const ColumnId column : ColumnsOf(binding.plan, stage)) {
      spec_.makes.push_back({column, binding.plan.columns[column].type});
    }
  }

  void Bind() {
    const PlanNode& node = binding_.plan.node(stage_);
    if (IsLeftOut(at_, stage_, binding_) || !CheckCompanions()) return;
    if (at_.Find("fail") != nullptr || node.program->target() != nullptr) return BindTarget(node);
    const ConfigValue* const outputs = at_.Find("outputs");
    const ConfigValue* const rows = at_.Find("rows");
    const ConfigValue* const by = at_.Find("by");
    const int ways = (outputs != nullptr) + (rows != nullptr) + (by != nullptr);
    if (ways == 0 && MayBeMisspelt(at_, {"values", "default"})) return;
    if (ways != 1) {
      binding_.faults.AddAtName(
          FaultCode::kBadValue, at_,
          "the mock of \"" + at_.name + "\" needs exactly one of \"outputs\", \"rows\" and \"by\"",
          "{\"outputs\": {COLUMN: VALUE}} answers the same for every row");
      return;
    }
    if (outputs != nullptr) spec_.always.outputs = OutputsOf(*outputs);
    if (rows != nullptr) BindRows(*rows);
    if (by != nullptr) BindBy(*by);
    binding_.test.options.nodes[stage_] = MakeMockNode(std::move(spec_), node.program);
    binding_.test.mocked.insert(stage_);
  }

 private:
  // Keys that mean something beside another one only.
  bool CheckCompanions() {
    const size_t before = binding_.faults.errors();
    for (const auto& [name, other] :
         {std::pair("values", "by"), std::pair("default", "by"), std::pair("times", "fail")}) {
      const ConfigValue* const member = at_.Find(name);
      if (member == nullptr || at_.Find(other) != nullptr) continue;
      binding_.faults.AddAtName(FaultCode::kBadValue, *member,
                                std::string("\"") + name + "\" has no meaning without \"" + other + "\"",
                                std::string("add \"") + other + "\", or remove \"" + name + "\"");
    }
    return binding_.faults.errors() == before;
  }

  void BindTarget(const PlanNode& node) {
    if (node.program->target() == nullptr) {
      binding_.faults.AddAtName(FaultCode::kBadValue, *at_.Find("fail"),
                                "\"" + at_.name + "\" writes to no target, so it has no commit that can fail",
                                "let its rows fail: {\"rows\": [{\"error\": \"model\"}]}");
    } else if (at_.Find("fail") == nullptr) {
      binding_.faults.AddAtName(FaultCode::kBadValue, at_,
                                "\"" + at_.name +
                                    "\" writes to a target. A target is always in memory; its mock can "
                                    "only fail",
                                "{\"fail\": \"transient\", \"times\": 2}");
    } else {
      binding_.test.options.failing_commits[node.target] = static_cast<int>(at_.Integer("times", 1));
    }
  }

  MockOutputs OutputsOf(const ConfigValue& outputs) {
    MockOutputs values;
    for (const ConfigValue& member : outputs.children) TakeOutput(member, &values);
    return values;
  }

  void TakeOutput(const ConfigValue& member, MockOutputs* values) {
    const std::optional<ColumnId> column = FindColumn(member, stage_, binding_);
    if (!column) return;
    const Type& type = binding_.plan.columns[*column].type;
    if (FitsCell(member, type)) {
      values->emplace(*column, &member);
    } else {
      binding_.faults.Add(FaultCode::kWrongType, member,
                          "the column \"" + member.name + "\" of node \"" + at_.name + "\" is " + type.ToString() +
                              "; it cannot be " + ShowValue(member),
                          CellHint(member, type));
    }
  }

  void BindRows(const ConfigValue& rows) {
    spec_.rows.emplace();
    for (const ConfigValue& row : rows.children) spec_.rows->push_back(AnswerOf(row));
    const std::vector<bool>& from = binding_.plan.node(stage_).from_source;
    if (std::ranges::count(from, true) != 1) {
      binding_.faults.Add(FaultCode::kBadValue, rows,
                          "\"rows\" has an entry per record of one source, and the node \"" + at_.name +
                              "\" has rows of several sources",
                          "use \"outputs\", or \"by\" with \"values\"");
      return;
    }
    const auto source = StageId(static_cast<size_t>(std::ranges::find(from, true) - from.begin()));
    const auto given = static_cast<size_t>(std::ranges::count(binding_.test.given, source, &TestCase::Given::source));
    if (rows.children.size() == given) return;
    binding_.faults.Add(FaultCode::kBadValue, rows,
                        "\"rows\" has " + CountOf(rows.children.size(), "entry", "entries") + " for " +
                            CountOf(given, "given record", "given records") + " of source \"" +
                            binding_.plan.StageName(source) + "\"",
                        "write one entry per record, {} for one that does not get to the node");
  }

  MockAnswer AnswerOf(const ConfigValue& row) {
    MockAnswer answer;
    if (!row.is_object()) {
      binding_.faults.Add(FaultCode::kWrongType, row,
                          std::string("a row of a mock must be an object, not ") + row.KindName());
      return answer;
    }
    const ConfigValue* const error = row.Find(kError);
    const ConfigValue* const timeout = row.Find(kTimeout);
    if (error != nullptr || timeout != nullptr) return FailureOf(row, error, timeout);
    for (const ConfigValue& member : row.children) TakeOutput(member, &answer.outputs);
    return answer;
  }

  // {"error": CODE, "message": TEXT} or {"timeout": true}.
  MockAnswer FailureOf(const ConfigValue& row, const ConfigValue* error, const ConfigValue* timeout) {
    MockAnswer answer;
    answer.timeout = timeout != nullptr;
    answer.message = row.Text(kMessage, "the test says so");
    if (error != nullptr && (!error->is_string() || error->text.empty())) {
      binding_.faults.Add(FaultCode::kWrongType, *error, "\"error\" must be a code, not " + ShowValue(*error),
                          "write one that records fail with, such as \"model\"");
    } else if (error != nullptr) {
      answer.code = error->text;
      binding_.codes.insert(error->text);
    }
    if (timeout != nullptr && !row.Flag(kTimeout, false)) {
      binding_.faults.Add(FaultCode::kBadValue, *timeout, "\"timeout\" can only be true");
    }
    for (const ConfigValue& member : row.children) {
      const bool known = &member == error || &member == timeout || member.name == kMessage;
      if (known && (error == nullptr || timeout == nullptr)) continue;
      binding_.faults.AddAtName(FaultCode::kUnknownKey, member, "a row that fails has no \"" + member.name + "\"",
                                "write {\"error\": CODE, \"message\": TEXT}, or {\"timeout\": true}");
    }
    return answer;
  }

  void BindBy(const ConfigValue& by) {
    const PlanNode& node = binding_.plan.node(stage_);
    std::vector<std::string> known;
    for (const ColumnId column : node.reads) {
      const ColumnInfo& info = binding_.plan.columns[column];
      const bool usable =
          info.type.kind == Kind::kString || info.type.kind == Kind::kInt64 || info.type.kind == Kind::kBool;
      if (usable && info.name == by.text) spec_.by = MockSpec::MockColumn{column, info.type};
      if (usable) known.push_back(info.name);
    }
    if (!spec_.by) {
      binding_.faults.Add(
          FaultCode::kUnknownColumn, by,
          "the node \"" + at_.name + "\" reads no column \"" + by.text + "\" of text, whole numbers or true and false",
          Suggest(by.text, known));
    }
    if (const ConfigValue* values = at_.Find("values")) {
      for (const ConfigValue& each : values->children) spec_.values.emplace(each.name, OutputsOf(each));
    }
    if (const ConfigValue* fallback = at_.Find("default")) spec_.always.outputs = OutputsOf(*fallback);
  }

  const ConfigValue& at_;
  const StageId stage_;
  TestBinding& binding_;
  MockSpec spec_;
};

}  // namespace

void BindMocks(const ConfigValue& mocks, TestBinding& binding) {
  for (const ConfigValue& each : mocks.children) {
    const std::optional<StageId> stage = FindStage(each, each.name, false, binding);
    if (stage) MockBinder(each, *stage, binding).Bind();
  }
}

}  // namespace anabranch

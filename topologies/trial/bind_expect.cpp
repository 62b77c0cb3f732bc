#include <algorithm>

#include "engine/expression/expression.h"
#include "engine/row_codes.h"
#include "engine/target.h"
#include "engine/text/base64.h"
#include "topologies/language/structure.h"
#include "topologies/language/test_spec.h"
#include "topologies/trial/bind_parts.h"
#include "topologies/trial/cell_value.h"
#include "topologies/trial/json_value.h"
#include "topologies/trial/matchers.h"

namespace anabranch {
namespace {

class ExpectBinder {
 public:
  explicit ExpectBinder(TestBinding& binding) : binding_(binding) {}

  void Bind(ConfigValue& expect) {
    std::vector<std::string> sinks;
    for (const PlanNode& node : binding_.plan.nodes) {
      if (node.program->target() != nullptr) sinks.push_back(node.id);
    }
    if (IsAmbiguous(expect, &sinks)) return;
    if (!CheckFields(expect, TestExpectFields(sinks), "\"expect\"", binding_.faults)) return;
    for (const ConfigValue& entry : expect.children) {
      if (entry.name == "dead_letters") {
        BindLetters(entry);
      } else if (entry.name == "columns") {
        BindColumns(entry);
      } else if (entry.name == "nodes") {
        BindCounts(entry);
      } else {
        BindRows(entry);
      }
    }
  }

 private:
  // A sink whose id is a key of `expect` cannot be named there. Takes such sinks out.
  bool IsAmbiguous(const ConfigValue& expect, std::vector<std::string>* sinks) {
    bool ambiguous = false;
    for (const char* key : {"dead_letters", "columns", "nodes"}) {
      if (std::erase(*sinks, key) == 0) continue;
      const ConfigValue* const named = expect.Find(key);
      if (named == nullptr) continue;
      binding_.faults.AddAtName(
          FaultCode::kDuplicateId, *named,
          std::string("\"") + key + "\" is a key of \"expect\" and also the id of a node that writes to a target",
          "rename the node, and keep its state with \"was\": \"" + std::string(key) + "\"");
      ambiguous = true;
    }
    return ambiguous;
  }

  void BindRows(const ConfigValue& entry) {
    const auto node = std::ranges::find(binding_.plan.nodes, entry.name, &PlanNode::id);
    if (node == binding_.plan.nodes.end()) return;  // an unknown key, which is reported
    const auto stage = StageId(binding_.plan.sources.size() + static_cast<size_t>(node - binding_.plan.nodes.begin()));
    if (IsLeftOut(entry, stage, binding_)) return;
    ExpectedRows rows;
    rows.target = node->target;
    rows.at = &entry;
    if (entry.is_object()) {
      rows.count = entry.Integer("count", 0);
    } else {
      for (const ConfigValue& row : entry.children) {
        if (const ConfigValue* given = row.Find("row")) CheckGiven(*given);
        if (const ConfigValue* key = row.Find("key")) CheckText(*key);
        if (const ConfigValue* bytes = row.Find("base64")) CheckBytes(*bytes);
        if (const ConfigValue* headers = row.Find("headers")) {
          if (!AreHeaders(*headers, binding_)) continue;
          for (const ConfigValue& header : headers->children) CheckText(header);
        }
        if (const ConfigValue* time = row.Find("timestamp")) (void)InstantOf(*time, binding_.faults);
        if (const ConfigValue* value = row.Find("value")) BindValue(*value, *node, &rows);
        rows.rows.push_back(&row);
      }
    }
    binding_.test.rows.push_back(std::move(rows));
  }

  // The written fields of one row, each against its type.
  void BindValue(const ConfigValue& value, const PlanNode& node, ExpectedRows* rows) {
    const std::span<const TargetField> written = node.program->written();
    if (written.empty()) return BindInside(value, Type{}, node, rows);  // the record as it came
    if (!value.is_object()) {
      binding_.faults.Add(
          FaultCode::kWrongType, value,
          std::string("the value of a row of \"") + node.id + "\" must be an object, not " + value.KindName(),
          "write its fields by name: {\"" + written.front().name + "\": …}");
      return;
    }
    if (IsMatcher(value)) return BindMatcher(value, Type{}, node, rows);
    std::vector<std::string> names;
    for (const TargetField& field : written) names.push_back(field.name);
    for (const ConfigValue& member : value.children) {
      const auto field = std::ranges::find(written, member.name, &TargetField::name);
      if (field == written.end()) {
        binding_.faults.AddAtName(FaultCode::kUnknownColumn, member,
                                  "the node \"" + node.id + "\" writes no field \"" + member.name + "\"",
                                  Suggest(member.name, names));
      } else if (HoldsMatcher(member)) {
        BindInside(member, field->type, node, rows);
      } else {
        CheckType(member, field->type, "the field \"" + member.name + "\" of node \"" + node.id + "\"");
      }
    }
  }

  void BindMatcher(const ConfigValue& value, const Type& type, const PlanNode& node, ExpectedRows* rows) {
    if (!CheckMatcher(value, type, binding_.faults)) return;
    const ConfigValue* text = value.Find("$expr");
    if (text == nullptr) return;
    const auto expression = CompileExpression(*text, ScopeOfFields(node.program->written()), true, binding_.faults);
    if (expression != nullptr) rows->conditions.push_back({&value, expression});
  }

  // Every matcher in the value. `type`: of the value, or of what it holds.
  void BindInside(const ConfigValue& value, const Type& type, const PlanNode& node, ExpectedRows* rows) {
    if (IsMatcher(value)) return BindMatcher(value, type, node, rows);
    const Type inner = type.IsScalar() ? type : Type::Scalar(type.element);
    for (const ConfigValue& each : value.children) BindInside(each, inner, node, rows);
  }

  void CheckBytes(const ConfigValue& base64) {
    const Result<std::string> bytes = FromBase64(base64.text);
    if (bytes.ok()) return;
    binding_.faults.Add(FaultCode::kBadValue, base64, "\"base64\" cannot be decoded: " + bytes.status().message());
  }

  // A key or a header.
  void CheckText(const ConfigValue& value) {
    if (value.is_string() || value.kind == ConfigValue::Kind::kNull) return;
    if (IsMatcher(value) && value.Find("$any") != nullptr) return (void)CheckMatcher(value, Type{}, binding_.faults);
    binding_.faults.Add(FaultCode::kWrongType, value,
                        "\"" + value.name + "\" must be a string or null, not " + value.KindName(),
                        "write it in quotes, or {\"$any\": true}");
  }

  void CheckType(const ConfigValue& value, const Type& type, const std::string& what) {
    if (FitsCell(value, type)) return;
    binding_.faults.Add(FaultCode::kWrongType, value,
                        what + " is " + type.ToString() + "; it cannot be " + ShowValue(value), CellHint(value, type));
  }

  void BindLetters(const ConfigValue& entry) {
    ExpectedLetters& letters = binding_.test.letters;
    letters.at = &entry;
    if (entry.is_object()) {
      letters.count = entry.Integer("count", 0);
      return;
    }
    for (const ConfigValue& letter : entry.children) {
      if (const ConfigValue* node = letter.Find("node")) {
        const std::optional<StageId> stage = FindStage(*node, node->text, true, binding_);
        if (stage) (void)IsLeftOut(*node, *stage, binding_);
      }
      if (const ConfigValue* row = letter.Find("row")) CheckGiven(*row);
      if (const ConfigValue* code = letter.Find("code")) CheckCode(*code);
      letters.letters.push_back(&letter);
    }
  }

  void CheckCode(const ConfigValue& code) {
    std::vector<std::string> known(binding_.codes.begin(), binding_.codes.end());
    for (const RowCode& each : kRowCodes) known.emplace_back(each.code);
    if (std::ranges::find(known, code.text) != known.end()) return;
    binding_.faults.Add(FaultCode::kBadValue, code, "no record fails with the code \"" + code.text + "\"",
                        Suggest(code.text, known));
  }

  bool CheckGiven(const ConfigValue& row) {
    const auto given = static_cast<int64_t>(binding_.test.given.size());
    if (row.kind == ConfigValue::Kind::kInteger && row.integer >= 0 && row.integer < given) return true;
    binding_.faults.Add(FaultCode::kBadValue, row,
                        "there is no given record " + ShowValue(row) + "; the case gives " + std::to_string(given) +
                            (given == 1 ? " record" : " records"),
                        given == 0 ? "" : "the last one is " + std::to_string(given - 1) + "; they are counted from 0");
    return false;
  }

  void BindColumns(const ConfigValue& entry) {
    for (const ConfigValue& rows : entry.children) {
      const std::optional<StageId> stage = FindStage(rows, rows.name, true, binding_);
      if (stage) (void)IsLeftOut(rows, *stage, binding_);
      for (const ConfigValue& row : rows.children) {
        if (stage && !binding_.test.idle.contains(*stage)) BindCells(row, *stage);
      }
    }
  }

  void BindCells(const ConfigValue& row, StageId stage) {
    const ConfigValue* given = row.Find("row");
    if (given == nullptr) {
      binding_.faults.Add(FaultCode::kMissingKey, row, "a row of \"columns\" has no \"row\"",
                          "name the given record, counted from 0: {\"row\": 0, …}");
      return;
    }
    if (!CheckGiven(*given)) return;
    for (const ConfigValue& member : row.children) {
      if (&member == given) continue;
      const std::optional<ColumnId> column = FindColumn(member, stage, binding_);
      if (!column) continue;
      const Type& type = binding_.plan.columns[*column].type;
      if (HoldsMatcher(member)) {
        CheckCellMatchers(member, type);
      } else {
        CheckType(member, type, "the column \"" + member.name + "\"");
      }
      binding_.test.cells.push_back({static_cast<size_t>(given->integer), *column, &member});
    }
  }

  void CheckCellMatchers(const ConfigValue& value, const Type& type) {
    if (!IsMatcher(value)) {
      const Type inner = type.IsScalar() ? type : Type::Scalar(type.element);
      for (const ConfigValue& each : value.children) CheckCellMatchers(each, inner);
    } else if (const ConfigValue* text = value.Find("$expr")) {
      binding_.faults.Add(FaultCode::kNotSupported, *text,
                          "\"$expr\" is for the rows of a target; \"columns\" cannot have it",
                          "write the value, or {\"$near\": …}");
    } else {
      (void)CheckMatcher(value, type, binding_.faults);
    }
  }

  void BindCounts(const ConfigValue& entry) {
    for (const ConfigValue& counts : entry.children) {
      const std::optional<StageId> stage = FindStage(counts, counts.name, true, binding_);
      if (!stage || IsLeftOut(counts, *stage, binding_)) continue;
      for (const ConfigValue& count : counts.children) {
        binding_.test.counts.push_back({*stage, &count});
      }
    }
  }

  TestBinding& binding_;
};

}  // namespace

void BindExpect(ConfigValue& expect, TestBinding& binding) { ExpectBinder(binding).Bind(expect); }

}  // namespace anabranch

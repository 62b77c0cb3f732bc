#include "topologies/language/fingerprint.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "topologies/language/plan_hash.h"
#include "topologies/language/topology_spec.h"

namespace anabranch {

namespace {

using Names = std::initializer_list<std::string_view>;

bool IsOneOf(std::string_view name, Names names) { return std::find(names.begin(), names.end(), name) != names.end(); }

// The members that affect one of `wanted`.
ConfigValue Only(const ConfigValue& value, const std::vector<FieldSpec>& fields,
                 std::initializer_list<Affects> wanted) {
  ConfigValue left = value;
  std::erase_if(left.children, [&](const ConfigValue& member) {
    return std::find(wanted.begin(), wanted.end(), AffectsOf(fields, member.name)) == wanted.end();
  });
  return left;
}

// Takes out what means nothing in a JSON Schema, at any depth. Its "properties" are names.
void DropSchemaNotes(ConfigValue& schema) {
  if (!schema.is_object()) return;
  std::erase_if(schema.children, [](const ConfigValue& member) {
    return IsOneOf(member.name, {"$schema", "$comment", "title", "description", "default", "examples"});
  });
  for (ConfigValue& member : schema.children) {
    if (IsOneOf(member.name, {"items", "additionalProperties"})) DropSchemaNotes(member);
    if (!IsOneOf(member.name, {"properties", "patternProperties", "definitions"})) continue;
    for (ConfigValue& property : member.children) DropSchemaNotes(property);
  }
}

// Canonical text sorts members, but what the user names may count in its order: ties between columns, fields as they
// are written.
std::string InOrder(const ConfigValue& value, const Shape* shape) {
  std::string text = value.Canonical();
  if (!value.is_object() || (shape != nullptr && shape->kind == Shape::Kind::kObject)) return text;
  for (const ConfigValue& member : value.children) text += " " + member.name;
  return text;
}

const Shape* ShapeOf(const std::vector<FieldSpec>& fields, std::string_view member) {
  for (const FieldSpec& field : fields) {
    if (field.name == member) return &field.shape;
  }
  return nullptr;
}

std::string PolicyText(const PlanNode& node, const std::vector<VisibleColumn>& made) {
  std::vector<std::string> values;
  for (const VisibleColumn& column : made) {
    const auto value = node.default_values.find(column.id);
    if (value != node.default_values.end()) values.push_back(" " + column.name + "=" + value->second);
  }
  std::sort(values.begin(), values.end());
  std::string text = std::to_string(static_cast<int>(node.on_record_error));
  // Raised by hand when what a policy does changes: since 2 a default is marked as one.
  if (node.on_record_error == RecordPolicy::kDefault) text += " v2";
  for (const std::string& value : values) text += value;
  return text;
}

// The connection's name where only one fits and none is written.
std::string ConnectionOf(const ConfigValue& root, const ConfigValue& member) {
  const ConfigValue* connections = root.Find("connections");
  if (member.Find("connection") != nullptr || connections == nullptr) return std::string(member.Text("connection"));
  std::vector<std::string> fitting;
  for (const ConfigValue& each : connections->children) {
    if (each.Find(member.name) != nullptr) fitting.push_back(each.name);
  }
  return fitting.size() == 1 ? fitting[0] : "";
}

}  // namespace

void FingerprintSource(const ConfigValue& root, const ConfigValue& entry, const ConfigValue& member,
                       const Registry& registry, PlanSource& out) {
  const std::vector<FieldSpec>& fields = registry.FindConnector(member.name)->spec().source;
  const std::string connection = ConnectionOf(root, member);
  const std::string on = connection.empty() ? "" : " on connection " + connection;
  const ConfigValue position = Only(member, fields, {Affects::kResults, Affects::kPosition});
  out.position_owner = member.name + " " + position.Canonical() + on;
  std::string text = member.name + " " + Only(member, fields, {Affects::kResults}).Canonical() + on + "\n";
  text += out.format->spec().name + "\n" + std::string(entry.Text("envelope")) + "\n";
  const ConfigValue* schemas = root.Find("schemas");
  if (const ConfigValue* schema = schemas != nullptr ? schemas->Find(entry.Text("schema")) : nullptr) {
    ConfigValue content = *schema;
    DropSchemaNotes(content);
    text += content.Canonical();
  }
  const ConfigValue* key = entry.Find("key");
  text += "\n" + (key != nullptr ? key->Canonical() : "\"record\"");
  // Whose time a row has; how late or far ahead it may be leaves kept rows what they are.
  if (const ConfigValue* time = entry.Find("time")) text += "\ntime " + std::string(time->Text("field"));
  const std::vector<FieldSpec> common = CommonSourceFields(registry);
  for (const ConfigValue& more : entry.children) {
    const bool counts = more.name != member.name && AffectsOf(common, more.name) == Affects::kResults;
    if (counts) text += "\n" + more.name + "=" + more.Canonical();
  }
  out.fingerprint = HashText(text);
}

void FingerprintNode(const ConfigValue& entry, const NodeKind& kind, const std::vector<VisibleColumn>& made,
                     PlanNode& out) {
  const std::vector<FieldSpec> fields = NodeFields(kind);
  std::vector<std::string> parts;
  for (const ConfigValue& member : Only(entry, fields, {Affects::kResults}).children) {
    parts.push_back(member.name + "=" + InOrder(member, ShapeOf(kind.spec().fields, member.name)));
  }
  std::sort(parts.begin(), parts.end());
  std::string text = kind.spec().name + " " + std::to_string(kind.spec().version) + "\n";
  for (const std::string& part : parts) text += part + "\n";
  if (out.join_any) text += "any\n";
  text += PolicyText(out, made);
  const std::string extra = out.program->FingerprintExtra();
  out.fingerprint = HashText(text) + (extra.empty() ? "" : "-" + HashText(extra));
}

void CloseFingerprint(const Plan& plan, PlanNode& out) {
  std::string text = out.fingerprint;
  for (const StageId input : out.inputs) {
    text += " " + (input < plan.sources.size() ? plan.sources[input].fingerprint : plan.node(input).closure);
  }
  out.closure = HashText(text);
}

}  // namespace anabranch

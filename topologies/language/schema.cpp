#include "topologies/language/schema.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "topologies/language/topology_spec.h"

namespace anabranch {

namespace {

using Json = nlohmann::ordered_json;

Json ObjectSchema(const std::vector<FieldSpec>& fields, bool open = false);

// A number, or text that a variable expands to.
Json Scalar(const char* type, const Shape& shape) {
  Json plain = {{"type", type}};
  if (std::isfinite(shape.min)) plain["minimum"] = shape.min;
  if (std::isfinite(shape.max)) plain["maximum"] = shape.max;
  return {{"anyOf", Json::array({plain, {{"type", "string"}, {"pattern", "\\$\\{"}}})}};
}

Json ToSchema(const Shape& shape) {
  switch (shape.kind) {
    case Shape::Kind::kAny: return Json::object();
    case Shape::Kind::kBool: return Scalar("boolean", shape);
    case Shape::Kind::kInteger: return Scalar("integer", shape);
    case Shape::Kind::kNumber: return Scalar("number", shape);
    case Shape::Kind::kEnum:
      return {{"anyOf", Json::array({{{"enum", shape.words}}, {{"type", "string"}, {"pattern", "\\$\\{"}}})}};
    case Shape::Kind::kList: {
      Json list = {{"type", "array"}, {"items", ToSchema(shape.element[0])}};
      if (shape.non_empty) list["minItems"] = 1;
      return list;
    }
    case Shape::Kind::kMap: {
      Json map = {{"type", "object"}, {"additionalProperties", ToSchema(shape.element[0])}};
      map["patternProperties"] = {{"^(x-.*|\\$comment|\\$schema)$", Json::object()}};
      if (shape.non_empty) map["minProperties"] = 1;
      return map;
    }
    case Shape::Kind::kObject: return ObjectSchema(shape.fields);
    case Shape::Kind::kOneOf: {
      Json alternatives = Json::array();
      for (const Shape& each : shape.alternatives) alternatives.push_back(ToSchema(each));
      return {{"anyOf", alternatives}};
    }
    default: break;
  }
  Json text = {{"type", "string"}};
  if (shape.non_empty || shape.kind != Shape::Kind::kString) text["minLength"] = 1;
  return text;
}

Json FieldSchema(const FieldSpec& field) {
  Json schema = ToSchema(field.shape);
  if (!field.doc.empty()) schema["description"] = field.doc;
  if (!field.fallback.empty()) {
    const Json fallback = Json::parse(field.fallback, nullptr, false);
    if (!fallback.is_discarded()) schema["default"] = fallback;
  }
  return schema;
}

Json ObjectSchema(const std::vector<FieldSpec>& fields, bool open) {
  Json schema = {{"type", "object"}};
  Json properties = Json::object();
  Json required = Json::array();
  for (const FieldSpec& field : fields) {
    properties[field.name] = FieldSchema(field);
    if (field.required) required.push_back(field.name);
  }
  schema["properties"] = properties;
  schema["patternProperties"] = {{"^(x-.*|\\$comment|\\$schema)$", Json::object()}};
  if (!open) schema["additionalProperties"] = false;
  if (!required.empty()) schema["required"] = required;
  return schema;
}

Json Reference(const std::string& definition) { return {{"$ref", "#/definitions/" + definition}}; }

Json MapOf(const std::string& definition) {
  return {{"type", "object"},
          {"additionalProperties", Reference(definition)},
          {"patternProperties", {{"^(x-.*|\\$comment|\\$schema)$", Json::object()}}}};
}

// One object for each connector that can be used so: {"NAME": {…}}.
Json ConnectorSchema(const Registry& registry, ConnectorUse use) {
  Json alternatives = Json::array();
  for (const std::string& name : ConnectorsFor(registry, use)) {
    const Connector& connector = *registry.FindConnector(name);
    FieldSpec field{name, Shape::Any(), true, "", connector.spec().summary};
    Json one = ObjectSchema({field});
    one["properties"][name] = ObjectSchema(ConnectorFields(connector, use), use == ConnectorUse::kConnection);
    one["properties"][name]["description"] = connector.spec().summary;
    alternatives.push_back(one);
  }
  return {{"anyOf", alternatives}};
}

Json SourceSchema(const Registry& registry) {
  Json schema = ObjectSchema(CommonSourceFields(registry));
  Json one_of = Json::array();
  for (const std::string& name : ConnectorsFor(registry, ConnectorUse::kSource)) {
    const Connector& connector = *registry.FindConnector(name);
    schema["properties"][name] = ObjectSchema(ConnectorFields(connector, ConnectorUse::kSource));
    schema["properties"][name]["description"] = connector.spec().summary;
    one_of.push_back({{"required", {name}}});
  }
  schema["oneOf"] = one_of;
  return schema;
}

Json NodeSchema(const NodeKind& kind) {
  Json schema = ObjectSchema(NodeFields(kind));
  schema["description"] = kind.spec().summary;
  if (schema["properties"].contains("to")) {
    const Json described = schema["properties"]["to"].value("description", Json());
    schema["properties"]["to"] = {{"allOf", Json::array({Reference("target")})}};
    if (described.is_string()) schema["properties"]["to"]["description"] = described;
  }
  return schema;
}

// The keys that a node may have depend on its kind.
Json AnyNodeSchema(const Registry& registry) {
  Json schema = {{"type", "object"}, {"required", {"kind", "inputs"}}};
  schema["properties"] = {{"kind", {{"enum", registry.KindNames()}}}};
  Json cases = Json::array();
  for (const NodeKind* kind : registry.kinds()) {
    const std::string& name = kind->spec().name;
    cases.push_back({{"if", {{"properties", {{"kind", {{"const", name}}}}}}}, {"then", Reference("node_" + name)}});
  }
  schema["allOf"] = cases;
  return schema;
}

}  // namespace

std::string TopologySchema(const Registry& registry) {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", "Anabranch topology"}};
  schema.update(ObjectSchema(TopologyFields()));
  const auto replace = [&](const char* section, Json with) {
    with["description"] = schema["properties"][section].value("description", "");
    schema["properties"][section] = std::move(with);
  };
  schema["properties"]["name"]["pattern"] = "^[a-z][a-z0-9-]*$";
  replace("nodes", MapOf("node"));
  replace("sources", MapOf("source"));
  replace("connections", MapOf("connection"));
  replace("dead_letters", {{"allOf", Json::array({Reference("target")})}});
  replace("control", ConnectorSchema(registry, ConnectorUse::kControl));
  schema["properties"]["nodes"]["propertyNames"] = {{"pattern", "^([a-z][a-z0-9_]*|x-.*|\\$comment|\\$schema)$"}};
  Json definitions = Json::object();
  definitions["source"] = SourceSchema(registry);
  definitions["target"] = ConnectorSchema(registry, ConnectorUse::kTarget);
  definitions["connection"] = ConnectorSchema(registry, ConnectorUse::kConnection);
  definitions["node"] = AnyNodeSchema(registry);
  for (const NodeKind* kind : registry.kinds()) definitions["node_" + kind->spec().name] = NodeSchema(*kind);
  schema["definitions"] = definitions;
  return schema.dump(2) + "\n";
}

}  // namespace anabranch

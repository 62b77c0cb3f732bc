#include "connectors/kafka/kafka_options.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>

namespace anabranch {

namespace {

constexpr size_t kFewSuggestions = 200;  // each one looks at every property

const PropertyRule* FindRule(std::string_view name) {
  for (const PropertyRule& rule : AllowedProperties()) {
    if (name == rule.name) return &rule;
  }
  return nullptr;
}

bool Fits(PropertyScope rule, PropertyScope where) {
  if (where == PropertyScope::kConnection) return true;
  return rule == PropertyScope::kClient || rule == where;
}

const char* Belongs(PropertyScope scope) {
  switch (scope) {
    case PropertyScope::kConnection: return "set it in the connection";
    case PropertyScope::kConsumer: return "set it in \"properties\" of a source, or in the connection";
    case PropertyScope::kProducer: return "set it in the connection";
    case PropertyScope::kClient: break;
  }
  return "";
}

std::vector<std::string> NamesFor(PropertyScope where) {
  std::vector<std::string> names;
  for (const PropertyRule& rule : AllowedProperties()) {
    if (Fits(rule.scope, where)) names.emplace_back(rule.name);
  }
  return names;
}

bool SameWord(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

bool TurnsVerificationOff(std::string_view name, std::string_view value) {
  if (name == "ssl.endpoint.identification.algorithm") return SameWord(value, "none") || value.empty();
  if (name != "enable.ssl.certificate.verification") return false;
  return SameWord(value, "false") || SameWord(value, "f") || value == "0";
}

void CheckVerification(const ConfigValue& member, bool insecure, FaultSink& faults) {
  if (insecure) {
    faults.Add(FaultCode::kInsecure, member,
               "\"" + member.name + "\" is off: anyone between here and the brokers can read and change records");
    return;
  }
  faults.Add(FaultCode::kForbiddenProperty, member, "\"" + member.name + "\" turns off a check of whom we talk to",
             "name the authority with \"ssl.ca.location\", or say \"insecure\": true in the connection");
}

// A property that names a file or folder: the client would find out that it is not there when it starts.
void CheckFile(const ConfigValue& member, const std::string& path, FaultSink& faults) {
  const bool names_file = member.name.ends_with(".location") || member.name == "sasl.kerberos.keytab";
  if (!names_file || (member.name == "ssl.ca.location" && path == "probe")) return;
  std::error_code error;
  if (std::filesystem::exists(path, error)) return;
  faults.Add(FaultCode::kPath, member,
             "\"" + member.name + "\" names " + path + ", which is not there" + (error ? ": " + error.message() : ""),
             "put the file there, or correct the path; it counts from the folder in which anabranch is started");
}

void CheckMember(const ConfigValue& member, PropertyScope where, bool insecure, FaultSink& faults) {
  const PropertyRule* rule = FindRule(member.name);
  if (rule == nullptr) {
    const std::string_view why = WhyRefused(member.name);
    if (why.empty()) {
      const bool few = faults.faults().size() < kFewSuggestions;
      faults.AddAtName(FaultCode::kUnknownKey, member, "unknown Kafka property \"" + member.name + "\"",
                       few ? Suggest(member.name, NamesFor(where)) : std::string());
    } else {
      faults.AddAtName(FaultCode::kForbiddenProperty, member,
                       "Kafka property \"" + member.name + "\" cannot be set: " + std::string(why), "remove it");
    }
    return;
  }
  if (!Fits(rule->scope, where)) {
    faults.AddAtName(FaultCode::kForbiddenProperty, member, "Kafka property \"" + member.name + "\" has no effect here",
                     Belongs(rule->scope));
    return;
  }
  const std::optional<std::string> text = PropertyText(member);
  if (!text) {
    faults.Add(FaultCode::kWrongType, member,
               "Kafka property \"" + member.name + "\" is a string, number or boolean, not a value of type " +
                   member.KindName());
    return;
  }
  if (rule->secret && !member.expanded) {
    faults.Add(FaultCode::kForbiddenProperty, member,
               "\"" + member.name + "\" is a secret and stands in the file in clear",
               "use \"${NAME_OF_A_VARIABLE}\" or \"${file:/run/secrets/name}\"");
    return;
  }
  const std::string error = PropertyError(member.name, *text);
  if (!error.empty()) {
    const bool hide = rule->secret || member.secret;
    faults.Add(FaultCode::kBadValue, member,
               hide ? "the value of \"" + member.name + "\" is not valid" : "\"" + member.name + "\": " + error);
    return;
  }
  CheckFile(member, *text, faults);
  if (TurnsVerificationOff(member.name, *text)) CheckVerification(member, insecure, faults);
}

}  // namespace

std::string ClientOptions::Servers() const { return Value("bootstrap.servers", Value("metadata.broker.list")); }

std::string ClientOptions::Value(std::string_view property, std::string_view fallback) const {
  for (auto it = properties.rbegin(); it != properties.rend(); ++it) {
    if (it->name == property) return it->value;
  }
  return std::string(fallback);
}

std::vector<FieldSpec> ConnectionFields() {
  const Shape scalar = Shape::OneOf({Shape::String(), Shape::Number(), Shape::Bool()});
  std::vector<FieldSpec> fields;
  for (const PropertyRule& rule : AllowedProperties()) fields.push_back({rule.name, scalar, false, "", rule.doc});
  fields.push_back({"insecure", Shape::Bool(), false, "false", "Allows settings that turn off checks of TLS."});
  return fields;
}

void CheckConnectionProperties(const ConfigValue& at, FaultSink& faults) {
  if (!at.is_object()) return;
  const bool insecure = at.Flag("insecure", false);
  for (const ConfigValue& member : at.children) {
    if (member.name == "insecure") continue;
    CheckMember(member, PropertyScope::kConnection, insecure, faults);
  }
  if (at.Find("bootstrap.servers") == nullptr && at.Find("metadata.broker.list") == nullptr) {
    faults.Add(FaultCode::kMissingKey, at, "the connection names no brokers",
               "add \"bootstrap.servers\": \"localhost:9092\"");
  }
}

void CheckProperties(const ConfigValue* at, PropertyScope scope, FaultSink& faults) {
  if (at == nullptr || !at->is_object()) return;
  for (const ConfigValue& member : at->children) {
    CheckMember(member, scope, false, faults);
  }
}

void AddProperties(const ConfigValue* at, ClientOptions* options) {
  if (at == nullptr || !at->is_object()) return;
  for (const ConfigValue& member : at->children) {
    const PropertyRule* rule = FindRule(member.name);
    const std::optional<std::string> text = PropertyText(member);
    if (rule != nullptr && text) options->properties.push_back({member.name, *text, rule->scope});
  }
}

std::optional<std::string> PropertyText(const ConfigValue& value) {
  switch (value.kind) {
    case ConfigValue::Kind::kString: return value.text;
    case ConfigValue::Kind::kBool: return value.boolean ? "true" : "false";
    case ConfigValue::Kind::kInteger: return std::to_string(value.integer);
    case ConfigValue::Kind::kNumber: {
      char buffer[32];
      const auto end = std::to_chars(buffer, buffer + sizeof buffer, value.number).ptr;
      return std::string(buffer, end);
    }
    default: return std::nullopt;
  }
}

std::string PropertyError(const std::string& name, const std::string& value) {
  const std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)> scratch(rd_kafka_conf_new(),
                                                                                   &rd_kafka_conf_destroy);
  char text[512];
  if (rd_kafka_conf_set(scratch.get(), name.c_str(), value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK) return {};
  return text;
}

}  // namespace anabranch

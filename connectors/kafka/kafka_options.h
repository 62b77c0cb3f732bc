#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/config.h"
#include "engine/fault.h"
#include "engine/spec.h"

namespace anabranch {

// Where a property of the client library may stand in a topology.
enum class PropertyScope : uint8_t {
  kConnection,  // whom to talk to and as whom: the connection only
  kClient,      // tuning of any client: connection, source
  kConsumer,    // connection, source
  kProducer,    // connection
};

// One allowed property. All others are refused: several of them run commands or load libraries.
struct PropertyRule {
  const char* name;
  PropertyScope scope;
  bool secret;  // its value must come from a variable or a file and is never printed
  const char* doc;
};

const std::vector<PropertyRule>& AllowedProperties();

// Why a property is refused: it runs code, or this program sets it itself. Empty = no such entry.
std::string_view WhyRefused(std::string_view property);

// Checked properties of one client, as the library names them. Holds secrets: never print values.
struct ClientOptions {
  struct Property {
    std::string name;
    std::string value;
    PropertyScope scope = PropertyScope::kClient;
  };
  std::string connection;            // name in the topology
  std::vector<Property> properties;  // later ones count
  std::string Servers() const;       // bootstrap.servers, for messages
  std::string Value(std::string_view property, std::string_view fallback = {}) const;  // the last one set
};

// The fields of a connection: every allowed property and "insecure".
std::vector<FieldSpec> ConnectionFields();

// Checks the members of a connection: names by the allow-list, values by handing them to the library's
// own parser, secrets by where they come from, verification that is turned off.
void CheckConnectionProperties(const ConfigValue& at, FaultSink& faults);

// Checks "properties" of a source (kConsumer). Null is fine.
void CheckProperties(const ConfigValue* at, PropertyScope scope, FaultSink& faults);

// Appends the members of `at` that AllowedProperties() knows (others were faults already). Null is fine.
void AddProperties(const ConfigValue* at, ClientOptions* options);

// A scalar as the library wants it; nothing for arrays, objects and null.
std::optional<std::string> PropertyText(const ConfigValue& value);

// What the library's parser says about a value: empty = fine. No network, no files, nothing is started.
std::string PropertyError(const std::string& name, const std::string& value);

}  // namespace anabranch

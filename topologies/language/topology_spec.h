#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/registry.h"
#include "engine/spec.h"

namespace anabranch {

// The format's own keys, as specs: the structural check and the JSON Schema are both made from these.

// Keys of the file. Sections whose entries depend on the registry are free maps here.
std::vector<FieldSpec> TopologyFields();
// Keys that every node may have, whatever its kind.
std::vector<FieldSpec> CommonNodeFields();
// The keys of a node of this kind, common ones first.
std::vector<FieldSpec> NodeFields(const NodeKind& kind);
// Keys of a source beside its connector's.
std::vector<FieldSpec> CommonSourceFields(const Registry& registry);
// The format of a source that names none.
inline constexpr std::string_view kDefaultFormat = "json";
std::vector<FieldSpec> ModelFields();

// Which of a connector's field lists an object under its name is checked against.
enum class ConnectorUse : uint8_t { kSource, kTarget, kConnection, kControl };
const std::vector<FieldSpec>& ConnectorFields(const Connector& connector, ConnectorUse use);
// Names of the connectors that can be used so.
std::vector<std::string> ConnectorsFor(const Registry& registry, ConnectorUse use);

}  // namespace anabranch

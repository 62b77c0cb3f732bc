#include "topologies/language/services.h"

namespace anabranch {

const ConfigValue* Services::Section(std::string_view section, std::string_view name) const {
  const ConfigValue* entries = root_.Find(section);
  const ConfigValue* entry = entries != nullptr ? entries->Find(name) : nullptr;
  if (entry != nullptr) used_.emplace(section, name);
  return entry;
}

std::vector<std::string> Services::Names(std::string_view section) const {
  std::vector<std::string> names;
  const ConfigValue* entries = root_.Find(section);
  if (entries == nullptr || !entries->is_object()) return names;
  for (const ConfigValue& entry : entries->children) names.push_back(entry.name);
  return names;
}

std::shared_ptr<const TargetProgram> Services::BindTarget(const ConfigValue& to, const TargetFields& fields,
                                                          FaultSink& faults) {
  const ConfigValue* member = ConnectorMember(to, registry_);
  if (member == nullptr) return nullptr;  // the structural check has said so
  return registry_.FindConnector(member->name)->BindTarget(*member, fields, *this, faults);
}

const ConfigValue* ConnectorMember(const ConfigValue& value, const Registry& registry) {
  if (!value.is_object()) return nullptr;
  for (const ConfigValue& member : value.children) {
    if (registry.FindConnector(member.name) != nullptr) return &member;
  }
  return nullptr;
}

}  // namespace anabranch

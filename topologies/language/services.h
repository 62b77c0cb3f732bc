#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/registry.h"
#include "topologies/language/paths.h"

namespace anabranch {

// BindServices over one topology file; remembers which entries of its sections were asked for.
class Services final : public BindServices {
 public:
  Services(const ConfigValue& root, const Registry& registry, PathJudge paths)
      : root_(root), registry_(registry), paths_(std::move(paths)) {}

  Result<std::string> ResolvePath(std::string_view path) const override { return paths_.Resolve(path); }
  const ConfigValue* Section(std::string_view section, std::string_view name) const override;
  std::vector<std::string> Names(std::string_view section) const override;
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& to, const TargetFields& fields,
                                                  FaultSink& faults) override;
  bool Used(const std::string& section, const std::string& name) const { return used_.count({section, name}) != 0; }

 private:
  const ConfigValue& root_;
  const Registry& registry_;
  PathJudge paths_;
  mutable std::set<std::pair<std::string, std::string>> used_;
};

// The member of {"CONNECTOR": {…}} that names a connector, or null.
const ConfigValue* ConnectorMember(const ConfigValue& value, const Registry& registry);

}  // namespace anabranch

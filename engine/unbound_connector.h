#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/connector.h"

namespace anabranch {

// A connector of a plan that is made in code: no topology file names it, so it binds nothing. It opens committers.
class UnboundConnector : public Connector {
 public:
  explicit UnboundConnector(std::string name) { spec_.name = std::move(name); }
  const Spec& spec() const override { return spec_; }
  std::shared_ptr<const SourceProgram> BindSource(const ConfigValue&, const std::string&, BindServices&,
                                                  FaultSink&) const override {
    return nullptr;
  }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue&, const TargetFields&, BindServices&,
                                                  FaultSink&) const override {
    return nullptr;
  }
  std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue*, const SourceProgram*, const std::string&,
                                                       BindServices&, FaultSink&) const override {
    return nullptr;
  }

 private:
  Spec spec_;
};

}  // namespace anabranch

#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/connector.h"
#include "engine/node.h"

namespace anabranch {

// What this program can do: node kinds and connectors by name. Filled once at start by the generated
// catalogues (nodes/catalog.h, connectors/catalog.h), then read-only and thread-safe.
class Registry {
 public:
  // A name registered twice is a fault of the program: aborts with a message.
  void Add(std::unique_ptr<NodeKind> kind);
  void Add(std::unique_ptr<Connector> connector);

  const NodeKind* FindKind(std::string_view name) const;
  const Connector* FindConnector(std::string_view name) const;
  // In name order.
  std::vector<const NodeKind*> kinds() const;
  std::vector<const Connector*> connectors() const;
  // Connector::CheckOutside of every connector: all that is missing, one after the other.
  Status CheckOutside(std::span<const OutsideNeed> needs, const CancelToken* cancel) const;
  std::vector<std::string> KindNames() const;
  std::vector<std::string> ConnectorNames() const;

 private:
  std::vector<std::unique_ptr<NodeKind>> kinds_;
  std::vector<std::unique_ptr<Connector>> connectors_;
};

}  // namespace anabranch

#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/connector.h"
#include "engine/format.h"
#include "engine/node.h"

namespace anabranch {

// What this program can do: node kinds, connectors and formats by name. Filled once at start by the generated
// catalogues (nodes/catalog.h, connectors/catalog.h, engine/formats/catalog.h), then read-only and thread-safe.
class Registry {
 public:
  // A name registered twice is a fault of the program: aborts with a message.
  void Add(std::unique_ptr<NodeKind> kind);
  void Add(std::unique_ptr<Connector> connector);
  void Add(std::unique_ptr<Format> format);

  const NodeKind* FindKind(std::string_view name) const;
  const Connector* FindConnector(std::string_view name) const;
  const Format* FindFormat(std::string_view name) const;
  // In name order.
  std::vector<const NodeKind*> kinds() const;
  std::vector<const Connector*> connectors() const;
  std::vector<const Format*> formats() const;
  // Connector::CheckOutside of every connector: all that is missing, one after the other.
  Status CheckOutside(std::span<const OutsideNeed> needs, const std::string& make_command,
                      const CancelToken* cancel) const;
  // Connector::ListOutside and MakeOutside of every connector, one after the other; the first error ends it.
  Result<std::vector<OutsideThing>> ListOutside(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                                const CancelToken* cancel) const;
  Result<std::vector<OutsideThing>> MakeOutside(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                                const CancelToken* cancel) const;
  std::vector<std::string> KindNames() const;
  std::vector<std::string> ConnectorNames() const;
  std::vector<std::string> FormatNames() const;

 private:
  std::vector<std::unique_ptr<NodeKind>> kinds_;
  std::vector<std::unique_ptr<Connector>> connectors_;
  std::vector<std::unique_ptr<Format>> formats_;
};

}  // namespace anabranch

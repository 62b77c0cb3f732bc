#include "engine/registry.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <utility>

namespace anabranch {

namespace {

// Puts `item` at its place in name order.
template <typename T>
void Insert(std::vector<std::unique_ptr<T>>& items, std::unique_ptr<T> item, const char* what) {
  const std::string& name = item->spec().name;
  const auto at = std::lower_bound(items.begin(), items.end(), name, [](const auto& each, const std::string& wanted) {
    return each->spec().name < wanted;
  });
  if (at != items.end() && (*at)->spec().name == name) {
    std::fprintf(stderr, "anabranch: the %s \"%s\" is registered twice\n", what, name.c_str());
    std::abort();
  }
  items.insert(at, std::move(item));
}

template <typename T>
const T* FindIn(const std::vector<std::unique_ptr<T>>& items, std::string_view name) {
  for (const auto& item : items) {
    if (item->spec().name == name) return item.get();
  }
  return nullptr;
}

template <typename T>
std::vector<const T*> All(const std::vector<std::unique_ptr<T>>& items) {
  std::vector<const T*> all;
  for (const auto& item : items) all.push_back(item.get());
  return all;
}

template <typename T>
std::vector<std::string> Names(const std::vector<std::unique_ptr<T>>& items) {
  std::vector<std::string> names;
  for (const auto& item : items) names.push_back(item->spec().name);
  return names;
}

Result<std::vector<OutsideThing>> AllThings(
    const std::vector<std::unique_ptr<Connector>>& connectors,
    const std::function<Result<std::vector<OutsideThing>>(const Connector&)>& ask) {
  std::vector<OutsideThing> all;
  for (const auto& connector : connectors) {
    ASSIGN_OR_RETURN(std::vector<OutsideThing> things, ask(*connector));
    std::move(things.begin(), things.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace

void Registry::Add(std::unique_ptr<NodeKind> kind) { Insert(kinds_, std::move(kind), "node kind"); }
void Registry::Add(std::unique_ptr<Connector> connector) { Insert(connectors_, std::move(connector), "connector"); }

void Registry::Add(std::unique_ptr<Format> format) { Insert(formats_, std::move(format), "format"); }

const NodeKind* Registry::FindKind(std::string_view name) const { return FindIn(kinds_, name); }
const Connector* Registry::FindConnector(std::string_view name) const { return FindIn(connectors_, name); }
const Format* Registry::FindFormat(std::string_view name) const { return FindIn(formats_, name); }
std::vector<const NodeKind*> Registry::kinds() const { return All(kinds_); }
std::vector<const Connector*> Registry::connectors() const { return All(connectors_); }
std::vector<const Format*> Registry::formats() const { return All(formats_); }
Status Registry::CheckOutside(std::span<const OutsideNeed> needs, const std::string& make_command,
                              const CancelToken* cancel) const {
  Status all;
  for (const auto& connector : connectors_) {
    Status one = connector->CheckOutside(needs, make_command, cancel);
    if (!one.ok()) all = {one.code(), all.ok() ? one.message() : all.message() + "\n" + one.message()};
  }
  return all;
}

Result<std::vector<OutsideThing>> Registry::ListOutside(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                                        const CancelToken* cancel) const {
  return AllThings(connectors_, [&](const Connector& each) { return each.ListOutside(needs, wishes, cancel); });
}

Result<std::vector<OutsideThing>> Registry::MakeOutside(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                                        const CancelToken* cancel) const {
  return AllThings(connectors_, [&](const Connector& each) { return each.MakeOutside(needs, wishes, cancel); });
}

std::vector<std::string> Registry::KindNames() const { return Names(kinds_); }
std::vector<std::string> Registry::ConnectorNames() const { return Names(connectors_); }
std::vector<std::string> Registry::FormatNames() const { return Names(formats_); }

}  // namespace anabranch

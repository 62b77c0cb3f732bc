#include "engine/scope.h"

#include <algorithm>

namespace anabranch {

const VisibleColumn* Scope::Find(std::string_view name) const {
  for (const VisibleColumn& column : columns_) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

void Scope::Remove(std::string_view name) {
  std::erase_if(columns_, [name](const VisibleColumn& column) { return column.name == name; });
}

std::vector<std::string> Scope::Names() const {
  std::vector<std::string> names;
  names.reserve(columns_.size());
  for (const VisibleColumn& column : columns_) names.push_back(column.name);
  return names;
}

}  // namespace anabranch

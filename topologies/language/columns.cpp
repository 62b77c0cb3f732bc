#include "topologies/language/columns.h"

#include <algorithm>

namespace anabranch {

namespace {

bool Overlap(const std::vector<bool>& a, const std::vector<bool>& b) {
  for (size_t source = 0; source < a.size() && source < b.size(); ++source) {
    if (a[source] && b[source]) return true;
  }
  return false;
}

}  // namespace

ColumnId ColumnTable::Make(std::string_view name, const Type& type, const std::string& maker,
                           const std::vector<bool>& sources, bool adapts) {
  std::vector<ColumnId>& named = by_name_[std::string(name)];
  const auto shared = std::find_if(named.begin(), named.end(), [&](ColumnId id) {
    return entries_[id].info.type == type && !Overlap(entries_[id].sources, sources);
  });
  const ColumnId id = shared != named.end() ? *shared : ColumnId(entries_.size());
  if (shared == named.end()) {
    named.push_back(id);
    entries_.push_back({{std::string(name), type, maker}, sources, 0, 0, nullptr, false, false});
  }
  Entry& entry = entries_[id];
  for (size_t source = 0; source < sources.size(); ++source) {
    if (sources[source]) entry.sources[source] = true;
  }
  ++entry.makers;
  if (adapts) ++entry.adapting;
  return id;
}

std::shared_ptr<const Type> ColumnTable::Adapt(ColumnId column) {
  Entry& entry = entries_[column];
  ++entry.adapting;
  if (entry.storage == nullptr) entry.storage = std::make_shared<Type>(entry.info.type);
  return entry.storage;
}

void ColumnTable::Settle() {
  for (ColumnId column = 0; column < entries_.size(); ++column) {
    if (entries_[column].storage != nullptr) *entries_[column].storage = Storage(column);
  }
}

const ColumnInfo* ColumnTable::Find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found != by_name_.end() ? &entries_[found->second.front()].info : nullptr;
}

const ColumnInfo* ColumnTable::FindFor(std::string_view name, const std::vector<bool>& sources) const {
  const auto found = by_name_.find(std::string(name));
  if (found == by_name_.end()) return nullptr;
  for (const ColumnId id : found->second) {
    if (Overlap(entries_[id].sources, sources)) return &entries_[id].info;
  }
  return nullptr;
}

void ColumnTable::NoteRead(ColumnId column, bool as_float32) {
  entries_[column].read = true;
  if (!as_float32) entries_[column].read_wide = true;
}

Type ColumnTable::Storage(ColumnId column) const {
  const Entry& entry = entries_[column];
  Type type = entry.info.type;
  const bool narrow = entry.adapting == entry.makers && entry.read && !entry.read_wide && type.kind == Kind::kTensor &&
                      type.element == Kind::kFloat64;
  if (narrow) type.element = Kind::kFloat32;
  return type;
}

}  // namespace anabranch

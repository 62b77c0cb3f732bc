#include "topologies/language/columns.h"

namespace anabranch {

ColumnId ColumnTable::Add(std::string_view name, const Type& type, const std::string& maker, bool adapts) {
  const auto id = static_cast<ColumnId>(entries_.size());
  entries_.push_back({{std::string(name), type, maker}, adapts, nullptr, false, false});
  by_name_[std::string(name)].push_back(id);
  return id;
}

std::shared_ptr<const Type> ColumnTable::Adapt(ColumnId column) {
  Entry& entry = entries_[column];
  entry.adapts = true;
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

const ColumnId* ColumnTable::FindSame(std::string_view name, const Type& type) const {
  const auto found = by_name_.find(std::string(name));
  if (found == by_name_.end()) return nullptr;
  for (const ColumnId& id : found->second) {
    if (entries_[id].info.type == type) return &id;
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
  const bool narrow =
      entry.adapts && entry.read && !entry.read_wide && type.kind == Kind::kTensor && type.element == Kind::kFloat64;
  if (narrow) type.element = Kind::kFloat32;
  return type;
}

}  // namespace anabranch

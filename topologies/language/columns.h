#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/scope.h"

namespace anabranch {

// All columns of a topology while it is bound: who made them, who reads them and how.
class ColumnTable {
 public:
  // `adapts`: its maker stores it as Storage() says.
  ColumnId Add(std::string_view name, const Type& type, const std::string& maker, bool adapts);
  // From now on its maker stores it as what is returned says, which is filled in by Settle().
  std::shared_ptr<const Type> Adapt(ColumnId column);
  // No more reads will be noted.
  void Settle();
  // The first column of this name, or null.
  const ColumnInfo* Find(std::string_view name) const;
  // The column of this name and type, if there is one.
  const ColumnId* FindSame(std::string_view name, const Type& type) const;

  void NoteRead(ColumnId column, bool as_float32);
  bool read(ColumnId column) const { return entries_[column].read; }
  // The type that is stored: float64 tensors become float32 when all their readers are content with that and their
  // maker adapts.
  Type Storage(ColumnId column) const;
  const ColumnInfo& at(ColumnId column) const { return entries_[column].info; }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    ColumnInfo info;
    bool adapts = false;
    std::shared_ptr<Type> storage;  // where the maker looks it up
    bool read = false;
    bool read_wide = false;
  };
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::vector<ColumnId>> by_name_;
};

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/scope.h"

namespace anabranch {

// All columns of a topology while it is bound: who makes them, who reads them and how.
//
// A batch holds rows of one source. So makers of one name and type that never see the same source's rows share one
// column: below a union, readers find it in every batch.
class ColumnTable {
 public:
  // Notes that `maker` makes the column for the rows of `sources` (by source). `adapts`: it stores it as Storage()
  // says.
  ColumnId Make(std::string_view name, const Type& type, const std::string& maker, const std::vector<bool>& sources,
                bool adapts);
  // One of its makers stores it as what is returned says, which is filled in by Settle().
  std::shared_ptr<const Type> Adapt(ColumnId column);
  // No more reads will be noted.
  void Settle();
  // The first column of this name, or null.
  const ColumnInfo* Find(std::string_view name) const;
  // The column of this name that rows of some of `sources` have already, or null.
  const ColumnInfo* FindFor(std::string_view name, const std::vector<bool>& sources) const;

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
    std::vector<bool> sources;  // whose rows have it
    size_t makers = 0;
    size_t adapting = 0;            // of its makers
    std::shared_ptr<Type> storage;  // where the maker looks it up
    bool read = false;
    bool read_wide = false;
  };
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::vector<ColumnId>> by_name_;
};

}  // namespace anabranch

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.h"
#include "engine/type.h"

namespace anabranch {

// A column as the plan knows it.
struct ColumnInfo {
  std::string name;  // as its maker named it
  Type type;
  std::string maker;  // id of the source or node
};

// A column as one node sees it.
struct VisibleColumn {
  std::string name;  // after `rename`s above
  ColumnId id;
  Type type;
  bool nullable = false;  // may be null on a row that reaches the reader
  bool result = false;    // made by a kind whose columns are results (NodeKind::Spec)
  std::string maker;
  bool substituted = false;               // may hold a default of its maker's `on_error`
  std::vector<std::string> classes = {};  // of a vector of a classifier: the names of its values, where they are known
};

// The columns a node may read, in the order they were made. Value type.
class Scope {
 public:
  const VisibleColumn* Find(std::string_view name) const;
  void Add(VisibleColumn column) { columns_.push_back(std::move(column)); }
  void Remove(std::string_view name);
  const std::vector<VisibleColumn>& columns() const { return columns_; }
  std::vector<std::string> Names() const;

 private:
  std::vector<VisibleColumn> columns_;
};

}  // namespace anabranch

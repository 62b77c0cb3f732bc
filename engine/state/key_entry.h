#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "engine/state/key_table.h"

namespace anabranch {

// One entry of a table, as the node sees it that owns its bytes. Valid until the table is changed by another way.
class KeyEntry {
 public:
  KeyEntry(KeyTable& table, KeyTable::Place place) : table_(&table), place_(place) {}

  std::string_view key() const { return table_->key(place_); }
  std::span<char> value() { return table_->value(place_); }
  // As KeyTable::Resize.
  std::span<char> Resize(size_t bytes) { return table_->Resize(&place_, bytes); }
  KeyTable::Place place() const { return place_; }

 private:
  KeyTable* table_;
  KeyTable::Place place_;
};

}  // namespace anabranch

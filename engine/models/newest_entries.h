#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/models/control_log.h"

namespace anabranch {

// Entries of a log as they are read, in order, without those that later ones replace. A log that is not cleaned yet has
// thousands of counts, each of up to a megabyte.
class NewestEntries {
 public:
  void Add(ControlEntry entry) {
    if (const std::string key = ReplacedBy(entry); !key.empty()) {
      const auto [known, is_new] = newest_.try_emplace(key, entries_.size());
      if (!is_new) {
        entries_[known->second] = ControlEntry();
        known->second = entries_.size();
      }
    }
    entries_.push_back(std::move(entry));
  }
  bool empty() const { return entries_.empty(); }
  std::vector<ControlEntry> Take() && {
    std::erase_if(entries_, [](const ControlEntry& each) { return each.number == 0; });
    return std::move(entries_);
  }

 private:
  std::vector<ControlEntry> entries_;     // replaced: number 0
  std::map<std::string, size_t> newest_;  // by key: where it is
};

}  // namespace anabranch

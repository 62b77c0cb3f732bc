#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/codec/decoder.h"

namespace anabranch {

// One object of the records: which of its keys are wanted, and which key follows which, learnt from the records seen.
// A guess is checked byte by byte before it counts, so that a wrong one costs time only. One per decoder.
class KeyNode {
 public:
  enum class Use : uint8_t { kIgnored, kLeaf, kObject };

  struct Entry {
    std::string key;
    Use use = Use::kIgnored;
    bool known = false;               // the schema names it
    bool required = false;            // by this object
    uint32_t slot = 0;                // kLeaf: index of the wanted field
    std::unique_ptr<KeyNode> object;  // kObject
    uint64_t seen = 0;                // the last record that had it
    Entry* next = nullptr;            // the key that came after it last time
    uint64_t head = 0;                // the key's first eight bytes, and which bits of them count
    uint64_t head_mask = 0;
  };

  bool closed = false;
  bool null_allowed = false;
  uint8_t depth = 0;                  // steps above its keys
  uint32_t wanted = 0;                // entries that are no kIgnored
  std::vector<uint32_t> slots_below;  // wanted fields in it and below

  // The entry of `key` where `previous` (null = none) was the key before it; null when the key is unknown to the
  // schema and was not learnt. Eight bytes may be read where they begin at or before `wide`.
  Entry* Find(std::string_view key, Entry* previous, const char* wide) {
    Entry*& guess = previous == nullptr ? first_ : previous->next;
    if (guess != nullptr && Same(*guess, key, wide)) return guess;
    Entry* found = Lookup(key);
    if (found != nullptr) guess = found;
    return found;
  }

  Entry& Add(std::string_view key);
  Entry* Get(std::string_view key);  // never learns
  std::deque<Entry>& entries() { return entries_; }

 private:
  static bool Same(const Entry& entry, std::string_view key, const char* wide) {
    if (entry.key.size() != key.size()) return false;
    if (key.data() > wide) return entry.key == key;
    uint64_t word = 0;
    std::memcpy(&word, key.data(), 8);
    if (((word ^ entry.head) & entry.head_mask) != 0) return false;
    return key.size() <= 8 || std::memcmp(entry.key.data() + 8, key.data() + 8, key.size() - 8) == 0;
  }
  Entry& Append(std::string_view key);
  Entry* Lookup(std::string_view key);

  std::deque<Entry> entries_;
  std::unordered_map<std::string_view, Entry*> by_key_;
  Entry* first_ = nullptr;
  size_t learnt_ = 0;
};

// The objects on the way to the wanted fields of `plan` and the closed ones; slots are indices into plan.fields.
std::unique_ptr<KeyNode> MakeKeyTree(const DecodePlan& plan);

}  // namespace anabranch

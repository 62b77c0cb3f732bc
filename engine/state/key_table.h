#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace anabranch {

// A hash table in memory from keys to bytes that grow and shrink: what one keyed node remembers of one source
// partition. An entry is one block of an arena: its key, then its value, which begins at a multiple of eight. A value
// is moved with memcpy and holds no pointers.
//
// Looking up many keys at once takes three passes over them, so that the processor waits for many of them at the same
// time. The order of ForEach() depends on the history of the table: no result may depend on it.
//
// One thread at a time. Memory: 8 bytes per slot (at most three quarters are used) and 8 bytes per entry beside key and
// value, both rounded up to whole blocks.
class KeyTable {
 public:
  // Where an entry lies. Changes when its value grows; 0 names none.
  using Place = uint32_t;
  static constexpr Place kNone = 0;
  static constexpr size_t kMostKeyBytes = (size_t{1} << 24) - 1;
  static constexpr size_t kMostValueBytes = size_t{1} << 30;

  KeyTable();
  ~KeyTable();
  KeyTable(KeyTable&&) noexcept;
  KeyTable& operator=(KeyTable&&) noexcept;

  // The entry of `key`; kNone: there is none.
  Place Find(std::string_view key) const;
  // The same, made with an empty value where there is none. Throws std::length_error for a key above kMostKeyBytes, or
  // where the table is full (2^32 blocks of 16 bytes).
  Place FindOrAdd(std::string_view key);
  // Has the processor fetch the entries of `keys` (those that are there) into its cache. A key whose data() is null is
  // passed over. Worth it for more than a few; changes nothing.
  void Prefetch(std::span<const std::string_view> keys);

  std::string_view key(Place place) const;
  // Valid until the next change of this entry's size, or its end.
  std::span<char> value(Place place);
  std::span<const char> value(Place place) const;
  // Sets the size of a value. What was there stays, as far as it has room; new bytes are 0. The place of the entry may
  // change. Other entries stay where they are.
  std::span<char> Resize(Place* place, size_t bytes);
  void Erase(Place place);

  size_t size() const { return size_; }
  // Of slots and arena, as taken from the system.
  size_t memory_bytes() const;
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Slot& slot : slots_) {
      if (slot.place != kNone) visit(slot.place);
    }
  }

 private:
  // `tag` is half of the key's hash. Its upper bits say where the slot belongs, so that a larger table is made without
  // a look at any key.
  struct Slot {
    uint32_t tag = 0;
    Place place = kNone;
  };
  struct Header {
    uint32_t value_bytes;
    uint32_t key_bytes : 24;
    uint32_t size_class : 8;
  };
  static_assert(sizeof(Header) == 8);
  struct Chunk {
    std::unique_ptr<char[]> data;
    size_t bytes;
  };

  static uint32_t TagOf(std::string_view key);
  size_t Home(uint32_t tag) const { return static_cast<size_t>(tag) >> shift_; }
  char* At(Place place) const;
  const Header& header(Place place) const { return *reinterpret_cast<const Header*>(At(place)); }
  size_t SlotOf(std::string_view key, uint32_t tag) const;  // of the key, or the free one where it would be
  size_t SlotAt(Place place) const;
  void Grow();
  Place Allocate(size_t bytes, uint8_t* size_class);
  Place AllocateLarge(size_t bytes);
  void Free(Place place);
  Place Make(std::string_view key, size_t value_bytes);

  static constexpr size_t kClasses = 96;
  std::vector<Slot> slots_;
  int shift_ = 0;
  size_t size_ = 0;
  std::vector<Chunk> chunks_;
  size_t open_chunk_ = 0;               // of small blocks
  size_t used_ = 0;                     // units of it
  std::array<Place, kClasses> free_{};  // by size class: the first free block
  std::vector<uint32_t> prefetched_;    // scratch: tags
};

}  // namespace anabranch

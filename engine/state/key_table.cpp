#include "engine/state/key_table.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace anabranch {
namespace {

constexpr size_t kUnit = 16;
constexpr size_t kUnitBits = 16;  // of a place: the unit in its chunk; the rest is the chunk
constexpr size_t kChunkUnits = size_t{1} << kUnitBits;
constexpr size_t kFirstSlots = 16;
constexpr uint8_t kLarge = 255;  // a block with a chunk of its own
constexpr size_t kExactUnits = 32;

// Up to 32 units each size has a class of its own, above it four classes for each doubling.
size_t ClassOf(size_t units) {
  if (units <= kExactUnits) return units - 1;
  const auto octave = static_cast<size_t>(std::bit_width(units - 1)) - 1;  // 2^octave < units <= 2^(octave + 1)
  const size_t quarter = (units - 1 - (size_t{1} << octave)) >> (octave - 2);
  return kExactUnits + (octave - 5) * 4 + quarter;
}

size_t UnitsOf(size_t size_class) {
  if (size_class < kExactUnits) return size_class + 1;
  const size_t octave = (size_class - kExactUnits) / 4 + 5, quarter = (size_class - kExactUnits) % 4;
  return (size_t{1} << octave) + ((quarter + 1) << (octave - 2));
}

size_t Rounded(size_t bytes) { return (bytes + 7) & ~size_t{7}; }

}  // namespace

KeyTable::KeyTable() : slots_(kFirstSlots), shift_(32 - std::countr_zero(kFirstSlots)) {}
KeyTable::~KeyTable() = default;
KeyTable::KeyTable(KeyTable&&) noexcept = default;
KeyTable& KeyTable::operator=(KeyTable&&) noexcept = default;

uint32_t KeyTable::TagOf(std::string_view key) {
  return static_cast<uint32_t>(XXH3_64bits(key.data(), key.size()) >> 32);
}

char* KeyTable::At(Place place) const {
  return chunks_[place >> kUnitBits].data.get() + (place & (kChunkUnits - 1)) * kUnit;
}

std::string_view KeyTable::key(Place place) const { return {At(place) + sizeof(Header), header(place).key_bytes}; }

std::span<char> KeyTable::value(Place place) {
  const Header& at = header(place);
  return {At(place) + sizeof(Header) + Rounded(at.key_bytes), at.value_bytes};
}

std::span<const char> KeyTable::value(Place place) const { return const_cast<KeyTable*>(this)->value(place); }

size_t KeyTable::SlotOf(std::string_view key, uint32_t tag) const {
  size_t at = Home(tag);
  while (slots_[at].place != kNone && (slots_[at].tag != tag || this->key(slots_[at].place) != key)) {
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

size_t KeyTable::SlotAt(Place place) const {
  size_t at = Home(TagOf(key(place)));
  while (slots_[at].place != place) at = (at + 1) & (slots_.size() - 1);
  return at;
}

KeyTable::Place KeyTable::Find(std::string_view key) const { return slots_[SlotOf(key, TagOf(key))].place; }

KeyTable::Place KeyTable::FindOrAdd(std::string_view key) {
  const uint32_t tag = TagOf(key);
  size_t at = SlotOf(key, tag);
  if (slots_[at].place != kNone) return slots_[at].place;
  if ((size_ + 1) * 4 > slots_.size() * 3) {
    Grow();
    at = SlotOf(key, tag);
  }
  const Place place = Make(key, 0);
  slots_[at] = {tag, place};
  ++size_;
  return place;
}

void KeyTable::Prefetch(std::span<const std::string_view> keys) {
  prefetched_.clear();
  for (const std::string_view key : keys) {
    const uint32_t tag = key.data() == nullptr ? 0 : TagOf(key);
    prefetched_.push_back(tag);
    if (key.data() != nullptr) __builtin_prefetch(&slots_[Home(tag)]);
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].data() == nullptr) continue;
    size_t at = Home(prefetched_[i]);
    while (slots_[at].place != kNone && slots_[at].tag != prefetched_[i]) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].place == kNone) continue;
    const char* block = At(slots_[at].place);
    __builtin_prefetch(block);
    __builtin_prefetch(block + 64);
  }
}

void KeyTable::Grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  --shift_;
  for (const Slot& slot : old) {
    if (slot.place == kNone) continue;
    size_t at = Home(slot.tag);
    while (slots_[at].place != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

KeyTable::Place KeyTable::Make(std::string_view key, size_t value_bytes) {
  if (key.size() > kMostKeyBytes) throw std::length_error("a key of keyed state has more than 16 MiB");
  if (value_bytes > kMostValueBytes) throw std::length_error("the state of one key has more than 1 GiB");
  uint8_t size_class = 0;
  const size_t bytes = sizeof(Header) + Rounded(key.size()) + value_bytes;
  const Place place = Allocate(bytes, &size_class);
  char* block = At(place);
  const Header made{static_cast<uint32_t>(value_bytes), static_cast<uint32_t>(key.size()), size_class};
  std::memcpy(block, &made, sizeof made);
  if (!key.empty()) std::memcpy(block + sizeof made, key.data(), key.size());
  return place;
}

KeyTable::Place KeyTable::Allocate(size_t bytes, uint8_t* size_class) {
  const size_t units = (bytes + kUnit - 1) / kUnit;
  const size_t wanted = ClassOf(units);
  if (wanted >= kClasses || UnitsOf(wanted) > kChunkUnits / 4) {
    *size_class = kLarge;
    return AllocateLarge(bytes);
  }
  *size_class = static_cast<uint8_t>(wanted);
  if (const Place place = free_[wanted]; place != kNone) {
    std::memcpy(&free_[wanted], At(place), sizeof(Place));
    return place;
  }
  const size_t needed = UnitsOf(wanted);
  if (chunks_.empty() || used_ + needed > kChunkUnits) {
    if (chunks_.size() == kChunkUnits) throw std::length_error("a table of keyed state has more than 64 GiB");
    const size_t first = chunks_.empty() ? 1 : 0;  // place 0 names none
    // Tables of few keys are many: one per node and partition.
    const size_t size = chunks_.empty() ? kChunkUnits / 64 : kChunkUnits;
    chunks_.push_back({std::unique_ptr<char[]>(new char[size * kUnit]), size * kUnit});
    open_chunk_ = chunks_.size() - 1;
    used_ = first;
  }
  if ((used_ + needed) * kUnit > chunks_[open_chunk_].bytes) {
    used_ = kChunkUnits;  // the small first chunk is full
    return Allocate(bytes, size_class);
  }
  const auto place = static_cast<Place>((open_chunk_ << kUnitBits) + used_);
  used_ += needed;
  return place;
}

KeyTable::Place KeyTable::AllocateLarge(size_t bytes) {
  // A chunk that was given back has no memory.
  auto at = std::ranges::find_if(chunks_, [](const Chunk& chunk) { return chunk.data == nullptr; });
  if (at == chunks_.end()) {
    if (chunks_.size() == kChunkUnits) throw std::length_error("a table of keyed state has more than 64 GiB");
    const bool first = chunks_.empty();
    at = chunks_.insert(chunks_.end(), Chunk{});
    if (first) {  // place 0 names none
      at->data.reset(new char[kUnit]);
      at->bytes = kUnit;
      used_ = kChunkUnits;
      at = chunks_.insert(chunks_.end(), Chunk{});
    }
  }
  at->data.reset(new char[bytes]);
  at->bytes = bytes;
  return static_cast<Place>(static_cast<size_t>(at - chunks_.begin()) << kUnitBits);
}

void KeyTable::Free(Place place) {
  const uint8_t size_class = header(place).size_class;
  if (size_class == kLarge) {
    chunks_[place >> kUnitBits] = {};
    return;
  }
  std::memcpy(At(place), &free_[size_class], sizeof(Place));
  free_[size_class] = place;
}

std::span<char> KeyTable::Resize(Place* place, size_t bytes) {
  const Header old = header(*place);
  const size_t before = sizeof(Header) + Rounded(old.key_bytes);
  const size_t kept = std::min<size_t>(old.value_bytes, bytes);
  const size_t room = old.size_class == kLarge ? chunks_[*place >> kUnitBits].bytes : UnitsOf(old.size_class) * kUnit;
  const bool wasteful = old.size_class != kLarge && room > 64 && (before + bytes) * 4 < room;
  if (before + bytes > room || wasteful || (old.size_class == kLarge && before + bytes < room / 2)) {
    const size_t slot = SlotAt(*place);
    const Place moved = Make(key(*place), bytes);
    std::memcpy(value(moved).data(), value(*place).data(), kept);
    Free(*place);
    slots_[slot].place = *place = moved;
  } else {
    auto* header = reinterpret_cast<Header*>(At(*place));
    header->value_bytes = static_cast<uint32_t>(bytes);
  }
  const std::span<char> now = value(*place);
  std::memset(now.data() + kept, 0, bytes - kept);
  return now;
}

void KeyTable::Erase(Place place) {
  size_t hole = SlotAt(place);
  Free(place);
  --size_;
  // Slots behind it move up where that brings them nearer to their home.
  const size_t mask = slots_.size() - 1;
  for (size_t at = (hole + 1) & mask; slots_[at].place != kNone; at = (at + 1) & mask) {
    const size_t home = Home(slots_[at].tag);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
}

size_t KeyTable::memory_bytes() const {
  size_t bytes = slots_.size() * sizeof(Slot);
  for (const Chunk& chunk : chunks_) bytes += chunk.bytes;
  return bytes;
}

}  // namespace anabranch

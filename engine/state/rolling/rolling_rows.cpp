// The rows of an entry: where they are, and how they become cells and hashes.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/state/rolling/rolling_entry.h"
#include "engine/state/rolling/rolling_scan.h"

namespace anabranch {
namespace {

constexpr uint32_t kLinearSearch = 32;

// A few words take less time than a call.
template <typename Word>
void MoveWords(Word* words, uint32_t from, uint32_t count, uint32_t to) {
  constexpr uint32_t kFew = 16;
  if (count <= kFew && to < from) {
    for (uint32_t i = 0; i < count; ++i) words[to + i] = words[from + i];
    return;
  }
  std::memmove(words + to, words + from, count * sizeof(uint64_t));
}

}  // namespace

// The arrays that have a word per row.
template <typename Move>
void RollingEntry::ForEachArray(Move move) const {
  move(times_);
  for (size_t stored = 0; stored < program_->stored_.size(); ++stored) move(values(stored));
  move(&tags_->word);
}

// FirstAfter where it is not one of the usual answers.
uint32_t RollingEntry::Search(int64_t time_us, uint32_t from) const {
  if (end() - from > kLinearSearch) {
    return static_cast<uint32_t>(std::upper_bound(times_ + from, times_ + end(), time_us) - times_);
  }
  uint32_t position = from;
  for (uint32_t i = from; i < end(); ++i) position += times_[i] <= time_us ? 1 : 0;
  return position;
}

// The lowest slot that no row uses. O(1) while the used ones are 0 to rows - 1.
uint16_t RollingEntry::FreeSlot() {
  if (header_->slots_bound == header_->rows) return header_->slots_bound++;
  std::array<uint64_t, RollingProgram::kMostRows / 64 + 1> used;
  std::fill_n(used.begin(), header_->slots_bound / 64 + 1, 0);
  for (uint32_t i = header_->head; i < end(); ++i) used[tags_[i].slot() / 64] |= uint64_t{1} << (tags_[i].slot() % 64);
  size_t word = 0;
  while (used[word] == UINT64_MAX) ++word;
  return static_cast<uint16_t>(word * 64 + static_cast<size_t>(std::countr_one(used[word])));
}

// Partials of the full blocks from that of `from` on.
void RollingEntry::MakePartials(uint32_t from) {
  if (header_->capacity <= kWithoutBlocks) return;
  for (size_t stored = 0; stored < program_->stored_.size(); ++stored) {
    const size_t partial = program_->partial_of_[stored];
    if (partial == RollingProgram::kNone) continue;
    const NullBits nulls = NullsOf(program_->stored_[stored]);
    for (uint32_t block = from / kBlock; (block + 1) * kBlock <= end(); ++block) {
      const uint32_t first = block * kBlock;
      const auto make = [&]<typename T>(ColumnPart<T> part) {
        const auto* values_of_block = reinterpret_cast<const T*>(values(stored)) + first;
        ScanSum(values_of_block, kBlock, &part);
        ScanRange(values_of_block, nulls.From(first), kBlock, &part);
        std::memcpy(partials(partial) + block * kPartialBytes, &part, sizeof part);
      };
      static_assert(sizeof(ColumnPart<double>) <= kPartialBytes && sizeof(ColumnPart<int64_t>) <= kPartialBytes);
      if (program_->partials_[partial] == RollingType::kFloat64) {
        make(ColumnPart<double>{});
      } else {
        make(ColumnPart<int64_t>{});
      }
    }
  }
}

// Moves the rows to the front; by whole blocks where there are blocks, so that partials stay right.
void RollingEntry::MoveToFront() {
  const uint32_t head = header_->head;
  const bool blocks = header_->capacity > kWithoutBlocks;
  const uint32_t to = blocks ? head % kBlock : 0;
  const uint32_t rows = header_->rows;
  ForEachArray([&](auto* words) { MoveWords(words, head, rows, to); });
  for (size_t partial = 0; blocks && partial < program_->partials_.size(); ++partial) {
    const size_t first = head / kBlock;
    const size_t count = end() / kBlock - first;
    std::memmove(partials(partial), partials(partial) + first * kPartialBytes, count * kPartialBytes);
  }
  header_->head = static_cast<uint16_t>(to);
}

// There is room: NeededCapacity(rows + 1) <= capacity.
void RollingEntry::Insert(uint32_t position, const EventWords& event) {
  if (end() == header_->capacity) {
    const uint32_t head = header_->head;
    MoveToFront();
    position -= head - header_->head;
  }
  const uint32_t behind = end() - position;
  if (behind > 0) ForEachArray([&](auto* words) { MoveWords(words, position, behind, position + 1); });
  times_[position] = static_cast<int64_t>(event[0]);
  tags_[position] = Tag{event[1]};
  for (size_t stored = 0; stored < program_->stored_.size(); ++stored) values(stored)[position] = event[2 + stored];
  header_->null_columns |= Tag{event[1]}.nulls();
  ++header_->rows;
  MakePartials(position);
}

void RollingEntry::Erase(uint32_t position) {
  const uint32_t behind = end() - position - 1;
  ForEachArray([&](auto* words) { MoveWords(words, position + 1, behind, position); });
  --header_->rows;
  if (header_->rows == 0) ForgetPlaces();
  MakePartials(position);
}

uint64_t RollingEntry::HashRow(uint32_t position, uint64_t seed) const {
  EventWords event;
  event[0] = static_cast<uint64_t>(times_[position]);
  event[1] = tags_[position].word;
  for (size_t stored = 0; stored < program_->stored_.size(); ++stored) event[2 + stored] = values(stored)[position];
  return XXH3_64bits_withSeed(event.data(), event_words() * sizeof(uint64_t), seed);
}

// 0 for a key that no row has reached.
uint64_t RollingEntry::HashScalars(const uint64_t* scalars, uint64_t seed) const {
  if (program_->scalar_words_ == 0 || scalars[0] == 0) return 0;
  return XXH3_64bits_withSeed(scalars, program_->scalar_words_ * sizeof(uint64_t), ~seed);
}

uint64_t RollingEntry::Digest(uint64_t seed) const {
  uint64_t digest = HashScalars(scalars_, seed);
  for (uint32_t i = header_->head; i < end(); ++i) digest += HashRow(i, seed);
  return digest;
}

// Forgets the rows before `to` and returns what that adds to the digest. The slot of the first one goes to `slot`,
// where that is wanted; all others get a tombstone.
uint64_t RollingEntry::Evict(uint32_t to, uint64_t seed, std::optional<uint16_t>* slot, RollingOutput* output) {
  uint64_t digest = 0;
  for (uint32_t i = header_->head; i < to; ++i) {
    digest -= HashRow(i, seed);
    if (slot != nullptr && !slot->has_value()) {
      *slot = tags_[i].slot();
    } else {
      output->cells.push_back({.slot = tags_[i].slot(), .tombstone = true});
    }
  }
  header_->rows = static_cast<uint16_t>(header_->rows - (to - header_->head));
  header_->head = static_cast<uint16_t>(to);
  return digest;
}

// Remembers the row at `position`, and writes its cell; returns what that adds to the digest.
uint64_t RollingEntry::Store(const RollingRow& row, uint32_t position, std::optional<uint16_t> slot, uint64_t seed,
                             RollingOutput* output) {
  const bool tie = position > header_->head && times_[position - 1] == row.time_us;
  const auto rank = static_cast<uint16_t>(tie ? tags_[position - 1].rank() + 1 : 0);
  const Tag tag = Tag::Of(rank, slot ? *slot : FreeSlot(), row.nulls);
  EventWords event;
  event[0] = static_cast<uint64_t>(row.time_us);
  event[1] = tag.word;
  const size_t columns = program_->stored_.size();
  for (size_t stored = 0; stored < columns; ++stored) {
    const size_t column = program_->stored_[stored];
    event[2 + stored] = (row.nulls >> column & 1) != 0 ? 0 : row.values[column];
  }
  Insert(position, event);
  const std::span<const uint64_t> words = std::span(event).first(event_words());
  WriteCell(tag.slot(), words, output);
  return XXH3_64bits_withSeed(words.data(), words.size_bytes(), seed);
}

// One cell: an event, or nothing, and the scalars behind it.
void RollingEntry::WriteCell(uint16_t slot, std::span<const uint64_t> event, RollingOutput* output) {
  const size_t begin = output->bytes.size();
  const size_t scalars = program_->scalar_words_ * sizeof(uint64_t);
  const size_t size = event.size_bytes() + scalars;
  output->bytes.resize(begin + size);
  std::byte* to = output->bytes.data() + begin;
  if (!event.empty()) std::memcpy(to, event.data(), event.size_bytes());
  std::memcpy(to + event.size_bytes(), scalars_, scalars);
  output->cells.push_back({.slot = slot, .begin = static_cast<uint32_t>(begin), .size = static_cast<uint32_t>(size)});
}

}  // namespace anabranch

#include "engine/state/rolling/rolling_entry.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace anabranch {
namespace {

// 4, 8, 12, 16, 24, 32, 48, 64, 96, …: at most a third is spare.
uint32_t StepAtLeast(uint32_t rows) {
  if (rows <= 4) return 4;
  const uint32_t power = std::bit_ceil(rows);
  const uint32_t between = power / 4 * 3;
  return rows <= between && between % 4 == 0 ? between : power;
}

}  // namespace

size_t RollingEntry::Bytes(const RollingProgram& program, uint32_t capacity) {
  const size_t row = sizeof(int64_t) + sizeof(Tag) + program.stored_.size() * sizeof(uint64_t);
  const size_t blocks = capacity > kWithoutBlocks ? capacity / kBlock : 0;
  return sizeof(Header) + program.scalar_words_ * sizeof(uint64_t) + capacity * row +
         blocks * program.partials_.size() * kPartialBytes;
}

uint32_t RollingEntry::FirstCapacity(const RollingProgram& program) {
  return program.windows_.empty() ? 0 : NeededCapacity(1);
}

// With room to let the rows drift towards the end for a while before they are moved to the front.
uint32_t RollingEntry::NeededCapacity(uint32_t rows) {
  const uint32_t step = StepAtLeast(rows);
  if (step <= kWithoutBlocks) return step;
  return StepAtLeast((rows + kBlock) * 8 / 7 + 1);
}

RollingEntry RollingEntry::Create(const RollingProgram& program, std::byte* memory, uint32_t capacity) {
  std::memset(memory, 0, Bytes(program, capacity));
  reinterpret_cast<Header*>(memory)->capacity = static_cast<uint16_t>(capacity);
  return {program, memory};
}

RollingEntry::RollingEntry(const RollingProgram& program, std::byte* memory)
    : program_(&program), header_(reinterpret_cast<Header*>(memory)) {
  const size_t capacity = header_->capacity;
  scalars_ = reinterpret_cast<uint64_t*>(memory + sizeof(Header));
  times_ = reinterpret_cast<int64_t*>(scalars_ + program.scalar_words_);
  values_ = reinterpret_cast<Word*>(times_ + capacity);
  partials_ = reinterpret_cast<std::byte*>(values_ + program.stored_.size() * capacity);
  const size_t blocks = capacity > kWithoutBlocks ? capacity / kBlock : 0;
  tags_ = reinterpret_cast<Tag*>(partials_ + blocks * program.partials_.size() * kPartialBytes);
}

bool RollingEntry::empty() const {
  return header_->rows == 0 && header_->scalar_cell == 0 && (program_->scalar_words_ == 0 || scalars_[0] == 0);
}

uint32_t RollingEntry::FittingCapacity() const {
  return program_->windows_.empty() ? 0 : NeededCapacity(std::max<uint32_t>(1, header_->rows));
}

RollingEntry RollingEntry::Relocate(std::byte* memory, uint32_t capacity) const {
  RollingEntry to = Create(*program_, memory, capacity);
  const uint16_t rows = header_->rows;
  const uint16_t from = header_->head;
  *to.header_ = *header_;
  to.header_->capacity = static_cast<uint16_t>(capacity);
  to.header_->head = 0;
  std::memcpy(to.scalars_, scalars_, program_->scalar_words_ * sizeof(uint64_t));
  std::copy_n(times_ + from, rows, to.times_);
  for (size_t stored = 0; stored < program_->stored_.size(); ++stored) {
    std::copy_n(values(stored) + from, rows, to.values(stored));
  }
  std::copy_n(tags_ + from, rows, to.tags_);
  to.MakePartials(0);
  return to;
}

RollingOutcome RollingEntry::Update(const RollingRow& row, int64_t horizon_us, uint64_t seed,
                                    std::span<RollingValue> values, RollingOutput* output) {
  assert(values.size() >= program_->width_ && row.values.size() >= program_->columns_.size());
  const uint32_t live = FirstAfter(horizon_us, header_->head);
  const uint32_t rows = end() - live;
  const bool remembered = !program_->windows_.empty() && row.time_us > horizon_us;
  if (remembered) {
    if (rows >= program_->max_rows_) return {.fault = RollingFault::kStateFull};
    if (rows >= std::min(capacity(), kWithoutBlocks)) {
      const uint32_t needed = NeededCapacity(rows + 1);
      if (needed > capacity()) return {.fault = RollingFault::kGrow, .capacity = needed};
    }
  }
  const uint32_t position = remembered ? FirstAfter(row.time_us, live) : live;
  uint32_t feature = 0;
  RollingFault fault = AnswerWindows(row, {live, position}, values, output, &feature);
  if (fault != RollingFault::kNone) return {.fault = fault, .feature = feature};
  const size_t words = program_->scalar_words_;
  uint64_t digest = 0;
  if (words > 0) {
    output->scratch.assign(scalars_, scalars_ + words);
    fault = AnswerLives(row, values, output->scratch.data(), &feature);
    if (fault != RollingFault::kNone) return {.fault = fault, .feature = feature};
    digest = HashScalars(output->scratch.data(), seed) - HashScalars(scalars_, seed);
    std::copy_n(output->scratch.data(), words, scalars_);
  }
  // Nothing fails from here on.
  std::optional<uint16_t> slot;
  if (live > header_->head) digest += Evict(live, seed, remembered ? &slot : nullptr, output);
  if (remembered) {
    digest += Store(row, position, slot, seed, output);
  } else {
    if (header_->rows == 0) ForgetPlaces();
    if (words > 0) WriteScalarCell(output);
  }
  return {.digest = digest};
}

RollingOutcome RollingEntry::Trim(int64_t horizon_us, uint64_t seed, RollingOutput* output) {
  const uint32_t live = FirstAfter(horizon_us, header_->head);
  if (live == header_->head) return {};
  const uint64_t digest = Evict(live, seed, nullptr, output);
  if (header_->rows == 0) ForgetPlaces();
  // The newest scalars may have been in a cell that has just ended.
  if (program_->scalar_words_ > 0) WriteScalarCell(output);
  return {.digest = digest};
}

RollingOutcome RollingEntry::Drop(uint64_t seed, RollingOutput* output) {
  uint64_t digest = 0 - HashScalars(scalars_, seed);
  digest += Evict(end(), seed, nullptr, output);
  if (header_->scalar_cell != 0) output->cells.push_back({.slot = kScalarSlot, .tombstone = true});
  header_->scalar_cell = 0;
  std::fill_n(scalars_, program_->scalar_words_, 0);
  ForgetPlaces();
  return {.digest = digest};
}

void RollingEntry::WriteScalarCell(RollingOutput* output) {
  header_->scalar_cell = 1;
  WriteCell(kScalarSlot, {}, output);
}

// Without rows everything about them starts anew, so that no trace of those that were is left.
void RollingEntry::ForgetPlaces() {
  header_->head = 0;
  header_->slots_bound = 0;
  header_->null_columns = 0;
}

RollingOutcome RollingEntry::Restore(uint16_t slot, std::span<const std::byte> bytes, Order order) {
  const size_t scalar_bytes = program_->scalar_words_ * sizeof(uint64_t);
  const bool is_row = slot != kScalarSlot;
  const size_t event_bytes = is_row ? event_words() * sizeof(uint64_t) : 0;
  const bool possible = is_row ? !program_->windows_.empty() && slot < RollingProgram::kMostRows : scalar_bytes > 0;
  if (!possible || bytes.size() != event_bytes + scalar_bytes) return {.fault = RollingFault::kDamaged};
  if (is_row) {
    EventWords event;
    std::memcpy(event.data(), bytes.data(), event_bytes);
    if (Tag{event[1]}.slot() != slot) return {.fault = RollingFault::kDamaged};
    const uint32_t needed = NeededCapacity(header_->rows + (PositionOf(slot) == end() ? 1U : 0U));
    if (needed > capacity()) return {.fault = RollingFault::kGrow, .capacity = needed};
    RestoreRow(event);
  } else {
    header_->scalar_cell = 1;
  }
  if (scalar_bytes == 0) return {};
  // Each cell bears the scalars as they were then. Those that count most rows are the newest, except where the key
  // ended in between and began anew.
  uint64_t count = 0;
  std::memcpy(&count, bytes.data() + event_bytes, sizeof count);
  if (order == Order::kLog || count >= scalars_[0]) std::memcpy(scalars_, bytes.data() + event_bytes, scalar_bytes);
  return {};
}

void RollingEntry::RestoreRow(const EventWords& event) {
  const Tag tag{event[1]};
  if (const uint32_t old = PositionOf(tag.slot()); old != end()) Erase(old);
  const auto time_us = static_cast<int64_t>(event[0]);
  uint32_t position = FirstAfter(time_us, header_->head);
  while (position > header_->head && times_[position - 1] == time_us && tags_[position - 1].rank() > tag.rank()) {
    --position;
  }
  Insert(position, event);
  header_->slots_bound = std::max<uint16_t>(header_->slots_bound, static_cast<uint16_t>(tag.slot() + 1));
}

void RollingEntry::RestoreTombstone(uint16_t slot) {
  if (slot == kScalarSlot) {
    header_->scalar_cell = 0;
  } else if (const uint32_t position = PositionOf(slot); position != end()) {
    Erase(position);
  }
  // A key without cells has no scalars: they leave with the last cell that bears them.
  if (header_->rows == 0 && header_->scalar_cell == 0) std::fill_n(scalars_, program_->scalar_words_, 0);
}

// end(): no row has this slot.
uint32_t RollingEntry::PositionOf(uint16_t slot) const {
  uint32_t position = header_->head;
  while (position < end() && tags_[position].slot() != slot) ++position;
  return position;
}

}  // namespace anabranch

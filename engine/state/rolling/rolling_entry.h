#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/state/rolling/rolling_program.h"
#include "engine/state/rolling/rolling_scan.h"

namespace anabranch {

// One record of a key. It is read during the call only.
struct RollingRow {
  int64_t time_us = 0;
  std::span<const uint64_t> values = {};  // one per column: the bits of an int64, of a double, or a hash
  uint16_t nulls = 0;                     // bit c: values[c] is null
};

struct RollingValue {
  uint64_t bits = 0;
  bool valid = false;  // false: null

  double number() const { return std::bit_cast<double>(bits); }
  int64_t integer() const { return static_cast<int64_t>(bits); }
};

// A row of the changelog: the newest content of one slot of a key, or its end. Absolute: the same cell applied twice
// changes nothing.
struct RollingCell {
  uint16_t slot = 0;
  bool tombstone = false;
  uint32_t begin = 0, size = 0;  // its bytes within RollingOutput::bytes; a tombstone has none
};

// Where updates write, and scratch memory. One per thread; it keeps its memory.
struct RollingOutput {
  std::vector<RollingCell> cells = {};  // of all updates since Clear(), in the order in which they apply
  std::vector<std::byte> bytes = {};
  std::vector<uint64_t> scratch = {};  // has no content between calls

  void Clear() {
    cells.clear();
    bytes.clear();
  }
  std::span<const std::byte> BytesOf(const RollingCell& cell) const {
    return std::span(bytes).subspan(cell.begin, cell.size);
  }
};

enum class RollingFault : uint8_t {
  kNone,
  kGrow,             // the entry is too small: Relocate() to `capacity`, then make the same call again
  kStateFull,        // the key remembers max_rows rows: fail the record (`state_full`; its cure: `tile`, fewer rows)
  kTooManyDistinct,  // `feature` found more than its max: fail the record (`state_full`; its cure: a greater max)
  kOverflow,         // the int64 sum `feature` does not fit: fail the record (its cure: a sum of floats)
  kDamaged,          // Restore only: these bytes are no cell of this program: throw the state away, restore it
};

struct RollingOutcome {
  RollingFault fault = RollingFault::kNone;
  uint32_t capacity = 0;  // kGrow
  uint32_t feature = 0;   // kTooManyDistinct, kOverflow
  uint64_t digest = 0;    // to be added to the digest of the partition, modulo 2^64
};

// What one key remembers: flat bytes that hold no pointers, so they may be copied, moved and written back (undo). This
// class is a view of them and of the program, and owns nothing. The memory is the caller's: 8-byte aligned,
// Bytes(capacity()) long. No call allocates, except into a RollingOutput. Not thread-safe per entry; entries are
// independent.
//
// Rules:
// * A row is remembered while its time > horizon. The horizon is (greatest time of the partition, this row included)
//   - reach_us() - lateness. The caller keeps it; it never falls. Rows at or below it leave at the next update of
//   their key, and no value sees them before.
// * Rows are ordered by (time, arrival), so a window ends with the row itself. A row at or below the horizon gets
//   values, and updates what covers the whole life, but it is not remembered.
// * A call that returns a fault changed nothing.
// * Values are a function of the rows before, bit for bit: not of capacity, blocks, evictions or restores. A sum of
//   floats over a window is the exact sum, rounded once. A sum over the whole life has twice the digits of a double.
// * The cells of all updates, applied in order, are the memory exactly: the newest cell of each slot that has no
//   tombstone, restored in any order, gives an entry that behaves as the one that lived.
// * The digest of an entry is the sum of the hashes of what it remembers. The digests of outcomes add up to it.
class RollingEntry {
 public:
  // The slot of the cell that has no row: the scalars after a row that was not remembered.
  static constexpr uint16_t kScalarSlot = 0xFFFF;

  // Bytes of an entry with room for `capacity` rows.
  static size_t Bytes(const RollingProgram& program, uint32_t capacity);
  // The capacity of a new entry.
  static uint32_t FirstCapacity(const RollingProgram& program);
  // Makes `memory` an entry that remembers nothing.
  static RollingEntry Create(const RollingProgram& program, std::byte* memory, uint32_t capacity);

  RollingEntry(const RollingProgram& program, std::byte* memory);

  uint32_t rows() const { return header_->rows; }
  uint32_t capacity() const { return header_->capacity; }
  // Nothing is remembered: no cell of the key is left, and it may be erased.
  bool empty() const;
  // The capacity that suits its rows: smaller than capacity() after a burst.
  uint32_t FittingCapacity() const;
  // Copies the entry to other memory of Bytes(capacity): FittingCapacity(), or what kGrow asked for. The old memory may
  // then be freed.
  RollingEntry Relocate(std::byte* memory, uint32_t capacity) const;

  // One record: its values to `values` (program.width()), its cells behind those in `output`. `seed` is a hash of node
  // and key, the same in all calls of a key. Faults: kGrow, kStateFull, kTooManyDistinct, kOverflow.
  RollingOutcome Update(const RollingRow& row, int64_t horizon_us, uint64_t seed, std::span<RollingValue> values,
                        RollingOutput* output);
  // Forgets the rows at or below the horizon without a record: for keys that are quiet. Never fails.
  RollingOutcome Trim(int64_t horizon_us, uint64_t seed, RollingOutput* output);
  // The key ends: a tombstone per cell. Afterwards the entry remembers nothing. Never fails.
  RollingOutcome Drop(uint64_t seed, RollingOutput* output);

  enum class Order : uint8_t {
    kAny,  // one cell per slot, the newest one, as a store gives them
    kLog,  // as they were written; it may begin anywhere before what the entry holds already
  };
  // Applies a cell that was logged. Faults: kGrow, kDamaged.
  RollingOutcome Restore(uint16_t slot, std::span<const std::byte> bytes, Order order);
  void RestoreTombstone(uint16_t slot);
  // Computed anew.
  uint64_t Digest(uint64_t seed) const;

 private:
  struct Header {
    uint16_t rows;          // remembered
    uint16_t head;          // where the first one is
    uint16_t capacity;      //
    uint16_t slots_bound;   // every used slot is below it
    uint16_t null_columns;  // bit c: some row may have a null in column c
    uint16_t scalar_cell;   // 1: the log has a cell at kScalarSlot
    uint32_t unused;
  };
  // What a row has beside its time and its values, in one word: small fields written apart and read as one would stall.
  struct Tag {
    uint64_t word;

    static Tag Of(uint16_t rank, uint16_t slot, uint16_t nulls) {
      return {uint64_t{rank} | uint64_t{slot} << 16 | uint64_t{nulls} << 32};
    }
    uint16_t rank() const { return static_cast<uint16_t>(word); }  // among the rows of the same time, by arrival
    uint16_t slot() const { return static_cast<uint16_t>(word >> 16); }
    uint16_t nulls() const { return static_cast<uint16_t>(word >> 32); }
  };
  static constexpr int kNullsBit = 32;  // of a tag: the first column is null
  // The words of a cell that has a row: its time, its tag, its values.
  static constexpr size_t kMostEventWords = 2 + RollingProgram::kMostColumns;
  using EventWords = std::array<uint64_t, kMostEventWords>;
  struct Range {
    uint32_t from, to;
  };

  template <typename T>
  struct Reading;
  // What is written as a word may be read as a double.
  using Word __attribute__((may_alias)) = uint64_t;

  // Where an entry has so much room, full blocks of rows have partials.
  static constexpr uint32_t kWithoutBlocks = 64;
  static constexpr uint32_t kBlock = 32;
  static constexpr size_t kPartialBytes = 48;

  static uint32_t NeededCapacity(uint32_t rows);
  uint32_t end() const { return header_->head + uint32_t{header_->rows}; }
  Word* values(size_t stored) const { return values_ + stored * header_->capacity; }
  std::byte* partials(size_t partial) const {
    return partials_ + partial * (header_->capacity / kBlock) * kPartialBytes;
  }
  uint32_t PositionOf(uint16_t slot) const;
  void ForgetPlaces();
  void WriteScalarCell(RollingOutput* output);
  size_t event_words() const { return 2 + program_->stored_.size(); }
  void RestoreRow(const EventWords& event);

  // The first position at or behind `from` whose time is above `time_us`.
  uint32_t FirstAfter(int64_t time_us, uint32_t from) const {
    if (from == end() || times_[from] > time_us) return from;
    if (times_[end() - 1] <= time_us) return end();
    return times_[from + 1] > time_us ? from + 1 : Search(time_us, from + 2);
  }

  // rolling_rows.cpp
  uint32_t Search(int64_t time_us, uint32_t from) const;
  uint16_t FreeSlot();
  void Insert(uint32_t position, const EventWords& event);
  void MoveToFront();
  void Erase(uint32_t position);
  void MakePartials(uint32_t from);
  uint64_t HashRow(uint32_t position, uint64_t seed) const;
  uint64_t HashScalars(const uint64_t* scalars, uint64_t seed) const;
  uint64_t Evict(uint32_t to, uint64_t seed, std::optional<uint16_t>* slot, RollingOutput* output);
  uint64_t Store(const RollingRow& row, uint32_t position, std::optional<uint16_t> slot, uint64_t seed,
                 RollingOutput* output);
  void WriteCell(uint16_t slot, std::span<const uint64_t> event, RollingOutput* output);
  template <typename Move>
  void ForEachArray(Move move) const;

  // rolling_window.cpp
  NullBits NullsOf(size_t column) const;
  template <typename T>
  void Gather(const RollingProgram::Job& job, const Reading<T>& reading, ColumnPart<T>* part) const;
  template <typename T>
  RollingFault AnswerJob(const RollingProgram::Job& job, const Reading<T>& reading, std::span<RollingValue> values,
                         RollingOutput* output, uint32_t* feature) const;
  RollingFault AnswerWindows(const RollingRow& row, Range live, std::span<RollingValue> values, RollingOutput* output,
                             uint32_t* feature) const;

  // rolling_scalars.cpp
  RollingFault AnswerLives(const RollingRow& row, std::span<RollingValue> values, uint64_t* next,
                           uint32_t* feature) const;

  const RollingProgram* program_;
  Header* header_;
  uint64_t* scalars_;
  int64_t* times_;
  Word* values_;
  std::byte* partials_;
  Tag* tags_;
};

}  // namespace anabranch

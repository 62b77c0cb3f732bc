#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/type.h"

namespace anabranch {

// What a cell holds. Readers test `state & kValid` only; a check of the schema distinguishes the rest.
enum CellState : uint8_t {
  kNull = 0,  // an explicit null, or a row the maker did not work on
  kValid = 1,
  kMissing = 2,          // the record has no such field
  kWrongType = 4,        // the record's value does not fit the column's type
  kOutOfRange = 6,       // a number that the column's type cannot hold
  kMissingRequired = 8,  // absent although the schema requires it here; the upper four bits hold the index of the
                         // first step of its path that is absent (at most 15)
};

// Why a cell is null, or that its value is not its maker's own. It stands in the upper half of the state of a null or
// valid cell, so that it goes wherever the cell goes. The executor marks the cells of rows that a stage skipped, or
// that failed there and go on under `on_error`; a node that computes a column from marked cells gives it the greatest
// of their marks. A valid cell with a mark is a substitute: it may be read and written, but it is no result of a model.
enum class Mark : uint8_t {
  kNone = 0,
  kSkipped = 1,    // null: `when` of the maker was not true
  kDefaulted = 2,  // the maker failed: the value is the default of its `on_error`
  kError = 3,      // the maker failed: null
  kTimeout = 4,    // the maker was late: null
};

inline constexpr int kMarkShift = 4;
inline constexpr uint8_t kMarkBits = 0xF0;

inline Mark MarkOf(uint8_t state) {
  return (state & 0x0F) <= kValid ? static_cast<Mark>(state >> kMarkShift) : Mark::kNone;
}
inline uint8_t Marked(uint8_t state, Mark mark) {
  return static_cast<uint8_t>((state & 0x0F) | (static_cast<uint8_t>(mark) << kMarkShift));
}

// Bytes that stay where they are until Clear(). Keeps its memory across Clear().
class Arena {
 public:
  // Uninitialised memory of `size` bytes, 8-byte aligned, valid until Clear() or destruction.
  char* Allocate(size_t size);
  std::string_view Copy(std::string_view text);
  void Clear();
  size_t bytes_reserved() const;

 private:
  struct Chunk {
    std::unique_ptr<char[]> data;
    size_t size;
  };
  std::vector<Chunk> chunks_;
  size_t chunk_ = 0;
  size_t used_ = 0;
};

// One named, typed column of a batch: a state byte and a value (or `Elements()` values) per row.
// Owned by its RecordBatch; written by exactly one stage, then read-only. Not thread-safe;
// different columns of one batch may be written by different threads.
// Values are only defined where the state is kValid. Memory is kept across Reset().
class Column {
 public:
  // Makes room for `rows` rows, all kNull. Invalidates every span and string of this column.
  void Reset(const Type& type, uint32_t rows);

  const Type& type() const { return type_; }
  uint32_t rows() const { return rows_; }
  std::span<uint8_t> states() { return {states_.data(), rows_}; }
  std::span<const uint8_t> states() const { return {states_.data(), rows_}; }
  bool valid(uint32_t row) const { return (states_[row] & kValid) != 0; }

  // Scalars: `rows` values. Tensors: rows * Elements() values. T must match the (element) kind:
  // uint8_t, int64_t (int64 and timestamp), float, double, std::string_view.
  template <typename T>
  std::span<T> values() {
    return {reinterpret_cast<T*>(data_.get()), count_};
  }
  template <typename T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(data_.get()), count_};
  }

  // Lists: values of row r are values<T>()[list_offsets()[r] .. list_offsets()[r+1]).
  // Append the rows in order: PushListValue() for each value, then EndListRow().
  std::span<const uint32_t> list_offsets() const { return {offsets_.data(), offsets_.size()}; }
  template <typename T>
  void PushListValue(T value) {
    if (count_ == capacity_) Grow(count_ * 2 + 16);
    reinterpret_cast<T*>(data_.get())[count_++] = value;
  }
  void EndListRow() { offsets_.push_back(static_cast<uint32_t>(count_)); }

  // What a cell that does not fit held, as text for messages; it must live as long as the batch's payloads.
  // Noted in row order. Empty when nothing was noted.
  void NoteMisfit(uint32_t row, std::string_view text) { misfits_.push_back({row, text}); }
  std::string_view misfit(uint32_t row) const;

  // Bytes of strings made by this column's stage (a decoded string may also point into the payload copy).
  Arena& text() { return text_; }

 private:
  void Grow(size_t capacity);

  struct Misfit {
    uint32_t row;
    std::string_view text;
  };

  Type type_;
  uint32_t rows_ = 0;
  size_t count_ = 0;
  size_t capacity_ = 0;
  size_t value_size_ = 8;
  std::unique_ptr<char[]> data_;
  size_t data_bytes_ = 0;
  std::vector<uint8_t> states_;
  std::vector<uint32_t> offsets_;
  std::vector<Misfit> misfits_;
  Arena text_;
};

}  // namespace anabranch

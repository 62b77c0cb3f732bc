#pragma once

#include <cstdint>
#include <string_view>

#include "engine/codec/decoder.h"
#include "engine/column.h"
#include "engine/text/read_element.h"

namespace anabranch {

inline constexpr size_t kMisfitBytes = 80;  // of a value that does not fit: what a message shows

// One wanted field while a batch is decoded: how its text becomes cells of its column. Shared by the formats.
// Stores return the state of the cell, which the caller writes (kValid only when a value was written).
struct CellSlot {
  enum class Form : uint8_t {
    kBool,
    kInt64,
    kFloat32,
    kFloat64,
    kString,
    kTime,
    kEpoch,
    kList,
    kTensor,
    kCsvTensor,
    kJson  // an array of objects, handed on as it is
  };

  CellSlot(const SchemaField& field, const DecodePlan::Field& wanted);
  // Resets the column of `batch` and points into it.
  void Begin(RecordBatch& batch);

  bool TakesNumber() const {
    return form == Form::kInt64 || form == Form::kFloat32 || form == Form::kFloat64 || form == Form::kEpoch;
  }
  bool TakesText() const { return form == Form::kString || form == Form::kTime || form == Form::kCsvTensor; }
  // A scalar number (TakesNumber()).
  CellState StoreNumber(uint32_t row, const ScannedNumber& number);
  // A text (TakesText()) that outlives the batch's rows.
  CellState StoreText(uint32_t row, std::string_view text);

  Form form;
  Type type;
  ColumnId column_id;
  int64_t elements = 1;       // per row
  int64_t epoch_factor = 1;   // microseconds per unit
  int64_t epoch_divisor = 1;  // units per microsecond
  Column* column = nullptr;
  uint8_t* states = nullptr;
  char* values = nullptr;  // of scalars and tensors

  template <typename T>
  T* Cells(uint32_t row) const {
    return reinterpret_cast<T*>(values) + static_cast<size_t>(row) * static_cast<size_t>(elements);
  }

 private:
  CellState StoreEpoch(uint32_t row, const ScannedNumber& number);
  CellState StoreCsv(uint32_t row, std::string_view text);
};

inline CellState CellSlot::StoreNumber(uint32_t row, const ScannedNumber& number) {
  switch (form) {
    case Form::kFloat64: return ReadElement(number, Cells<double>(row));
    case Form::kInt64: return ReadElement(number, Cells<int64_t>(row));
    case Form::kFloat32: return ReadElement(number, Cells<float>(row));
    case Form::kEpoch: return StoreEpoch(row, number);
    default: return kWrongType;
  }
}

}  // namespace anabranch

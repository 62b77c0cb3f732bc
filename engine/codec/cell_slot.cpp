#include "engine/codec/cell_slot.h"

#include "engine/json_type.h"
#include "engine/text/number_list.h"
#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

CellSlot::Form FormOf(const SchemaField& field, const Type& type) {
  if (!field.decode.empty()) return CellSlot::Form::kCsvTensor;
  switch (type.kind) {
    case Kind::kBool: return CellSlot::Form::kBool;
    case Kind::kInt64: return CellSlot::Form::kInt64;
    case Kind::kFloat32: return CellSlot::Form::kFloat32;
    case Kind::kFloat64: return CellSlot::Form::kFloat64;
    case Kind::kString: return IsJson(type) ? CellSlot::Form::kJson : CellSlot::Form::kString;
    case Kind::kTimestamp: return field.timestamp_unit.empty() ? CellSlot::Form::kTime : CellSlot::Form::kEpoch;
    case Kind::kList: return CellSlot::Form::kList;
    case Kind::kTensor: return CellSlot::Form::kTensor;
  }
  return CellSlot::Form::kString;
}

template <typename T>
CellState ReadCsv(std::string_view text, T* out, int64_t count) {
  const NumberListResult result = ReadNumberList(text, out, count);
  if (result.fault == ListFault::kNone) return kValid;
  return result.fault == ListFault::kOutOfRange ? kOutOfRange : kWrongType;
}

}  // namespace

CellSlot::CellSlot(const SchemaField& field, const DecodePlan::Field& wanted)
    : form(FormOf(field, wanted.type)), type(wanted.type), column_id(wanted.column) {
  if (type.kind == Kind::kTensor) elements = type.Elements();
  if (field.timestamp_unit == "s") epoch_factor = 1'000'000;
  if (field.timestamp_unit == "ms") epoch_factor = 1'000;
  if (field.timestamp_unit == "ns") epoch_divisor = 1'000;
}

void CellSlot::Begin(RecordBatch& batch) {
  column = &batch.columns[column_id];
  column->Reset(type, batch.rows());
  states = column->states().data();
  values = reinterpret_cast<char*>(column->values<char>().data());
}

CellState CellSlot::StoreEpoch(uint32_t row, const ScannedNumber& number) {
  int64_t value = 0;
  const CellState state = ReadElement(number, &value);
  if (state != kValid) return state;
  int64_t micros = 0;
  if (__builtin_mul_overflow(value, epoch_factor, &micros)) return kOutOfRange;
  if (epoch_divisor != 1) micros = micros / epoch_divisor - (micros % epoch_divisor < 0 ? 1 : 0);
  *Cells<int64_t>(row) = micros;
  return kValid;
}

CellState CellSlot::StoreCsv(uint32_t row, std::string_view text) {
  switch (type.element) {
    case Kind::kFloat32: return ReadCsv(text, Cells<float>(row), elements);
    case Kind::kFloat64: return ReadCsv(text, Cells<double>(row), elements);
    case Kind::kInt64: return ReadCsv(text, Cells<int64_t>(row), elements);
    default: return kWrongType;
  }
}

CellState CellSlot::StoreText(uint32_t row, std::string_view text) {
  switch (form) {
    case Form::kString: *Cells<std::string_view>(row) = text; return kValid;
    case Form::kTime: return ParseTimestamp(text, Cells<int64_t>(row)) ? kValid : kWrongType;
    case Form::kCsvTensor: return StoreCsv(row, text);
    default: return kWrongType;
  }
}

}  // namespace anabranch

#include "engine/codec/cell_slot.h"

#include "engine/codec/json_writer.h"

namespace anabranch {
namespace {

CellSlot::Form FormOf(const SchemaField& field, const Type& type) {
  if (!field.decode.empty()) return CellSlot::Form::kCsvTensor;
  switch (type.kind) {
    case Kind::kBool: return CellSlot::Form::kBool;
    case Kind::kInt64: return CellSlot::Form::kInt64;
    case Kind::kFloat32: return CellSlot::Form::kFloat32;
    case Kind::kFloat64: return CellSlot::Form::kFloat64;
    case Kind::kString: return CellSlot::Form::kString;
    case Kind::kTimestamp: return field.timestamp_unit.empty() ? CellSlot::Form::kTime : CellSlot::Form::kEpoch;
    case Kind::kList: return CellSlot::Form::kList;
    case Kind::kTensor: return CellSlot::Form::kTensor;
  }
  return CellSlot::Form::kString;
}

// Also what JSON does not write but tools do: ".5", "5.", "+1".
bool ScanLoosely(const char* p, const char* end, ScannedNumber* number, double* value) {
  if (ScanNumber(p, number) && number->end <= end) return true;
  if (p < end && *p == '+') ++p;
  const std::from_chars_result result = std::from_chars(p, end, *value);
  if (result.ec != std::errc() || !std::isfinite(*value)) return false;
  number->end = result.ptr;
  number->begin = nullptr;
  return true;
}

const char* SkipBlanks(const char* p, const char* end) {
  while (p < end && (*p == ' ' || *p == '\t')) ++p;
  return p;
}

template <typename T>
CellState ReadLoose(const ScannedNumber& number, double value, T* out) {
  if (number.begin != nullptr) return ReadElement(number, out);
  *out = static_cast<T>(value);
  return std::isfinite(static_cast<double>(*out)) ? kValid : kOutOfRange;
}
CellState ReadLoose(const ScannedNumber& number, double /*value*/, int64_t* out) {
  return number.begin != nullptr ? ReadElement(number, out) : kWrongType;
}

template <typename T>
CellState ReadCsv(std::string_view text, T* out, int64_t count) {
  const char* p = text.data();
  const char* end = p + text.size();
  for (int64_t i = 0; i < count; ++i) {
    p = SkipBlanks(p, end);
    ScannedNumber number;
    double value = 0;
    if (p == end || !ScanLoosely(p, end, &number, &value)) return kWrongType;
    const CellState state = ReadLoose(number, value, out + i);
    if (state != kValid) return state;
    p = SkipBlanks(number.end, end);
    if (p < end) {
      if (*p != ',') return kWrongType;
      ++p;
    } else if (i + 1 < count) {
      return kWrongType;
    }
  }
  return SkipBlanks(p, end) == end ? kValid : kWrongType;
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

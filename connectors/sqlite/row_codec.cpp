#include "connectors/sqlite/row_codec.h"

#include <cmath>
#include <cstring>

#include "engine/codec/json_writer.h"
#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

template <typename T>
void AppendBytes(std::string* out, const T& value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
bool TakeBytes(std::string_view* bytes, T* value) {
  if (bytes->size() < sizeof *value) return false;
  std::memcpy(value, bytes->data(), sizeof *value);
  bytes->remove_prefix(sizeof *value);
  return true;
}

void AppendTag(std::string* out, CellTag tag) { out->push_back(static_cast<char>(tag)); }

}  // namespace

void AppendInteger(std::string* out, int64_t value) {
  AppendTag(out, CellTag::kInteger);
  AppendBytes(out, value);
}

void AppendReal(std::string* out, double value) {
  if (!std::isfinite(value)) return AppendTag(out, CellTag::kNull);
  AppendTag(out, CellTag::kReal);
  AppendBytes(out, value);
}

void AppendText(std::string* out, std::string_view text) {
  AppendTag(out, CellTag::kText);
  AppendBytes(out, static_cast<uint32_t>(text.size()));
  out->append(text);
}

void AppendCell(std::string* out, const Column& column, uint32_t row) {
  if (!column.valid(row)) return AppendTag(out, CellTag::kNull);
  switch (column.type().kind) {
    case Kind::kBool: return AppendInteger(out, column.values<uint8_t>()[row]);
    case Kind::kInt64: return AppendInteger(out, column.values<int64_t>()[row]);
    case Kind::kFloat32: return AppendReal(out, static_cast<double>(column.values<float>()[row]));
    case Kind::kFloat64: return AppendReal(out, column.values<double>()[row]);
    case Kind::kString: return AppendText(out, column.values<std::string_view>()[row]);
    case Kind::kTimestamp: return AppendText(out, FormatTimestamp(column.values<int64_t>()[row]));
    case Kind::kList:
    case Kind::kTensor: break;
  }
  std::string json;
  AppendJsonCell(&json, column, row);
  AppendText(out, json);
}

bool TakeCell(std::string_view* bytes, StoredCell* cell) {
  if (bytes->empty()) return false;
  cell->tag = static_cast<CellTag>(bytes->front());
  bytes->remove_prefix(1);
  switch (cell->tag) {
    case CellTag::kNull: return true;
    case CellTag::kInteger: return TakeBytes(bytes, &cell->integer);
    case CellTag::kReal: return TakeBytes(bytes, &cell->real);
    case CellTag::kText: break;
    default: return false;
  }
  uint32_t size = 0;
  if (!TakeBytes(bytes, &size) || bytes->size() < size) return false;
  cell->text = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return true;
}

const char* SqlType(const Type& type) {
  switch (type.kind) {
    case Kind::kBool:
    case Kind::kInt64: return "INTEGER";
    case Kind::kFloat32:
    case Kind::kFloat64: return "REAL";
    default: return "TEXT";
  }
}

}  // namespace anabranch

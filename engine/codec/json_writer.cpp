#include "engine/codec/json_writer.h"

#include "engine/json_type.h"
#include "engine/text/json_literals.h"
#include "engine/text/timestamp.h"

namespace anabranch {
namespace {

void AppendValue(std::string* out, const Column& column, Kind kind, size_t index) {
  switch (kind) {
    case Kind::kBool: *out += column.values<uint8_t>()[index] != 0 ? "true" : "false"; return;
    case Kind::kInt64: AppendJsonNumber(out, column.values<int64_t>()[index]); return;
    case Kind::kFloat32: AppendJsonNumber(out, column.values<float>()[index]); return;
    case Kind::kFloat64: AppendJsonNumber(out, column.values<double>()[index]); return;
    case Kind::kString: AppendJsonString(out, column.values<std::string_view>()[index]); return;
    case Kind::kTimestamp:
      out->push_back('"');
      *out += FormatTimestamp(column.values<int64_t>()[index]);
      out->push_back('"');
      return;
    default: *out += "null";
  }
}

void AppendRange(std::string* out, const Column& column, size_t begin, size_t end) {
  out->push_back('[');
  for (size_t i = begin; i < end; ++i) {
    if (i != begin) out->push_back(',');
    AppendValue(out, column, column.type().element, i);
  }
  out->push_back(']');
}

// The part of a tensor at `begin` whose dimensions are shape[dimension] and those behind; returns its element count.
size_t AppendTensor(std::string* out, const Column& column, size_t dimension, size_t begin) {
  const std::vector<int64_t>& shape = column.type().shape;
  const auto size = static_cast<size_t>(shape[dimension]);
  if (dimension + 1 == shape.size()) {
    AppendRange(out, column, begin, begin + size);
    return size;
  }
  size_t written = 0;
  out->push_back('[');
  for (size_t i = 0; i < size; ++i) {
    if (i != 0) out->push_back(',');
    written += AppendTensor(out, column, dimension + 1, begin + written);
  }
  out->push_back(']');
  return written;
}

}  // namespace

void AppendJsonCell(std::string* out, const Column& column, uint32_t row) {
  if (!column.valid(row)) {
    *out += "null";
    return;
  }
  const Type& type = column.type();
  if (type.kind == Kind::kList) {
    AppendRange(out, column, column.list_offsets()[row], column.list_offsets()[row + 1]);
  } else if (type.kind == Kind::kTensor && !type.shape.empty()) {
    AppendTensor(out, column, 0, static_cast<size_t>(row) * static_cast<size_t>(type.Elements()));
  } else if (IsJson(type)) {
    *out += column.values<std::string_view>()[row];
  } else {
    AppendValue(out, column, type.IsScalar() ? type.kind : type.element, row);
  }
}

JsonRowWriter::JsonRowWriter(const std::vector<TargetFields::Field>& fields) {
  for (const TargetFields::Field& field : fields) {
    Piece& piece = pieces_.emplace_back();
    piece.prefix.push_back(pieces_.size() == 1 ? '{' : ',');
    AppendJsonString(&piece.prefix, field.name);
    piece.prefix += ':';
    piece.column = field.column;
  }
}

void JsonRowWriter::Append(const RecordBatch& batch, uint32_t row, std::string* out, size_t most) const {
  const size_t begin = out->size();
  if (pieces_.empty()) out->push_back('{');
  for (const Piece& piece : pieces_) {
    *out += piece.prefix;
    AppendJsonCell(out, batch.columns[piece.column], row);
    if (out->size() - begin > most) return;
  }
  out->push_back('}');
}

}  // namespace anabranch

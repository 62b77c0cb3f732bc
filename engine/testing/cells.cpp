#include "engine/testing/cells.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ostream>

namespace anabranch {
namespace {

[[noreturn]] void Misfit(const Type& type, const char* what) {
  std::fprintf(stderr, "a test's cell does not fit column type %s: %s\n", type.ToString().c_str(), what);
  std::abort();
}

double AsNumber(const Type& type, const Cell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell.value)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&cell.value)) return *number;
  Misfit(type, "no number");
}

int64_t AsInteger(const Type& type, const Cell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell.value)) return *integer;
  if (const auto* flag = std::get_if<bool>(&cell.value)) return *flag ? 1 : 0;
  Misfit(type, "no integer");
}

std::string_view AsText(Column* column, const Cell& cell) {
  const auto* text = std::get_if<std::string>(&cell.value);
  if (text == nullptr) Misfit(column->type(), "no text");
  return column->text().Copy(*text);
}

// Calls put(value) with the stored form of `cell`.
template <typename Put>
void Store(Column* column, Kind kind, const Cell& cell, Put put) {
  const Type& type = column->type();
  switch (kind) {
    case Kind::kBool: return put(static_cast<uint8_t>(AsInteger(type, cell) != 0));
    case Kind::kInt64:
    case Kind::kTimestamp: return put(AsInteger(type, cell));
    case Kind::kFloat32: return put(static_cast<float>(AsNumber(type, cell)));
    case Kind::kFloat64: return put(AsNumber(type, cell));
    case Kind::kString: return put(AsText(column, cell));
    default: Misfit(type, "not a scalar kind");
  }
}

void StoreRow(Column* column, uint32_t row, const Cell& cell) {
  const Type& type = column->type();
  if (type.IsScalar()) {
    return Store(column, type.kind, cell, [&](auto value) { column->values<decltype(value)>()[row] = value; });
  }
  const auto* items = std::get_if<std::vector<Cell>>(&cell.value);
  if (items == nullptr) Misfit(type, "not a vector");
  if (type.kind == Kind::kList) {
    for (const Cell& item : *items) Store(column, type.element, item, [&](auto v) { column->PushListValue(v); });
    return;
  }
  const size_t count = static_cast<size_t>(type.Elements());
  if (items->size() != count) Misfit(type, "wrong number of elements");
  for (size_t i = 0; i < count; ++i) {
    Store(column, type.element, (*items)[i], [&](auto v) { column->values<decltype(v)>()[row * count + i] = v; });
  }
}

Cell Load(const Column& column, Kind kind, size_t index) {
  switch (kind) {
    case Kind::kBool: return column.values<uint8_t>()[index] != 0;
    case Kind::kInt64:
    case Kind::kTimestamp: return column.values<int64_t>()[index];
    case Kind::kFloat32: return static_cast<double>(column.values<float>()[index]);
    case Kind::kFloat64: return column.values<double>()[index];
    case Kind::kString: return std::string(column.values<std::string_view>()[index]);
    default: return {};
  }
}

struct Printer {
  std::ostream& out;
  void operator()(std::monostate) const { out << "null"; }
  void operator()(bool v) const { out << (v ? "true" : "false"); }
  void operator()(int64_t v) const { out << v; }
  void operator()(double v) const { out << "float " << v; }
  void operator()(const std::string& v) const { out << '\'' << v << '\''; }
  void operator()(const std::vector<Cell>& v) const {
    out << '[';
    for (size_t i = 0; i < v.size(); ++i) out << (i ? ", " : "") << v[i];
    out << ']';
  }
};

}  // namespace

Cell::Cell(bool v) : value(v) {}
Cell::Cell(int v) : value(int64_t{v}) {}
Cell::Cell(int64_t v) : value(v) {}
Cell::Cell(double v) : value(v) {}
Cell::Cell(const char* v) : value(std::string(v)) {}
Cell::Cell(std::string v) : value(std::move(v)) {}
Cell::Cell(std::vector<Cell> v) : value(std::move(v)) {}

bool Cell::operator==(const Cell& other) const {
  const auto* mine = std::get_if<double>(&value);
  const auto* theirs = std::get_if<double>(&other.value);
  if (mine && theirs && std::isnan(*mine) && std::isnan(*theirs)) return true;
  return value == other.value;
}

std::ostream& operator<<(std::ostream& out, const Cell& cell) {
  std::visit(Printer{out}, cell.value);
  return out;
}

void FillColumn(Column* column, const Type& type, const std::vector<Cell>& cells) {
  column->Reset(type, static_cast<uint32_t>(cells.size()));
  for (uint32_t row = 0; row < cells.size(); ++row) {
    if (!cells[row].is_null()) {
      StoreRow(column, row, cells[row]);
      column->states()[row] = kValid;
    }
    if (type.kind == Kind::kList) column->EndListRow();
  }
}

Cell ReadCell(const Column& column, uint32_t row) {
  if (!column.valid(row)) return {};
  const Type& type = column.type();
  if (type.IsScalar()) return Load(column, type.kind, row);
  size_t begin, end;
  if (type.kind == Kind::kList) {
    begin = column.list_offsets()[row];
    end = column.list_offsets()[row + 1];
  } else {
    begin = row * static_cast<size_t>(type.Elements());
    end = begin + static_cast<size_t>(type.Elements());
  }
  std::vector<Cell> items;
  for (size_t i = begin; i < end; ++i) items.push_back(Load(column, type.element, i));
  return items;
}

std::vector<Cell> ReadCells(const Column& column) {
  std::vector<Cell> cells;
  for (uint32_t row = 0; row < column.rows(); ++row) cells.push_back(ReadCell(column, row));
  return cells;
}

}  // namespace anabranch

#include "engine/run/default_cells.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <type_traits>

#include "engine/codec/json_text.h"

namespace anabranch {
namespace {

// Sets the values of a tensor from canonical JSON text ("[0.5,0.5]").
template <typename T>
void SetValues(const std::string& text, std::span<T> values) {
  const char* p = text.data();
  const char* end = p + text.size();
  for (T& value : values) {
    if (p != end) ++p;  // the bracket or comma
    if constexpr (std::is_same_v<T, uint8_t>) {
      value = p != end && *p == 't' ? 1 : 0;
    } else {
      std::from_chars(p, end, value);
    }
    p = std::find(p, end, ',');
  }
}

void ParseTensor(const std::string& text, Column& column) {
  const auto set = [&](auto values) { SetValues(text, values); };
  switch (column.type().element) {
    case Kind::kFloat32: return set(column.values<float>());
    case Kind::kFloat64: return set(column.values<double>());
    case Kind::kBool: return set(column.values<uint8_t>());
    default: return set(column.values<int64_t>());
  }
}

// Sets the one cell of `column` from canonical JSON text ("0.5", "true", "\"x\"", "[0.5,0.5]").
void ParseCell(const std::string& text, Column& column) {
  column.states()[0] = kValid;
  const char* begin = text.data();
  const char* end = begin + text.size();
  switch (column.type().kind) {
    case Kind::kBool: column.values<uint8_t>()[0] = text == "true" ? 1 : 0; break;
    case Kind::kInt64:
    case Kind::kTimestamp: std::from_chars(begin, end, column.values<int64_t>()[0]); break;
    case Kind::kFloat32: std::from_chars(begin, end, column.values<float>()[0]); break;
    case Kind::kFloat64: std::from_chars(begin, end, column.values<double>()[0]); break;
    case Kind::kString: {
      const std::string_view inside =
          text.size() >= 2 ? std::string_view(text).substr(1, text.size() - 2) : std::string_view();
      std::string_view& value = column.values<std::string_view>()[0];
      if (inside.find('\\') == std::string_view::npos || !UnescapeJson(inside, &column.text(), &value)) {
        value = column.text().Copy(inside);
      }
      break;
    }
    case Kind::kTensor: return ParseTensor(text, column);
    case Kind::kList: column.states()[0] = kNull;  // `check` takes no default for a list
  }
}

template <typename T>
void CopyValues(const Column& from, Column& to, uint32_t row) {
  const std::span<const T> values = from.values<T>();
  std::ranges::copy(values, to.values<T>().subspan(row * values.size(), values.size()).begin());
}

void CopyCell(const Column& from, Column& to, uint32_t row) {
  to.states()[row] = from.states()[0];
  if (from.states()[0] != kValid) return;
  const Type& type = from.type();
  switch (type.kind == Kind::kTensor ? type.element : type.kind) {
    case Kind::kBool: return CopyValues<uint8_t>(from, to, row);
    case Kind::kFloat32: return CopyValues<float>(from, to, row);
    case Kind::kFloat64: return CopyValues<double>(from, to, row);
    case Kind::kString: to.values<std::string_view>()[row] = to.text().Copy(from.values<std::string_view>()[0]); return;
    default: return CopyValues<int64_t>(from, to, row);
  }
}

}  // namespace

DefaultCells::DefaultCells(const Plan& plan, const PlanNode& node) {
  for (const auto& [column, text] : node.default_values) {
    Cell& cell = cells_.emplace_back();
    cell.column = column;
    cell.value.Reset(plan.columns[column].type, 1);
    ParseCell(text, cell.value);
  }
}

void DefaultCells::Apply(RecordBatch& batch, uint32_t row) const {
  for (const Cell& cell : cells_) CopyCell(cell.value, batch.columns[cell.column], row);
}

}  // namespace anabranch

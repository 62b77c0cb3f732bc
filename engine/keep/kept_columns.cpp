#include <algorithm>

#include "engine/keep/kept_format.h"

namespace anabranch {
namespace {

Kind StoredKind(const Type& type) { return type.IsScalar() ? type.kind : type.element; }

// Calls visit(T{}) with the stored type of a kind that has a fixed size.
template <typename Visit>
void WithNumber(Kind kind, Visit visit) {
  switch (kind) {
    case Kind::kBool: return visit(uint8_t{});
    case Kind::kFloat32: return visit(float{});
    case Kind::kFloat64: return visit(double{});
    default: return visit(int64_t{});
  }
}

void AppendMisfits(const Column& column, uint32_t first, uint32_t count, std::string* out) {
  const size_t at = out->size();
  uint32_t misfits = 0;
  PutNumber(misfits, out);
  for (uint32_t row = first; row < first + count; ++row) {
    const std::string_view text = column.misfit(row);
    if (text.empty()) continue;
    PutNumber(row - first, out);
    PutText(text, out);
    ++misfits;
  }
  std::memcpy(out->data() + at, &misfits, sizeof misfits);
}

// Where the values of each row begin, as counts of values: one, Elements(), or what the list holds.
struct Layout {
  Layout(const Column& column, uint32_t first, uint32_t count)
      : list(column.type().kind == Kind::kList), first_row(first), rows(count) {
    if (!list) width = static_cast<size_t>(column.type().IsScalar() ? 1 : column.type().Elements());
    if (list) offsets = column.list_offsets();
  }
  // A list column that was never filled has no offsets.
  size_t begin(uint32_t row) const { return list ? offsets[std::min<size_t>(row, offsets.size() - 1)] : row * width; }
  size_t end(uint32_t row) const { return begin(row + 1); }

  bool list;
  uint32_t first_row, rows;
  size_t width = 0;
  std::span<const uint32_t> offsets;
};

template <typename T>
void AppendNumbers(const Column& column, const Layout& layout, std::string* out) {
  const auto values = column.values<T>();
  const size_t begin = layout.begin(layout.first_row), end = layout.begin(layout.first_row + layout.rows);
  const size_t at = out->size();
  out->append(reinterpret_cast<const char*>(values.data() + begin), (end - begin) * sizeof(T));
  // Values that are not valid were never written: they must not leak old memory.
  for (uint32_t row = layout.first_row; row < layout.first_row + layout.rows; ++row) {
    if (column.valid(row)) continue;
    std::memset(out->data() + at + (layout.begin(row) - begin) * sizeof(T), 0,
                (layout.end(row) - layout.begin(row)) * sizeof(T));
  }
}

void AppendTexts(const Column& column, const Layout& layout, std::string* out) {
  const auto values = column.values<std::string_view>();
  const auto each = [&](auto visit) {
    for (uint32_t row = layout.first_row; row < layout.first_row + layout.rows; ++row) {
      for (size_t i = layout.begin(row); i < layout.end(row); ++i) {
        visit(column.valid(row) ? values[i] : std::string_view());
      }
    }
  };
  each([out](std::string_view text) { PutNumber(static_cast<uint32_t>(text.size()), out); });
  each([out](std::string_view text) { out->append(text); });
}

}  // namespace

void AppendColumn(const Column& column, uint32_t first, uint32_t count, std::string* out) {
  const Layout layout(column, first, count);
  out->append(reinterpret_cast<const char*>(column.states().data() + first), count);
  if (layout.list) {
    for (uint32_t row = first; row < first + count; ++row) {
      PutNumber(static_cast<uint32_t>(layout.end(row) - layout.begin(row)), out);
    }
  }
  const Kind kind = StoredKind(column.type());
  if (kind == Kind::kString) {
    AppendTexts(column, layout, out);
  } else {
    WithNumber(kind, [&](auto zero) { AppendNumbers<decltype(zero)>(column, layout, out); });
  }
  AppendMisfits(column, first, count, out);
}

// ---------------------------------------------------------------------------------------- reading

namespace {

// The low half of a state is one of CellState; the upper half counts path steps of a field that is absent, or is the
// mark of a null or valid cell.
bool IsState(uint8_t state) {
  switch (state & 0x0F) {
    case kMissingRequired: return true;
    case kNull:
    case kValid: return MarkOf(state) <= Mark::kTimeout;
    case kMissing:
    case kWrongType:
    case kOutOfRange: return state <= 0x0F;
    default: return false;
  }
}

bool ReadStates(ByteReader& in, const RowPick& pick, Column* column) {
  const char* states = in.TakeArray(pick.total(), 1);
  if (!in.ok()) return false;
  for (uint32_t row = 0; row < pick.total(); ++row) {
    const auto state = static_cast<uint8_t>(states[row]);
    if (!IsState(state)) return false;
    if (pick.place[row] != RowPick::kLeftOut) column->states()[pick.place[row]] = state;
  }
  return true;
}

// Values per row of the frame: from the type, or as a list's counts say.
class Widths {
 public:
  Widths(ByteReader& in, const Type& type, uint32_t rows) : rows_(rows) {
    if (type.kind == Kind::kList) {
      counts_ = in.TakeArray(rows, sizeof(uint32_t));
      for (uint32_t row = 0; in.ok() && row < rows; ++row) total_ += of(row);
    } else {
      width_ = static_cast<uint64_t>(type.IsScalar() ? 1 : type.Elements());
      total_ = width_ * rows;
    }
  }
  uint64_t of(uint32_t row) const {
    return counts_ != nullptr ? LoadNumber<uint32_t>(counts_ + row * sizeof(uint32_t)) : width_;
  }
  uint64_t total() const { return total_; }
  uint32_t rows() const { return rows_; }

 private:
  const uint32_t rows_;
  const char* counts_ = nullptr;
  uint64_t width_ = 0, total_ = 0;
};

template <typename T>
T Sound(T value) {
  if constexpr (std::is_same_v<T, uint8_t>) return value != 0 ? 1 : 0;
  return value;
}

// Stores one row's values, `load(i)` for i in [0, count), in the column.
template <typename T, typename Load>
void PutRow(Column* column, bool list, uint32_t row, uint64_t count, Load load) {
  if (!list) {
    T* out = column->values<T>().data() + row * count;
    for (uint64_t i = 0; i < count; ++i) out[i] = load(i);
    return;
  }
  for (uint64_t i = 0; i < count; ++i) column->PushListValue<T>(load(i));
  column->EndListRow();
}

template <typename T>
bool ReadNumbers(ByteReader& in, const Widths& widths, const RowPick& pick, Column* column) {
  const char* values = in.TakeArray(widths.total(), sizeof(T));
  if (!in.ok()) return false;
  const bool list = column->type().kind == Kind::kList;
  if (pick.all() && !list && !std::is_same_v<T, uint8_t>) {
    if (widths.total() != 0) std::memcpy(column->values<T>().data(), values, widths.total() * sizeof(T));
    return true;
  }
  for (uint32_t row = 0; row < widths.rows(); ++row) {
    const uint64_t count = widths.of(row);
    if (pick.place[row] != RowPick::kLeftOut) {
      PutRow<T>(column, list, pick.place[row], count,
                [values](uint64_t i) { return Sound(LoadNumber<T>(values + i * sizeof(T))); });
    }
    values += count * sizeof(T);
  }
  return true;
}

bool ReadTexts(ByteReader& in, const Widths& widths, const RowPick& pick, Column* column) {
  const char* sizes = in.TakeArray(widths.total(), sizeof(uint32_t));
  if (!in.ok()) return false;
  const bool list = column->type().kind == Kind::kList;
  for (uint32_t row = 0; row < widths.rows(); ++row) {
    const uint64_t count = widths.of(row);
    const auto load = [&in, sizes](uint64_t i) { return in.Take(LoadNumber<uint32_t>(sizes + i * sizeof(uint32_t))); };
    if (pick.place[row] != RowPick::kLeftOut) {
      PutRow<std::string_view>(column, list, pick.place[row], count, load);
    } else {
      for (uint64_t i = 0; i < count; ++i) (void)load(i);
    }
    sizes += count * sizeof(uint32_t);
  }
  return in.ok();
}

bool ReadMisfits(ByteReader& in, const RowPick& pick, Column* column) {
  const uint32_t count = in.Count(8);
  uint32_t next = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const auto row = in.Number<uint32_t>();
    const std::string_view text = in.Text();
    if (!in.ok() || row < next || row >= pick.total()) return false;
    next = row + 1;
    if (pick.place[row] != RowPick::kLeftOut) column->NoteMisfit(pick.place[row], text);
  }
  return in.ok();
}

}  // namespace

bool ReadColumn(std::string_view bytes, const Type& type, const RowPick& pick, Column* column) {
  ByteReader in(bytes);
  const Kind kind = StoredKind(type);
  // Checked before memory is reserved: the bytes that need it must exist.
  const uint64_t elements = type.kind == Kind::kTensor ? static_cast<uint64_t>(type.Elements()) : 1;
  const uint64_t least = type.kind == Kind::kList || kind == Kind::kString ? sizeof(uint32_t) : KindSize(kind);
  if (pick.total() != 0 && elements > bytes.size() / least / pick.total()) return false;
  column->Reset(type, pick.kept);
  if (!ReadStates(in, pick, column)) return false;
  const Widths widths(in, type, pick.total());
  if (!in.ok()) return false;
  bool read = false;
  if (kind == Kind::kString) {
    read = ReadTexts(in, widths, pick, column);
  } else {
    WithNumber(kind, [&](auto zero) { read = ReadNumbers<decltype(zero)>(in, widths, pick, column); });
  }
  return read && ReadMisfits(in, pick, column) && in.left() == 0;
}

}  // namespace anabranch

#include "tests/extensions/format_cells/cells_format.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "engine/codec/cell_slot.h"
#include "engine/codec/row_faults.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

class CellsDecoder final : public Decoder {
 public:
  CellsDecoder(const DecodePlan& plan, const RowLayout& layout) : width_(layout.header.size()) {
    for (const DecodePlan::Field& field : plan.fields) {
      const SchemaField& schema = plan.schema->fields()[field.index];
      slots_.emplace_back(schema, field);
      cell_of_.push_back(std::find(layout.header.begin(), layout.header.end(), schema.path) - layout.header.begin());
    }
  }

  void Decode(RecordBatch& batch) override {
    for (CellSlot& slot : slots_) slot.Begin(batch);
    RowFaults faults(batch);
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      if (!faults.Wanted(row)) continue;
      if (!IsUtf8(batch.payload[row])) {
        faults.Fail(row, "utf8", "the row is not UTF-8");
      } else if (!Split(batch.payload[row])) {
        faults.Fail(row, "cells", "the row is not a sequence of LENGTH:BYTES, or has not one cell per column");
      } else {
        Fill(row);
      }
    }
  }

 private:
  bool Split(std::string_view text) {
    cells_.clear();
    while (!text.empty()) {
      if (text[0] == '-') {
        cells_.push_back(std::nullopt);
        text.remove_prefix(1);
        continue;
      }
      size_t size = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
      const auto begin = static_cast<size_t>(end - text.data());
      if (error != std::errc() || begin >= text.size() || text[begin] != ':') return false;
      if (size > text.size() - begin - 1) return false;
      cells_.push_back(text.substr(begin + 1, size));
      text.remove_prefix(begin + 1 + size);
    }
    return cells_.size() == width_;
  }

  void Fill(uint32_t row) {
    for (size_t i = 0; i < slots_.size(); ++i) {
      CellSlot& slot = slots_[i];
      const auto place = static_cast<size_t>(cell_of_[i]);
      if (place >= cells_.size() || !cells_[place]) {
        slot.states[row] = place < cells_.size() ? kNull : kMissing;
      } else {
        slot.states[row] = Store(slot, row, *cells_[place]);
      }
    }
  }

  static CellState Store(CellSlot& slot, uint32_t row, std::string_view cell) {
    if (slot.form == CellSlot::Form::kBool) {
      if (cell != "true" && cell != "false") return kWrongType;
      *slot.Cells<uint8_t>(row) = cell == "true" ? 1 : 0;
      return kValid;
    }
    const std::string_view text = slot.column->text().Copy(std::string(cell) + '\0');
    if (!slot.TakesNumber()) return slot.StoreText(row, text.substr(0, cell.size()));
    ScannedNumber number;
    if (!ScanNumber(text.data(), &number) || number.end != text.data() + cell.size()) return kWrongType;
    return slot.StoreNumber(row, number);
  }

  const size_t width_;
  std::vector<CellSlot> slots_;
  std::vector<ptrdiff_t> cell_of_;
  std::vector<std::optional<std::string_view>> cells_;
};

class CellsFormat final : public Format {
 public:
  const Spec& spec() const override { return spec_; }
  Result<std::unique_ptr<Decoder>> MakeDecoder(DecodePlan plan, const RowLayout& layout) const override {
    return std::unique_ptr<Decoder>(std::make_unique<CellsDecoder>(plan, layout));
  }

 private:
  const Spec spec_{.name = "cells", .summary = "Cells with their lengths.", .needs_header = true};
};

}  // namespace

void RegisterFormatCells(Registry& registry) { registry.Add(std::make_unique<CellsFormat>()); }

}  // namespace anabranch

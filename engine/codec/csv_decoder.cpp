#include <algorithm>
#include <cstring>

#include "engine/codec/cell_slot.h"
#include "engine/codec/decoder.h"
#include "engine/codec/row_faults.h"
#include "engine/json_type.h"
#include "engine/text/number_list.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr size_t kNumberBytes = 511;

bool IsWord(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) { return (a | 32) == b; });
}

class CsvDecoder final : public Decoder {
 public:
  // `cell_of[i]` is the place of plan.fields[i] in a row, or kNone.
  static constexpr size_t kNone = SIZE_MAX;

  CsvDecoder(DecodePlan plan, std::vector<size_t> cell_of, const RowLayout& dialect)
      : plan_(std::move(plan)),
        cell_of_(std::move(cell_of)),
        width_(dialect.header.size()),
        delimiter_(dialect.delimiter),
        nulls_(dialect.nulls) {
    for (const DecodePlan::Field& field : plan_.fields) {
      const SchemaField& schema = plan_.schema->fields()[field.index];
      slots_.emplace_back(schema, field);
      null_allowed_.push_back(schema.null_allowed);
    }
  }

  void Decode(RecordBatch& batch) override {
    for (CellSlot& slot : slots_) slot.Begin(batch);
    RowFaults faults(batch);
    for (uint32_t row = 0; row < batch.rows(); ++row) {
      if (faults.Wanted(row)) Row(row, batch.payload[row], faults);
    }
  }

 private:
  void Row(uint32_t row, std::string_view text, RowFaults& faults) {
    if (!IsUtf8(text)) return faults.Fail(row, "utf8", "the row is not UTF-8");
    if (!SplitCsvRow(text, delimiter_, &cells_, &scratch_)) {
      return faults.Fail(row, "csv", "quotes do not match in the row \"" + std::string(CutText(text, 64)) + "\"");
    }
    if (cells_.size() != width_) {
      return faults.Fail(
          row, "csv", "the row has " + std::to_string(cells_.size()) + " cells, the header " + std::to_string(width_));
    }
    for (size_t i = 0; i < slots_.size(); ++i) Fill(row, i);
  }

  void Fill(uint32_t row, size_t i) {
    CellSlot& slot = slots_[i];
    const std::string_view cell = cell_of_[i] == kNone ? std::string_view() : cells_[cell_of_[i]];
    if (cell.empty() || std::find(nulls_.begin(), nulls_.end(), cell) != nulls_.end()) {
      slot.states[row] = null_allowed_[i] && cell_of_[i] != kNone ? kNull : kMissing;
      return;
    }
    const CellState state = Store(slot, row, cell);
    slot.states[row] = state;
    if (state != kValid) slot.column->NoteMisfit(row, slot.column->text().Copy(CutText(cell, kMisfitBytes)));
  }

  CellState Store(CellSlot& slot, uint32_t row, std::string_view cell) {
    if (slot.form == CellSlot::Form::kBool) return Flag(slot, row, TrimBlanks(cell));
    if (slot.TakesNumber()) return Number(slot, row, TrimBlanks(cell));
    // Cells are kept with a zero byte behind: the split row's memory is used again.
    char* bytes = slot.column->text().Allocate(cell.size() + 1);
    std::memcpy(bytes, cell.data(), cell.size());
    bytes[cell.size()] = '\0';
    return slot.StoreText(row, {bytes, cell.size()});
  }

  static CellState Flag(CellSlot& slot, uint32_t row, std::string_view cell) {
    const bool yes = IsWord(cell, "true") || cell == "1";
    if (!yes && !IsWord(cell, "false") && cell != "0") return kWrongType;
    *slot.Cells<uint8_t>(row) = yes ? 1 : 0;
    return kValid;
  }

  static CellState Number(CellSlot& slot, uint32_t row, std::string_view cell) {
    char text[kNumberBytes + 1];
    if (cell.size() > kNumberBytes) return kWrongType;
    std::memcpy(text, cell.data(), cell.size());
    text[cell.size()] = '\0';
    ScannedNumber number;
    if (!ScanNumber(text, &number) || number.end != text + cell.size()) return kWrongType;
    return slot.StoreNumber(row, number);
  }

  const DecodePlan plan_;
  const std::vector<size_t> cell_of_;
  const size_t width_;
  const char delimiter_;
  const std::vector<std::string> nulls_;
  std::vector<CellSlot> slots_;
  std::vector<bool> null_allowed_;
  std::vector<std::string_view> cells_;
  std::string scratch_;
};

std::vector<std::string> FieldNames(const RecordSchema& schema) {
  std::vector<std::string> names;
  for (const SchemaField& field : schema.fields()) names.push_back(field.path);
  return names;
}

Status CheckHeader(const DecodePlan& plan, const std::vector<std::string>& header) {
  const std::vector<std::string> known = FieldNames(*plan.schema);
  const std::vector<std::string>& closed = plan.schema->closed_objects();
  const bool is_closed = std::find(closed.begin(), closed.end(), "") != closed.end();
  for (size_t i = 0; i < header.size(); ++i) {
    const bool is_known = std::find(known.begin(), known.end(), header[i]) != known.end();
    if (is_known && std::find(header.begin(), header.begin() + static_cast<ptrdiff_t>(i), header[i]) !=
                        header.begin() + static_cast<ptrdiff_t>(i)) {
      return {Code::kInvalid, "the header names column \"" + header[i] + "\" twice"};
    }
    if (!is_known && is_closed) {
      return {Code::kInvalid,
              "the header names column \"" + header[i] +
                  "\", which the schema does not have and \"additionalProperties\": false does not allow; " +
                  Suggest(header[i], known)};
    }
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<Decoder>> MakeCsvDecoder(DecodePlan plan, const RowLayout& dialect) {
  std::vector<std::string> names = dialect.header;
  if (!names.empty() && names[0].starts_with("\xEF\xBB\xBF")) names[0].erase(0, 3);
  RETURN_IF_ERROR(CheckHeader(plan, names));
  std::vector<size_t> cell_of;
  for (const DecodePlan::Field& wanted : plan.fields) {
    const SchemaField& field = plan.schema->fields()[wanted.index];
    const auto found = std::find(names.begin(), names.end(), field.path);
    if (found == names.end() && field.required) {
      return Status(Code::kInvalid, "the header has no column \"" + field.path + "\", which the schema requires; " +
                                        Suggest(field.path, names));
    }
    if (IsJson(wanted.type)) {
      return Status(Code::kInvalid, "field \"" + field.path + "\" is an array of objects, which no CSV cell holds");
    }
    if (!wanted.type.IsScalar() && field.decode.empty()) {
      return Status(Code::kInvalid,
                    "field \"" + field.path + "\" is a " + wanted.type.ToString() +
                        ", which no CSV cell holds; write it as text with \"x-decode\": \"csv<f32>[n]\"");
    }
    cell_of.push_back(found == names.end() ? CsvDecoder::kNone : static_cast<size_t>(found - names.begin()));
  }
  return std::unique_ptr<Decoder>(std::make_unique<CsvDecoder>(std::move(plan), std::move(cell_of), dialect));
}

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/codec/csv_dialect.h"
#include "engine/record_batch.h"
#include "engine/schema/record_schema.h"
#include "engine/status.h"

namespace anabranch {

// Turns payloads into the columns that the plan reads. One per compute thread; keeps its parser and
// what it learnt about field order.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Resets and fills the wanted columns for all rows of `batch`. A payload that cannot be read at
  // all (not JSON, not UTF-8, too deep, a wanted key twice, CSV with the wrong number of cells) is a
  // row error of stage `batch.source`: outcome kFailed and an entry in its errors, codes "json",
  // "utf8", "depth", "duplicate_key", "csv", "unknown_key". Cells that do not fit get their CellState.
  // Rows whose outcome at the source is not kOk are left alone.
  virtual void Decode(RecordBatch& batch) = 0;
};

// What to decode: the wanted subset of a schema's fields, with their columns' final types.
struct DecodePlan {
  std::shared_ptr<const RecordSchema> schema;
  struct Field {
    size_t index;  // into schema->fields()
    ColumnId column;
    Type type;  // storage: a tensor may be float32
  };
  std::vector<Field> fields;
  size_t max_depth = 64;
};

std::unique_ptr<Decoder> MakeJsonDecoder(DecodePlan plan);

// CSV rows whose cells stand in the order of `dialect.header` (the file's first row). kInvalid when a required field
// has no column.
Result<std::unique_ptr<Decoder>> MakeCsvDecoder(DecodePlan plan, const CsvDialect& dialect);

// Splits one RFC 4180 row (without its line end) into unescaped cells; views into `row` or `scratch`.
// False when quotes do not match.
bool SplitCsvRow(std::string_view row, char delimiter, std::vector<std::string_view>* cells, std::string* scratch);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/record_batch.h"
#include "engine/status.h"
#include "engine/target.h"

namespace anabranch {

// Appends one cell as JSON: null, true, 12, 1.5, "text", "2026-01-01T00:00:00Z", [..] (tensors nested by shape),
// JSON text as it is.
void AppendJsonCell(std::string* out, const Column& column, uint32_t row);

// Writes rows as JSON objects with fixed fields; the literal pieces between the values are made once.
class JsonRowWriter {
 public:
  explicit JsonRowWriter(const std::vector<TargetFields::Field>& fields);
  // Appends {"a":1,"b":null} for one row. Stops within it after `most` bytes.
  void Append(const RecordBatch& batch, uint32_t row, std::string* out, size_t most = std::string::npos) const;

 private:
  struct Piece {
    std::string prefix;  // {"a":  or  ,"b":
    ColumnId column;
  };
  std::vector<Piece> pieces_;
};

}  // namespace anabranch

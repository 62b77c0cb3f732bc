#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/record_batch.h"
#include "engine/target.h"

namespace anabranch {

// Writes rows as CSV (RFC 4180). A cell is the JSON text of its column: numbers, true, lists and tensors as text;
// strings and timestamps without JSON's quotes. Null is the empty cell, the empty string is "". Quotes stand only where
// needed.
class CsvRows {
 public:
  // `identity`: the columns "id" and "key" stand before the fields. A key that is not UTF-8 is written in base64.
  CsvRows(const std::vector<TargetFields::Field>& fields, bool identity, char delimiter);

  std::string Header() const;
  // Appends one row with its line end. `id` is used with `identity` only.
  void Append(const RecordBatch& batch, uint32_t row, std::string_view id, std::string* out);

 private:
  void AppendCell(std::string_view text, bool is_string, std::string* out) const;

  const std::vector<TargetFields::Field> fields_;
  const bool identity_;
  const char delimiter_;
  std::string cell_;
};

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/record_batch.h"
#include "engine/status.h"
#include "engine/target.h"

namespace anabranch {

// Appends JSON text. Numbers are written shortest-round-trip, without an exponent from 1e-6 up to 1e21; strings escaped
// as little as JSON allows.
void AppendJsonString(std::string* out, std::string_view text);
void AppendJsonNumber(std::string* out, double value);  // not finite: null
void AppendJsonNumber(std::string* out, float value);
void AppendJsonNumber(std::string* out, int64_t value);

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

// True when `text` is valid UTF-8.
bool IsUtf8(std::string_view text);
std::string Base64(std::string_view bytes);
Result<std::string> FromBase64(std::string_view text);
// "2026-01-01T00:00:00.123456Z" ↔ microseconds since 1970 UTC; fractions only as needed. False when malformed.
std::string FormatTimestamp(int64_t micros);
bool ParseTimestamp(std::string_view text, int64_t* micros);

}  // namespace anabranch

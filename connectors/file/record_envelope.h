#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/column.h"
#include "engine/encoded.h"
#include "engine/record_batch.h"
#include "engine/status.h"

namespace anabranch {

// A whole record as one JSON line, reversible byte for byte:
//
//   {"key": "k", "value": {…}, "headers": {"h": "v"}, "timestamp": 1700000000000}
//
// key      "key" (text; null or absent: none) or "key_base64"
// value    "value" (any JSON; its text as it stands is the payload), or "value_text" (the payload as a string), or
//          "value_base64". Exactly one.
// headers  "headers" (names to texts), or "header_list": [["name", "value"], …] where order or repetition counts;
//          a header that is no UTF-8 is {"base64": "…"} in either place of a pair
// timestamp milliseconds since 1970; absent or null: none
//
// Written with value_text where the payload is UTF-8, as dead letters are. Other members are errors.

struct EnvelopeRecord {
  std::string_view key;
  bool has_key = false;
  std::string_view value;
  std::vector<RowHeader> headers;
  int64_t timestamp_ms = -1;
};

// Keeps its parser; used by one thread.
class EnvelopeReader {
 public:
  EnvelopeReader();
  ~EnvelopeReader();
  // `line` is followed by Chunk::kPadding readable bytes. Views of the record point into `line` and `text`.
  // Ok, or kInvalid with the reason; `code` is then the row error's code ("json" or "envelope").
  Status Read(std::string_view line, Arena* text, EnvelopeRecord* record, std::string* code);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// Appends the line of one encoded row, with its line end.
void AppendRecordEnvelope(const EncodedRows& rows, const EncodedRows::Row& row, std::string* out);

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/format.h"
#include "engine/schema/record_schema.h"

namespace anabranch {

// One JSON object per payload.
std::unique_ptr<Decoder> MakeJsonDecoder(DecodePlan plan);

// One row of CSV per payload; its cells stand in the order of `layout.header`. kInvalid when a required field has no
// column.
Result<std::unique_ptr<Decoder>> MakeCsvDecoder(DecodePlan plan, const RowLayout& layout);

// Splits one RFC 4180 row (without its line end) into unescaped cells, which are views into `row` or `scratch`.
// False when quotes do not match.
bool SplitCsvRow(std::string_view row, char delimiter, std::vector<std::string_view>* cells, std::string* scratch);

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/schema/record_schema.h"

namespace anabranch {

// The words in which a record's faults are reported.

std::string FieldName(const SchemaField& field);  // field "a.b"
// In quotes, cut at 64 bytes.
std::string QuoteValue(std::string_view value);
// "a number", "an array of numbers shaped [8,8]": what the schema wants of the field.
std::string Wanted(const SchemaField& field);
// What is wrong with a cell in this state; empty when the schema allows it. `misfit`: what the record held.
std::string StateFault(const SchemaField& field, uint8_t state, std::string_view misfit);
// Empty when the count keeps to the limits.
std::string ItemCountFault(const SchemaField& field, int64_t count, const std::optional<int64_t>& least,
                           const std::optional<int64_t>& most);

}  // namespace anabranch

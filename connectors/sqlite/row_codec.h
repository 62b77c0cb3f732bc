#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/column.h"

namespace anabranch {

// A database row as bytes, so that it can be pinned until its epoch is committed: one tag per cell, then
//   kInteger, kReal: 8 bytes    kText: u32 size, bytes    kNull: nothing
enum class CellTag : char { kNull, kInteger, kReal, kText };

void AppendInteger(std::string* out, int64_t value);
void AppendReal(std::string* out, double value);
void AppendText(std::string* out, std::string_view text);
// One cell as the database stores it: bool 0/1, float32 and float64 REAL (not finite: null), timestamps as ISO 8601
// text, lists and tensors as JSON text.
void AppendCell(std::string* out, const Column& column, uint32_t row);

struct StoredCell {
  CellTag tag = CellTag::kNull;
  int64_t integer = 0;
  double real = 0;
  std::string_view text;
};

// Takes the first cell off. False when the bytes are no row.
bool TakeCell(std::string_view* bytes, StoredCell* cell);

// "INTEGER", "REAL" or "TEXT": the column type for AppendCell's cells.
const char* SqlType(const Type& type);

}  // namespace anabranch

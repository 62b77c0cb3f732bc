#include "engine/run/row_key.h"

#include <xxhash.h>

#include <cstdio>

#include "engine/codec/json_writer.h"
#include "engine/record_id.h"

namespace anabranch {
namespace {

// The text that stands for one cell in a key: strings as they are, everything else as JSON.
void AppendCell(const Column& column, uint32_t row, std::string* out) {
  if (column.type().kind == Kind::kString) {
    out->append(column.values<std::string_view>()[row]);
  } else {
    AppendJsonCell(out, column, row);
  }
}

void AppendPosition(const RecordBatch& batch, uint32_t row, std::string* out) {
  AppendRecordId(batch.partitions->at(batch.partition[row]), batch.offset[row], out);
}

std::string Hex(XXH128_hash_t hash) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return {text, 32};
}

// RFC 9562 version 8 (own content), made from the position so that a second run makes the same.
std::string Uuid(std::string_view position) {
  std::string hex = Hex(XXH3_128bits(position.data(), position.size()));
  hex[12] = '8';
  hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) & 3];
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

std::string Quoted(const char* what, const std::string& name) { return std::string(what) + " \"" + name + "\""; }

// Appends the row's key to `out`; on failure returns why there is none.
const char* MakeKey(const KeyRule& rule, const RecordBatch& batch, uint32_t row, std::string* out) {
  switch (rule.kind) {
    case KeyRule::Kind::kRecord: return nullptr;
    case KeyRule::Kind::kField: {
      const Column& column = batch.columns[rule.columns[0]];
      if (!column.valid(row)) return "the key field is missing, null or of another type";
      AppendCell(column, row, out);
      return nullptr;
    }
    case KeyRule::Kind::kHash: {
      std::string parts;
      for (ColumnId id : rule.columns) {
        const Column& column = batch.columns[id];
        if (!column.valid(row)) return "a field of the key's hash is missing, null or of another type";
        AppendCell(column, row, &parts);
        parts += '\x1f';
      }
      out->append(Hex(XXH3_128bits(parts.data(), parts.size())));
      return nullptr;
    }
    case KeyRule::Kind::kHeader:
      for (const RowHeader& header : batch.row_headers(row)) {
        if (header.name == rule.header && header.value.data() != nullptr) {
          out->append(header.value);
          return nullptr;
        }
      }
      return "the record has no header of the key's name";
    case KeyRule::Kind::kPosition: AppendPosition(batch, row, out); return nullptr;
    case KeyRule::Kind::kUuid: {
      std::string position;
      AppendPosition(batch, row, &position);
      out->append(Uuid(position));
      return nullptr;
    }
  }
  return nullptr;
}

}  // namespace

void ApplyKeyRule(const KeyRule& rule, RecordBatch& batch) {
  batch.record_key = batch.key;
  batch.record_key_present = batch.key_present;
  StageRows& stage = batch.stages[batch.source];
  const auto fail = [&](uint32_t row, std::string message) {
    stage.outcome[row] = Outcome::kFailed;
    stage.errors.push_back({row, "key", std::move(message)});
  };
  std::string key;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    if (stage.outcome[row] != Outcome::kOk) continue;
    if (rule.kind == KeyRule::Kind::kRecord) {
      if (!batch.key_present[row]) fail(row, "the record has no key, and \"key\" is \"record\"");
      continue;
    }
    if (rule.kind == KeyRule::Kind::kField) {
      const Column& column = batch.columns[rule.columns[0]];
      if (column.type().kind == Kind::kString && column.valid(row)) {
        batch.key[row] = column.values<std::string_view>()[row];
        batch.key_present[row] = 1;
        continue;
      }
    }
    key.clear();
    if (const char* why = MakeKey(rule, batch, row, &key)) {
      fail(row, rule.kind == KeyRule::Kind::kHeader ? why + Quoted(":", rule.header) : why);
      continue;
    }
    batch.key[row] = batch.text.Copy(key);
    batch.key_present[row] = 1;
  }
}

}  // namespace anabranch

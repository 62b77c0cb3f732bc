#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/ids.h"

namespace anabranch {

// The id of a source record, "topic/partition/offset": in keys, results, dead letters, failures and messages. It names
// a record for good, so its form must not change.
inline void AppendRecordId(const SourcePartition& from, int64_t offset, std::string* out) {
  char digits[24];
  const auto append = [&](int64_t number) {
    out->append("/").append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  };
  out->append(from.topic);
  append(from.partition);
  append(offset);
}

inline std::string RecordId(const SourcePartition& from, int64_t offset) {
  std::string id;
  AppendRecordId(from, offset, &id);
  return id;
}

// What an id names: a record, and, as an id of a result does, a node behind it.
struct ParsedRecordId {
  SourcePartition from;
  int64_t offset = 0;
  std::string node;  // empty: the id is the record's
};

// Reads "topic/partition/offset" and "topic/partition/offset/node". nullopt: it is neither.
std::optional<ParsedRecordId> ParseRecordId(std::string_view id);

}  // namespace anabranch

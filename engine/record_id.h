#pragma once

#include <charconv>
#include <cstdint>
#include <string>

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

}  // namespace anabranch

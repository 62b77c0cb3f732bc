#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/ids.h"

namespace anabranch {

// The encoded rows of one batch for one target: bytes ready to leave, one allocation, no pointers,
// so that they can be pinned until their epoch's commit is resolved and written again after an abort.
//
// An encoder asks HasRoom() before each row, writes the row's bytes behind `bytes` and calls AddRow(). A row that is
// longer than `max_row_bytes` is taken back and named in `too_large`; where no room is left the encoder stops, and the
// batch is encoded again in smaller parts. So a batch never holds more than max_bytes and one row.
class EncodedRows {
 public:
  static constexpr uint32_t kNone = 0xffffffff;  // as a length: null

  struct Row {
    int64_t offset = 0;  // with `partition` the identity of the row
    int64_t timestamp_ms = -1;
    uint32_t key = 0, key_size = kNone;
    uint32_t value = 0, value_size = kNone;
    uint32_t headers = 0, headers_size = 0;  // (u32 name size, name, u32 value size or kNone, value)*
    PartitionId partition;
  };

  // A row of the batch whose result is longer than max_row_bytes.
  struct TooLarge {
    uint32_t row;
    size_t bytes;  // at least
  };

  void Clear() {
    rows.clear();
    bytes.clear();
    too_large.clear();
    full = false;
  }

  // Where the next byte goes. Throws std::length_error where 32 bits do not hold it.
  uint32_t Here() const {
    if (bytes.size() >= kNone) throw std::length_error("a batch has more than 4 GiB of results for one target");
    return static_cast<uint32_t>(bytes.size());
  }
  bool HasRoom() {
    full = bytes.size() >= max_bytes;
    return !full;
  }
  // `batch_row`: its place in the batch; its bytes begin at `begin`.
  void AddRow(const Row& row, uint32_t batch_row, size_t begin) {
    if (bytes.size() - begin > max_row_bytes) {
      too_large.push_back({batch_row, bytes.size() - begin});
      bytes.resize(begin);
    } else {
      rows.push_back(row);
    }
  }

  std::string_view key(const Row& row) const { return {bytes.data() + row.key, row.key_size}; }
  std::string_view value(const Row& row) const { return {bytes.data() + row.value, row.value_size}; }

  // Appends one header to `bytes` (a value with data() == nullptr is a null value); call between setting row.headers
  // and row.headers_size.
  void AppendHeader(std::string_view name, std::string_view value);

  // Calls visit(name, value) for each header of the row.
  template <typename Visit>
  void ForEachHeader(const Row& row, Visit visit) const;

  std::vector<Row> rows;
  std::string bytes;

  size_t max_row_bytes = size_t{1} << 30;
  size_t max_bytes = size_t{1} << 30;
  std::vector<TooLarge> too_large;
  bool full = false;
};

// A dead letter on its way through the plan again: whose record it is, and how that failed first.
struct ReplayedLetter {
  SourceTable record{1};                              // the one partition that the rows of its batch name
  std::string first_node, first_code, first_message;  // as the letter says, maybe empty
  std::string first_failed_at;
  std::string node, behind, beside;  // where it failed, and the lists of its letter (engine/run/dead_letter.h)
  // Headers of ours that stand for what an earlier letter had to leave out of the record: they go with the next one.
  std::vector<std::pair<std::string, std::string>> left_out;
};

// Everything that one batch sends out: per TargetId its rows, and the source positions they complete.
struct EncodedBatch {
  std::vector<EncodedRows> targets;
  std::vector<PositionRange> positions;
  // For measures. When its rows came in, by the run's clock, and per position range the timestamp of its last record
  // (milliseconds since 1970; -1 = none).
  int64_t intake_ns = 0;
  std::vector<int64_t> newest_ms;
  // Set: the batch is one dead letter that is replayed. Its rows bear the identity of the record that failed, and their
  // partitions are ids of `record`, not of the lane's table. They were read where `positions` (one range) begins.
  std::shared_ptr<const ReplayedLetter> replayed;

  struct Place {
    PartitionId partition;
    int64_t offset;
  };
  // Where a row was read, by the lane's table: what a target's progress is compared with.
  Place ReadAt(const EncodedRows::Row& row) const {
    if (replayed == nullptr) return {row.partition, row.offset};
    return {positions.front().partition, positions.front().first};
  }

  void Clear(size_t target_count);
  size_t bytes() const;
  bool has_rows() const;
};

inline void EncodedRows::AppendHeader(std::string_view name, std::string_view value) {
  const auto put = [this](uint32_t n) { bytes.append(reinterpret_cast<const char*>(&n), sizeof n); };
  put(static_cast<uint32_t>(name.size()));
  bytes.append(name);
  put(value.data() == nullptr ? kNone : static_cast<uint32_t>(value.size()));
  bytes.append(value);
}

template <typename Visit>
void EncodedRows::ForEachHeader(const Row& row, Visit visit) const {
  const char* p = bytes.data() + row.headers;
  const char* end = p + row.headers_size;
  const auto take = [&p]() {
    uint32_t n;
    __builtin_memcpy(&n, p, sizeof n);
    p += sizeof n;
    if (n == kNone) return std::string_view();
    const std::string_view text(p, n);
    p += n;
    return text;
  };
  while (p < end) {
    const std::string_view name = take();
    visit(name, take());
  }
}

}  // namespace anabranch

#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// A number that names one kind of thing. Ids of different kinds neither convert to each other nor compare. A number
// that is known at compile time becomes an id by itself, any other only where that is written. An id indexes vectors as
// it is.
template <typename Tag, typename Number>
class Id {
 public:
  constexpr Id() = default;
  consteval Id(int constant) : number_(static_cast<Number>(constant)) {}
  template <std::unsigned_integral T>
  explicit constexpr Id(T number) : number_(static_cast<Number>(number)) {}
  template <typename OtherTag, typename OtherNumber>
  explicit Id(Id<OtherTag, OtherNumber>) = delete;

  constexpr operator Number() const { return number_; }  // implicit: an index
  constexpr Id& operator++() {
    ++number_;
    return *this;
  }
  constexpr Id operator--(int) { return Id(static_cast<Number>(number_--)); }
  friend constexpr bool operator==(Id, Id) = default;
  friend constexpr auto operator<=>(Id, Id) = default;
  // With a size or a literal.
  template <std::integral T>
  friend constexpr bool operator==(Id id, T number) {
    return std::cmp_equal(id.number_, number);
  }
  template <std::integral T>
  friend constexpr std::strong_ordering operator<=>(Id id, T number) {
    if (std::cmp_less(id.number_, number)) return std::strong_ordering::less;
    return std::cmp_equal(id.number_, number) ? std::strong_ordering::equal : std::strong_ordering::greater;
  }
  template <typename OtherTag, typename OtherNumber>
  friend bool operator==(Id, Id<OtherTag, OtherNumber>) = delete;
  template <typename OtherTag, typename OtherNumber>
  friend bool operator<=>(Id, Id<OtherTag, OtherNumber>) = delete;

 private:
  Number number_ = 0;
};

// Index of a column in the topology's one flat name space.
using ColumnId = Id<struct ColumnTag, uint32_t>;

// Index of a stage: the sources first, in file order, then the nodes in dependency order.
using StageId = Id<struct StageTag, uint32_t>;
inline constexpr StageId kNoStage{UINT32_MAX};

// Index of a target: those of the sinks in dependency order; the dead letters come last.
using TargetId = Id<struct TargetTag, uint32_t>;

// Index into a lane's SourceTable: small, only grows, stable for the life of the lane.
using PartitionId = Id<struct PartitionTag, uint16_t>;

// A number of engine/generation.h.
using GenerationId = Id<struct GenerationTag, uint32_t>;

// A source partition by its outside name. A file's topic part is "file:SOURCE_ID", its partition 0.
struct SourcePartition {
  std::string topic;
  int32_t partition = 0;
  bool operator==(const SourcePartition&) const = default;
  auto operator<=>(const SourcePartition&) const = default;
};

// No position is stored.
inline constexpr int64_t kNoPosition = -1;
// As a committer's progress: it writes no rows, so it does not care where the source goes on.
inline constexpr int64_t kWantsNothing = INT64_MAX;

// The partitions that one lane has ever read. The lane's thread adds; any thread may look up an id
// that it was handed: entries never move.
class SourceTable {
 public:
  static constexpr size_t kMaxPartitions = size_t{1} << 16;

  // `capacity`: at most kMaxPartitions.
  explicit SourceTable(size_t capacity = kMaxPartitions) : capacity_(capacity) { names_.reserve(capacity); }
  SourceTable(const SourceTable&) = delete;
  SourceTable& operator=(const SourceTable&) = delete;

  // The id of `partition`, which is added when it is new. kInvalid: the table is full.
  Result<PartitionId> Find(const SourcePartition& partition) {
    const auto known = ids_.find(partition);
    if (known != ids_.end()) return known->second;
    if (names_.size() == capacity_) {
      return Status(Code::kInvalid, "one lane can read " + std::to_string(capacity_) + " partitions, and " +
                                        partition.topic + "/" + std::to_string(partition.partition) +
                                        " would be one more; read fewer topics in one topology");
    }
    const auto id = PartitionId(names_.size());
    names_.push_back(&ids_.emplace(partition, id).first->first);
    return id;
  }
  const SourcePartition& at(PartitionId id) const { return *names_[id]; }

 private:
  const size_t capacity_;
  std::map<SourcePartition, PartitionId> ids_;
  std::vector<const SourcePartition*> names_;  // by id; keys of ids_
};

// Which generation scores the rows of a partition: `generation` from offset `since` on, `before` below it. `check` is
// Generations::Check(generation); 0: not known.
struct Scoring {
  GenerationId generation{0};
  int64_t since = 0;
  GenerationId before{0};
  uint32_t check = 0;

  GenerationId At(int64_t offset) const { return offset >= since ? generation : before; }
  bool operator==(const Scoring&) const = default;
};

// Rows [first, next) of one source partition, in source offsets. `next` is where to go on: only the source knows it
// (of a topic the next offset, of a file the byte where the next row begins).
struct PositionRange {
  PartitionId partition;
  int64_t first = 0;
  int64_t next = 0;
  Scoring scoring = {};  // of these rows, and of those behind them until a later range says otherwise
};

}  // namespace anabranch

template <typename Tag, typename Number>
struct std::hash<anabranch::Id<Tag, Number>> {
  size_t operator()(anabranch::Id<Tag, Number> id) const { return std::hash<Number>()(id); }
};

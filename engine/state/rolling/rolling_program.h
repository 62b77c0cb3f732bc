#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/status.h"

namespace anabranch {

// Rolling features of one key: what they are, and the plan that computes them. rolling_entry.h has what a key
// remembers.

enum class RollingFunction : uint8_t {
  kCountRows,  // int64: rows
  kCount,      // int64: values that are not null
  kSum,        // the type of the column
  kMean,       // float64: the sum, divided by the count
  kMin,        // the type of the column; NaN is greater than every number, -0 becomes 0
  kMax,
  kVar,  // float64, of a sample: null below two values
  kVarPop,
  kStddev,
  kStddevPop,
  kFirst,      // the type of the column; by (time, arrival)
  kLast,       //
  kDistinct,   // int64: different values; -0 is 0, NaN is one value; needs `over_us`
  kLag,        // the type of the column: the value `rows` rows before this one, by arrival; null if it was null
  kValues,     // `rows` outputs: the newest values that are not null, by arrival, oldest first; the front may be null
  kSinceLast,  // int64, microseconds: this row's time - that of the row that arrived before; may be negative
  kEwma,       // float64: mean with weights 2^(-age / half_life_us); late rows have their age, too
};

enum class RollingType : uint8_t {
  kInt64,    // also of booleans and timestamps
  kFloat64,  //
  kHash,     // 64 bits that stand for a text: kCount and kDistinct only
};

// One feature. All functions but the first two and the last two of this list ignore nulls, and give null when nothing
// is left. Fields that a function does not use stay as they are here.
struct RollingFeature {
  RollingFunction function = RollingFunction::kCountRows;
  size_t column = 0;        // index into the columns; not used by kCountRows and kSinceLast
  int64_t over_us = 0;      // the window is (t - over_us, t], t the time of the row; 0: the whole life of the key
  int64_t tile_us = 0;      // above 0: the lower bound is rounded down to a multiple of it since 1970
  bool current = true;      // whether the row itself counts; not used by kLag and kSinceLast
  int64_t rows = 1;         // kLag, kValues
  int64_t max = 1000;       // kDistinct: more are RollingFault::kTooManyDistinct
  double half_life_us = 0;  // kEwma
};

// An immutable plan. Features share what they can: one list of rows, one search per window, one pass per window and
// column. Thread-safe.
class RollingProgram {
 public:
  // The most rows that one key can remember, and the most columns.
  static constexpr uint32_t kMostRows = 32'000;
  static constexpr size_t kMostColumns = 16;
  // kInvalid: names the feature by its index and says what fits. `columns` are the types of RollingRow::values.
  static Result<RollingProgram> Make(std::vector<RollingType> columns, std::vector<RollingFeature> features,
                                     uint32_t max_rows = 10'000);

  // Values that a row gets: one per feature in order, `rows` for kValues.
  size_t width() const { return width_; }
  // The type of a feature's values.
  RollingType TypeOf(size_t feature) const;
  // A row is remembered while its time > (greatest time of the partition) - reach_us() - lateness. 0: no row is.
  int64_t reach_us() const { return reach_us_; }

 private:
  friend class RollingEntry;
  // What a pass over one column of one window has to find.
  enum Need : uint8_t { kNeedCount = 1, kNeedSum = 2, kNeedRange = 4, kNeedSquares = 8, kNeedEnds = 16, kNeedSet = 32 };
  struct Answer {
    RollingFunction function;
    uint32_t feature;
    uint32_t output;
    int64_t max;
  };
  struct Job {
    size_t column = 0;
    size_t stored = 0;   // index among the stored columns, where one is read
    size_t partial = 0;  // index among those with partials
    RollingType type = RollingType::kInt64;
    bool counts_rows = false;  // nothing is read of a column
    uint8_t needs = 0;
    std::vector<Answer> answers = {};
  };
  struct Window {
    int64_t over_us = 0;
    int64_t tile_us = 0;
    bool current = true;
    std::vector<Job> jobs = {};
  };
  struct Life {
    RollingFeature feature;
    RollingType type;
    uint32_t index;   // of the feature
    uint32_t output;  //
    uint32_t word;    // where its words begin among the scalars
  };
  static constexpr size_t kNone = SIZE_MAX;

  RollingProgram() = default;
  Status Check(size_t feature) const;
  void AddWindowed(size_t feature, uint32_t output);
  void AddLife(size_t feature, uint32_t output);
  void PlaceColumns();

  std::vector<RollingType> columns_;
  std::vector<RollingFeature> features_;
  std::vector<Window> windows_;
  std::vector<Life> lives_;
  std::vector<size_t> stored_;         // by place: the column
  std::vector<RollingType> partials_;  // by place: the type
  std::vector<size_t> partial_of_;     // by stored place: the place among the partials, or kNone
  size_t width_ = 0;
  size_t scalar_words_ = 0;
  int64_t reach_us_ = 0;
  uint32_t max_rows_ = 0;
};

std::string_view NameOf(RollingFunction function);

}  // namespace anabranch

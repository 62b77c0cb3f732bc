#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace anabranch {

// What a guard has counted. Additive: over batches, lanes and instances. A *unit* is what counts as one observation: a
// row, or the first row of a key in a window of rows (KeyWindow), so that one busy key is not many observations.
struct GuardCounts {
  int64_t units = 0, unit_events = 0;
  int64_t rows = 0, events = 0;

  void Add(bool is_unit, bool is_event) {
    rows += 1;
    events += is_event;
    units += is_unit;
    unit_events += is_unit && is_event;
  }
  void Add(const GuardCounts& other) {
    units += other.units;
    unit_events += other.unit_events;
    rows += other.rows;
    events += other.events;
  }
  bool operator==(const GuardCounts&) const = default;
};

// A test of "does this event happen at a rate of at most `limit`?" that may be looked at as often as one likes.
//
// It bets against the limit: a unit with the event multiplies the stake by θ/limit, one without by (1-θ)/(1-limit),
// for 16 rates θ on one side of the limit, whose stakes are averaged. While the rate is on the other side, or at the
// limit, the stake does not grow on average, so it ever reaches 1/α with a probability of at most α (Ville). It depends
// on the counts only, so counts of several instances may be added first.
class RateGuard {
 public:
  static constexpr size_t kGrid = 16;

  // `limit`: above 0, below 1. The grid reaches to `farthest` times the odds of the limit, and to that part of them.
  // Its nearest rate is farthest^(1/16) away: a rate that differs by less than about half of that is never found.
  explicit RateGuard(double limit, double farthest = 100);

  double limit() const { return limit_; }
  // The logarithm of the stake against "the rate is at most the limit", and against "it is at least the limit".
  double LogAbove(int64_t units, int64_t events) const;
  double LogBelow(int64_t units, int64_t events) const;

 private:
  struct Bet {
    double hit = 0, miss = 0;  // logarithms of the factors
  };
  using Grid = std::array<Bet, kGrid>;
  static double LogMean(const Grid& grid, int64_t units, int64_t events);

  double limit_;
  Grid above_, below_;
};

// Tells the first row of a key among `size` rows. Of one lane; starting a new window early does no harm.
class KeyWindow {
 public:
  static constexpr size_t kRows = 1024;

  explicit KeyWindow(size_t size = kRows);
  // Whether this row is the first one of its key in the window. Rows without a key are all first.
  bool IsFirst(std::string_view key);
  bool IsFirst() { return Step(), true; }

 private:
  void Step();

  size_t size_, rows_ = 0;
  uint32_t window_ = 1;
  struct Slot {
    uint64_t hash = 0;
    uint32_t window = 0;  // another one than window_: free
  };
  std::vector<Slot> slots_;
};

}  // namespace anabranch

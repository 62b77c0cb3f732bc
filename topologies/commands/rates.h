#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/run/run_counts.h"

namespace anabranch {

inline double PerSecond(int64_t rows, int64_t ns) {
  return ns > 0 ? static_cast<double>(rows) * 1e9 / static_cast<double>(ns) : 0;
}

// Rates between one look and the next.
class Rates {
 public:
  void Move(const RunSnapshot& snapshot) {
    span_ns_ = snapshot.elapsed_ns - last_.elapsed_ns;
    earlier_ = std::move(last_);
    last_ = snapshot;
  }
  double In(size_t stage) const { return PerSecond(last_.stages[stage].rows_in - Earlier(stage).rows_in, span_ns_); }
  double Out(size_t stage) const { return PerSecond(last_.stages[stage].rows_out - Earlier(stage).rows_out, span_ns_); }
  // Compute threads busy in the stage, in percent of one.
  double Busy(size_t stage) const {
    return span_ns_ > 0 ? 100.0 * static_cast<double>(last_.stages[stage].busy_ns - Earlier(stage).busy_ns) /
                              static_cast<double>(span_ns_)
                        : 0;
  }
  double Read() const { return PerSecond(last_.rows_read - earlier_.rows_read, span_ns_); }

 private:
  StageCounts Earlier(size_t stage) const {
    return stage < earlier_.stages.size() ? earlier_.stages[stage] : StageCounts{};
  }
  RunSnapshot earlier_, last_;
  int64_t span_ns_ = 0;
};

}  // namespace anabranch

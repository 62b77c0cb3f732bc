#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/clock.h"
#include "engine/measure/measure_snapshot.h"
#include "engine/mutex.h"

namespace anabranch {

// What the time of one thread goes to, by cells of one's own meaning. One thread enters cells; any thread reads. Every
// moment since Begin() belongs to one cell, so the cells sum to the wall time. Where a second thread takes over from
// one that is stuck and that comes back, some moments may go to the wrong cell, and the sheet may then stop to move.
class TimeSheet {
 public:
  TimeSheet(const Clock& clock, size_t cells);

  void Begin(size_t cell);
  void End();
  // From now on the time belongs to `cell`. Returns the cell that it belonged to before.
  size_t Enter(size_t cell) { return Enter(cell, clock_.NowNs()); }
  size_t Enter(size_t cell, int64_t now_ns);

  // What a short stretch goes to is known only when it is over: it begins with Open(), and readers do not see it before
  // Divide() gives it to several cells, in proportion to their weights, and enters `then`. Without weight it belongs to
  // `then`.
  void Open(int64_t now_ns);
  struct Part {
    size_t cell;
    int64_t weight;
  };
  void Divide(std::span<const Part> parts, size_t then, int64_t now_ns);

  size_t now_in() const { return current_.load(std::memory_order_relaxed); }
  int64_t since_ns() const { return since_ns_.load(std::memory_order_relaxed); }
  int64_t NowNs() const { return clock_.NowNs(); }
  // By cell, up to now or to the Open() that was not divided yet. `wall_ns`: from Begin() until then. A cell only grows
  // from read to read: where a reader was ahead of a thread that looked at the clock and entered later, by that little
  // the sum is more than the wall time.
  std::vector<int64_t> Read(int64_t* wall_ns) const;

 private:
  void Add(size_t cell, int64_t ns);
  void Set(size_t cell, int64_t since_ns, bool open);
  bool TryRead(std::vector<int64_t>* ns, int64_t* wall_ns) const;

  const Clock& clock_;
  const size_t cells_;
  // Readers try again when `version_` is odd or moved meanwhile.
  std::atomic<uint32_t> version_{0};
  const std::unique_ptr<std::atomic<int64_t>[]> ns_;
  std::atomic<int64_t> begin_ns_{0}, since_ns_{0};
  std::atomic<size_t> current_{0};
  std::atomic<bool> open_{false};
  mutable Mutex mutex_;
  mutable std::vector<int64_t> shown_ GUARDED_BY(mutex_);  // by the last read
  mutable int64_t shown_wall_ns_ GUARDED_BY(mutex_) = 0;
};

// The time of one lane, by state and culprit. A culprit is an index into the names that it is given.
class LaneClock {
 public:
  LaneClock(const Clock& clock, std::vector<std::string> names, size_t source);

  size_t source() const { return source_; }
  size_t Cell(LaneState state, size_t by) const { return static_cast<size_t>(state) * names_.size() + by; }
  TimeSheet& sheet() { return sheet_; }

  // Busy with `stage` from `now_ns` on.
  void Busy(size_t stage, int64_t now_ns) { sheet_.Enter(Cell(LaneState::kBusy, stage), now_ns); }
  void Begin() { sheet_.Begin(Cell(LaneState::kBusy, source_)); }

  // Until the end of its scope the lane is in another state; then it is in the one from before. `lane` may be null.
  class Spell {
   public:
    Spell(LaneClock* lane, LaneState state, size_t by)
        : lane_(lane), before_(lane == nullptr ? 0 : lane->sheet_.Enter(lane->Cell(state, by))) {}
    ~Spell() {
      if (lane_ != nullptr) lane_->sheet_.Enter(before_);
    }
    Spell(const Spell&) = delete;
    Spell& operator=(const Spell&) = delete;

   private:
    LaneClock* const lane_;
    const size_t before_;
  };

  // Adds wall time and shares above zero.
  void Fill(LaneMeasures* measures) const;

 private:
  const std::vector<std::string> names_;
  const size_t source_;
  TimeSheet sheet_;
};

}  // namespace anabranch

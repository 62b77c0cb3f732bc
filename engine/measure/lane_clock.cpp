#include "engine/measure/lane_clock.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace anabranch {
namespace {

constexpr size_t kLaneStates = 6;
constexpr int kMostTries = 1000;

}  // namespace

TimeSheet::TimeSheet(const Clock& clock, size_t cells)
    : clock_(clock), cells_(cells), ns_(new std::atomic<int64_t>[cells]()), shown_(cells) {}

void TimeSheet::Begin(size_t cell) {
  const int64_t now = clock_.NowNs();
  version_.fetch_add(1);
  begin_ns_ = now;
  Set(cell, now, false);
  version_.fetch_add(1);
}

void TimeSheet::End() {
  Enter(now_in());
  open_ = true;  // for good
}

size_t TimeSheet::Enter(size_t cell, int64_t now_ns) {
  const size_t before = now_in();
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  Add(before, now_ns - since_ns_.load(std::memory_order_relaxed));
  Set(cell, now_ns, false);
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  return before;
}

void TimeSheet::Open(int64_t now_ns) {
  Enter(now_in(), now_ns);
  open_.store(true, std::memory_order_release);
}

void TimeSheet::Divide(std::span<const Part> parts, size_t then, int64_t now_ns) {
  int64_t whole = 0;
  for (const Part& part : parts) whole += std::max<int64_t>(0, part.weight);
  const int64_t ns = std::max<int64_t>(0, now_ns - since_ns_.load(std::memory_order_relaxed));
  int64_t left = ns;
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  for (const Part& part : parts) {
    if (whole <= 0 || part.weight <= 0) continue;
    const double share = static_cast<double>(part.weight) / static_cast<double>(whole);
    const int64_t own = std::min<int64_t>(left, std::llround(static_cast<double>(ns) * share));
    Add(part.cell, own);
    left -= own;
  }
  Add(then, left);
  Set(then, now_ns, false);
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

std::vector<int64_t> TimeSheet::Read(int64_t* wall_ns) const {
  std::vector<int64_t> ns(cells_);
  const MutexLock lock(mutex_);
  for (int tries = 0; tries < kMostTries; ++tries) {
    int64_t wall = 0;
    if (!TryRead(&ns, &wall)) continue;
    for (size_t i = 0; i < cells_; ++i) shown_[i] = std::max(shown_[i], ns[i]);
    shown_wall_ns_ = std::max(shown_wall_ns_, wall);
    break;
  }
  *wall_ns = shown_wall_ns_;
  return shown_;
}

bool TimeSheet::TryRead(std::vector<int64_t>* ns, int64_t* wall_ns) const {
  const uint32_t before = version_.load(std::memory_order_acquire);
  for (size_t i = 0; i < cells_; ++i) (*ns)[i] = ns_[i].load(std::memory_order_acquire);
  const int64_t since = since_ns_.load(std::memory_order_acquire);
  const size_t current = current_.load(std::memory_order_acquire);
  const bool open = open_.load(std::memory_order_acquire);
  const int64_t begin = begin_ns_.load(std::memory_order_acquire);
  // Before the second look at the version: what a reader that is held up here sees later may be another cell's time.
  const int64_t until = open ? since : std::max(since, clock_.NowNs());
  // No load above can come after the one below: each acquires.
  if (before % 2 != 0 || version_.load(std::memory_order_relaxed) != before) return false;
  if (begin != 0) (*ns)[current] += until - since;
  *wall_ns = begin == 0 ? 0 : until - begin;
  return true;
}

// One thread writes, so no addition is lost.
void TimeSheet::Add(size_t cell, int64_t ns) {
  if (ns <= 0) return;
  ns_[cell].store(ns_[cell].load(std::memory_order_relaxed) + ns, std::memory_order_release);
}

void TimeSheet::Set(size_t cell, int64_t since_ns, bool open) {
  since_ns_.store(since_ns, std::memory_order_release);
  current_.store(cell, std::memory_order_release);
  open_.store(open, std::memory_order_release);
}

LaneClock::LaneClock(const Clock& clock, std::vector<std::string> names, size_t source)
    : names_(std::move(names)), source_(source), sheet_(clock, kLaneStates * names_.size()) {}

void LaneClock::Fill(LaneMeasures* measures) const {
  const std::vector<int64_t> ns = sheet_.Read(&measures->wall_ns);
  for (size_t cell = 0; cell < ns.size(); ++cell) {
    if (ns[cell] == 0) continue;
    const auto state = static_cast<LaneState>(cell / names_.size());
    measures->shares.push_back({state, names_[cell % names_.size()], ns[cell]});
  }
}

}  // namespace anabranch

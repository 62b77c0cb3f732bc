#include "nodes/ensemble/missing_watch.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace anabranch {
namespace {

// In floating point, 0.07 * 100 is a little above 7.
size_t Limit(const MissingMax& max) {
  return static_cast<size_t>(std::max(1.0, std::ceil(max.share * static_cast<double>(max.rows) - 1e-6)));
}

bool Counts(Cause cause) { return cause != Cause::kPresent && cause != Cause::kSkipped; }

}  // namespace

MissingWatch::MissingWatch(std::shared_ptr<const EnsemblePlan> plan)
    : plan_(std::move(plan)), limit_(Limit(plan_->missing_max)), members_(plan_->members.size()) {}

std::string MissingWatch::Note(std::span<const Cause> causes, std::span<const uint8_t> active, uint32_t active_count,
                               bool some) {
  const uint64_t before = seen_.fetch_add(active_count, std::memory_order_relaxed);
  if (!some && !reported_.load(std::memory_order_relaxed)) return {};
  const MutexLock lock(mutex_);
  if (!stop_.empty()) return stop_;
  std::string said;
  bool reported = false;
  for (size_t m = 0; m < members_.size(); ++m) {
    Member& member = members_[m];
    uint64_t at = before;
    for (size_t row = 0; row < active.size(); ++row) {
      if (!active[row]) continue;
      ++at;
      if (Counts(causes[m * active.size() + row])) Add(&member, at, causes[m * active.size() + row]);
    }
    const uint32_t rows = plan_->missing_max.rows;
    while (!member.window.empty() && member.window.front().at + rows <= at) member.window.pop_front();
    if (member.window.size() < limit_ / 2 + limit_ % 2) member.reported = false;
    if (member.window.size() >= limit_ && !member.reported) {
      member.reported = true;
      said += (said.empty() ? "" : "; ") + Describe(member, plan_->members[m].name, at);
    }
    reported = reported || member.reported;
  }
  reported_.store(reported, std::memory_order_relaxed);
  if (plan_->missing_max.stops) stop_ = said;
  return said;
}

// Keeps at most `limit_` misses; the oldest one goes.
void MissingWatch::Add(Member* member, uint64_t at, Cause cause) {
  if (member->window.size() >= limit_) member->window.pop_front();
  member->window.push_back({at, cause});
}

std::string MissingWatch::Describe(const Member& member, const std::string& name, uint64_t at) const {
  std::array<size_t, kCauseNames.size()> counts{};
  for (const Miss& miss : member.window) ++counts[static_cast<size_t>(miss.cause)];
  std::string causes;
  for (size_t cause = 1; cause < counts.size(); ++cause) {
    if (counts[cause] == 0) continue;
    causes += (causes.empty() ? "" : ", ") + std::string(kCauseNames[cause]) + " " + std::to_string(counts[cause]);
  }
  const MissingMax& max = plan_->missing_max;
  char limit[64];
  std::snprintf(limit, sizeof limit, "%g of %u", max.share, max.rows);
  return "member \"" + name + "\" was missing in " + std::to_string(member.window.size()) + " of the last " +
         std::to_string(std::min<uint64_t>(at, max.rows)) + " records (" + causes + "); \"missing_max\" is " + limit;
}

}  // namespace anabranch

#include "engine/strategy/quantile_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace anabranch {
namespace {

constexpr int kDropped = 46;  // of the 52 bits behind the point: 6 stay, 64 buckets
constexpr double kLeast = 0x1p-60;

int64_t WordOf(double value) { return std::bit_cast<int64_t>(value) >> kDropped; }
double EdgeOf(int64_t word) { return std::bit_cast<double>(word << kDropped); }

}  // namespace

int32_t QuantileSketch::BucketOf(double value) {
  return value < kLeast ? 0 : static_cast<int32_t>(WordOf(value) - WordOf(kLeast)) + 1;
}

double QuantileSketch::MiddleOf(int32_t bucket) {
  if (bucket == 0) return 0;
  const int64_t word = WordOf(kLeast) + bucket - 1;
  const double low = EdgeOf(word);
  return low + (EdgeOf(word + 1) - low) / 2;
}

int64_t& QuantileSketch::At(int32_t bucket) {
  const auto at = std::lower_bound(buckets_.begin(), buckets_.end(), bucket,
                                   [](const auto& each, int32_t wanted) { return each.first < wanted; });
  if (at != buckets_.end() && at->first == bucket) return at->second;
  return buckets_.emplace(at, bucket, 0)->second;
}

void QuantileSketch::Add(double value, int64_t times) {
  if (!(value >= 0) || std::isinf(value) || times <= 0) return;
  At(BucketOf(value)) += times;
  count_ += times;
  max_ = std::max(max_, value);
}

void QuantileSketch::Add(const QuantileSketch& other) {
  for (const auto& [bucket, times] : other.buckets_) At(bucket) += times;
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

double QuantileSketch::Quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::clamp(std::ceil(q * static_cast<double>(count_)), 1.0, static_cast<double>(count_));
  int64_t below = 0;
  for (const auto& [bucket, times] : buckets_) {
    below += times;
    if (static_cast<double>(below) < wanted) continue;
    return below == count_ && wanted == static_cast<double>(count_) ? max_ : std::min(MiddleOf(bucket), max_);
  }
  return max_;
}

bool QuantileSketch::Restore(std::vector<std::pair<int32_t, int64_t>> buckets, double max) {
  int64_t count = 0;
  int32_t last = -1;
  for (const auto& [bucket, times] : buckets) {
    if (bucket <= last || times <= 0 || count > INT64_MAX - times) return false;
    count += times;
    last = bucket;
  }
  const bool fits = std::isfinite(max) && max >= 0 && (last < 0 ? max == 0 : BucketOf(max) == last);
  if (!fits) return false;
  buckets_ = std::move(buckets);
  count_ = count;
  max_ = max;
  return true;
}

}  // namespace anabranch

#include "engine/strategy/compare.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <set>
#include <tuple>

#include "engine/strategy/drift.h"
#include "engine/text/utf8.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace anabranch {
namespace {

constexpr double kLargest = 1e140;  // its square, times all rows of a stream, is a double

// A text that fits into a line of JSON.
std::string Shown(std::string_view text, size_t bytes = CompareCounters::kTextBytes) {
  if (!IsUtf8(text)) return "(not UTF-8)";
  return std::string(CutText(text, bytes));
}

std::string Shown(const ComparedValue& value) {
  if (value.kind == ComparedValue::Kind::kLabel) return Shown(value.label);
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value.number);
  return {text, end.ptr};
}

bool IsWorse(const WorstRow& a, const WorstRow& b) {
  if (a.difference != b.difference) return a.difference > b.difference;
  return std::tie(a.id, a.a, a.b) < std::tie(b.id, b.a, b.b);
}

// The bin of a value, or that it has none.
struct Binned {
  bool usable = false;
  size_t bin = 0;
};

Binned BinnedValue(const CompareSpec::Output& output, const ComparedValue& value) {
  if (output.is_label) {
    if (value.kind != ComparedValue::Kind::kLabel) return {};
    const auto at = std::find(output.classes.begin(), output.classes.end(), value.label);
    return {true, static_cast<size_t>(at - output.classes.begin())};
  }
  if (value.kind != ComparedValue::Kind::kNumber || !(std::abs(value.number) <= kLargest)) return {};
  return {true, BinOf(output.edges, value.number)};
}

// Counts one arm's value; true when it can be compared.
bool CountValue(const CompareSpec::Output& output, const ComparedValue& value, int64_t* nulls, int64_t* unusable,
                std::vector<int64_t>* bins) {
  if (value.kind == ComparedValue::Kind::kNull) {
    *nulls += 1;
    return false;
  }
  const Binned binned = BinnedValue(output, value);
  if (!binned.usable) {
    *unusable += 1;
    return false;
  }
  (*bins)[binned.bin] += 1;
  return true;
}

// Counts a row that both answered; returns how much they differ.
double CountPair(const CompareSpec::Output& output, const ComparedValue& a, const ComparedValue& b,
                 OutputCounts* counts) {
  counts->compared += 1;
  if (output.is_label) {
    counts->equal += a.label == b.label;
    return a.label == b.label ? 0 : 1;
  }
  counts->equal += a.number == b.number;
  counts->a.Add(a.number);
  counts->b.Add(b.number);
  counts->aa.AddProduct(a.number, a.number);
  counts->bb.AddProduct(b.number, b.number);
  counts->ab.AddProduct(a.number, b.number);
  const double difference = std::abs(b.number - a.number);
  counts->difference.Add(difference);
  return difference;
}

void AddBins(const std::vector<int64_t>& from, std::vector<int64_t>* to) {
  for (size_t i = 0; i < to->size(); ++i) (*to)[i] += from[i];
}

void AddOutput(const OutputCounts& from, OutputCounts* to) {
  to->a_null += from.a_null;
  to->b_null += from.b_null;
  to->a_unusable += from.a_unusable;
  to->b_unusable += from.b_unusable;
  to->compared += from.compared;
  to->equal += from.equal;
  to->a.Add(from.a);
  to->b.Add(from.b);
  to->aa.Add(from.aa);
  to->bb.Add(from.bb);
  to->ab.Add(from.ab);
  to->difference.Add(from.difference);
  AddBins(from.a_bins, &to->a_bins);
  AddBins(from.b_bins, &to->b_bins);
}

}  // namespace

Status CompareSpec::Check() const {
  std::set<std::string_view> names;
  for (const Output& output : outputs) {
    const std::string place = "output \"" + output.name + "\": ";
    if (!names.insert(output.name).second) return {Code::kInvalid, place + "named twice; name it once"};
    const auto ascends = [](double x, double y) { return x < y; };
    if (std::adjacent_find(output.edges.begin(), output.edges.end(), std::not_fn(ascends)) != output.edges.end()) {
      return {Code::kInvalid, place + "the edges of the reference do not ascend; sort them and remove doubles"};
    }
    if (!output.reference.empty() && output.reference.size() != output.bins()) {
      return {Code::kInvalid, place + "the reference has " + std::to_string(output.reference.size()) +
                                  " counts; its bins are " + std::to_string(output.bins())};
    }
  }
  return Status::Ok();
}

std::string CompareSpec::Fingerprint() const {
  std::string text = segment;
  for (const Output& output : outputs) {
    text += '\0' + output.name + '\0' + (output.is_label ? 'l' : 'n');
    for (const double edge : output.edges) {
      text += ',';
      text += Shown(ComparedValue{ComparedValue::Kind::kNumber, edge});
    }
    for (const std::string& name : output.classes) (text += '\0') += name;
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (uint64_t hash = XXH3_64bits(text.data(), text.size()), i = 0; i < 16; ++i)
    hex += kDigits[hash >> (60 - 4 * i) & 15];
  return hex;
}

void SegmentCounts::Add(const SegmentCounts& other) {
  rows += other.rows;
  both_ok += other.both_ok;
  only_a_failed += other.only_a_failed;
  only_b_failed += other.only_b_failed;
  both_failed += other.both_failed;
  a_ns.Add(other.a_ns);
  b_ns.Add(other.b_ns);
  for (size_t i = 0; i < outputs.size(); ++i) AddOutput(other.outputs[i], &outputs[i]);
}

CompareCounters::CompareCounters(CompareSpec spec)
    : spec_(std::move(spec)), other_(Empty()), worst_(spec_.outputs.size()) {}

SegmentCounts CompareCounters::Empty() const {
  SegmentCounts counts;
  for (const CompareSpec::Output& output : spec_.outputs) {
    OutputCounts& each = counts.outputs.emplace_back();
    each.a_bins.resize(output.bins());
    each.b_bins.resize(output.bins());
  }
  return counts;
}

void CompareCounters::FoldLastSegments() {
  while (segments_.size() > kSegments) {
    const auto last = std::prev(segments_.end());
    other_.Add(last->second);
    segments_.erase(last);
  }
}

SegmentCounts& CompareCounters::Segment(std::string_view value) {
  std::string name = Shown(value);
  const auto known = segments_.find(name);
  if (known != segments_.end()) return known->second;
  // Whatever was folded into the others stands behind all that is kept: what comes now belongs there if it does too.
  if (segments_.size() >= kSegments && name > segments_.rbegin()->first) return other_;
  segments_.emplace(name, Empty());
  FoldLastSegments();
  return segments_.find(name)->second;
}

void CompareCounters::AddWorst(size_t output, WorstRow row) {
  std::vector<WorstRow>& rows = worst_[output];
  if (rows.size() == kWorst && !IsWorse(row, rows.back())) return;
  rows.insert(std::upper_bound(rows.begin(), rows.end(), row, IsWorse), std::move(row));
  if (rows.size() > kWorst) rows.pop_back();
}

void CompareCounters::Add(const ComparedRow& row) {
  SegmentCounts& segment = Segment(row.segment);
  segment.rows += 1;
  segment.both_ok += !row.a_failed && !row.b_failed;
  segment.only_a_failed += row.a_failed && !row.b_failed;
  segment.only_b_failed += !row.a_failed && row.b_failed;
  segment.both_failed += row.a_failed && row.b_failed;
  segment.a_ns.Add(static_cast<double>(row.a_ns));
  segment.b_ns.Add(static_cast<double>(row.b_ns));
  for (size_t i = 0; i < spec_.outputs.size(); ++i) {
    const CompareSpec::Output& output = spec_.outputs[i];
    OutputCounts& counts = segment.outputs[i];
    const bool has_a =
        !row.a_failed && CountValue(output, row.a[i], &counts.a_null, &counts.a_unusable, &counts.a_bins);
    const bool has_b =
        !row.b_failed && CountValue(output, row.b[i], &counts.b_null, &counts.b_unusable, &counts.b_bins);
    if (!has_a || !has_b) continue;
    const double difference = CountPair(output, row.a[i], row.b[i], &counts);
    const std::vector<WorstRow>& rows = worst_[i];
    if (difference > 0 && (rows.size() < kWorst || difference >= rows.back().difference)) {
      AddWorst(i, {Shown(row.id, kIdBytes), Shown(row.a[i]), Shown(row.b[i]), difference});
    }
  }
}

Status CompareCounters::Add(const CompareCounters& other) {
  if (spec_.Fingerprint() != other.spec_.Fingerprint()) {
    return {Code::kInvalid, "counters of other outputs, bins or segments cannot be added; begin new counters"};
  }
  other_.Add(other.other_);
  for (const auto& [name, counts] : other.segments_) segments_.try_emplace(name, Empty()).first->second.Add(counts);
  FoldLastSegments();
  for (size_t i = 0; i < worst_.size(); ++i) {
    for (const WorstRow& row : other.worst_[i]) AddWorst(i, row);
  }
  return Status::Ok();
}

SegmentCounts CompareCounters::Total() const {
  SegmentCounts total = other_;
  for (const auto& [name, counts] : segments_) total.Add(counts);
  return total;
}

void CompareCounters::FoldSegments() {
  other_ = Total();
  segments_.clear();
}

}  // namespace anabranch

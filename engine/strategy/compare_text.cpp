#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/strategy/compare.h"
#include "engine/strategy/count_json.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;

Json ToJson(const WideSum& sum) { return {sum.high(), sum.low()}; }

Json ToJson(const QuantileSketch& sketch) {
  Json buckets = Json::array();
  for (const auto& [bucket, times] : sketch.buckets()) {
    buckets.push_back(bucket);
    buckets.push_back(times);
  }
  return {{"max", sketch.max()}, {"buckets", buckets}};
}

Json ToJson(const OutputCounts& counts) {
  return {{"null", {counts.a_null, counts.b_null}},
          {"unusable", {counts.a_unusable, counts.b_unusable}},
          {"compared", {counts.compared, counts.equal}},
          {"sums", {ToJson(counts.a), ToJson(counts.b), ToJson(counts.aa), ToJson(counts.bb), ToJson(counts.ab)}},
          {"difference", ToJson(counts.difference)},
          {"a_bins", counts.a_bins},
          {"b_bins", counts.b_bins}};
}

Json ToJson(const SegmentCounts& counts) {
  Json outputs = Json::array();
  for (const OutputCounts& output : counts.outputs) outputs.push_back(ToJson(output));
  return {{"rows", {counts.both_ok, counts.only_a_failed, counts.only_b_failed, counts.both_failed}},
          {"ns", {ToJson(counts.a_ns), ToJson(counts.b_ns)}},
          {"outputs", outputs}};
}

WideSum SumFrom(const Json& json) {
  const auto high = json.at(0).get<double>(), low = json.at(1).get<double>();
  Need(std::isfinite(high) && std::isfinite(low));
  return {high, low};
}

QuantileSketch SketchFrom(const Json& json) {
  const Json& flat = json.at("buckets");
  Need(flat.is_array() && flat.size() % 2 == 0);
  std::vector<std::pair<int32_t, int64_t>> buckets;
  for (size_t i = 0; i < flat.size(); i += 2) {
    const int64_t bucket = CountFrom(flat[i]);
    Need(bucket <= INT32_MAX);
    buckets.emplace_back(static_cast<int32_t>(bucket), CountFrom(flat[i + 1]));
  }
  QuantileSketch sketch;
  Need(sketch.Restore(std::move(buckets), json.at("max").get<double>()));
  return sketch;
}

OutputCounts OutputFrom(const Json& json, size_t bins) {
  OutputCounts counts;
  const std::vector<int64_t> null = CountsFrom(json.at("null"), 2), unusable = CountsFrom(json.at("unusable"), 2),
                             compared = CountsFrom(json.at("compared"), 2);
  counts.a_null = null[0];
  counts.b_null = null[1];
  counts.a_unusable = unusable[0];
  counts.b_unusable = unusable[1];
  counts.compared = compared[0];
  counts.equal = compared[1];
  const Json& sums = json.at("sums");
  WideSum* const places[] = {&counts.a, &counts.b, &counts.aa, &counts.bb, &counts.ab};
  for (size_t i = 0; i < std::size(places); ++i) *places[i] = SumFrom(sums.at(i));
  counts.difference = SketchFrom(json.at("difference"));
  counts.a_bins = CountsFrom(json.at("a_bins"), bins);
  counts.b_bins = CountsFrom(json.at("b_bins"), bins);
  return counts;
}

SegmentCounts SegmentFrom(const Json& json, const CompareSpec& spec) {
  SegmentCounts counts;
  const std::vector<int64_t> rows = CountsFrom(json.at("rows"), 4);
  counts.rows = std::accumulate(rows.begin(), rows.end(), int64_t{0});
  counts.both_ok = rows[0];
  counts.only_a_failed = rows[1];
  counts.only_b_failed = rows[2];
  counts.both_failed = rows[3];
  counts.a_ns = SketchFrom(json.at("ns").at(0));
  counts.b_ns = SketchFrom(json.at("ns").at(1));
  const Json& outputs = json.at("outputs");
  Need(outputs.size() == spec.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) counts.outputs.push_back(OutputFrom(outputs[i], spec.outputs[i].bins()));
  return counts;
}

WorstRow WorstFrom(const Json& json) {
  WorstRow row{json.at(0), json.at(1), json.at(2), json.at(3).get<double>()};
  Need(row.difference > 0);
  return row;
}

}  // namespace

std::string CompareCounters::Print() const {
  Json segments = Json::object(), worst = Json::array();
  for (const auto& [name, counts] : segments_) segments[name] = ToJson(counts);
  for (const std::vector<WorstRow>& rows : worst_) {
    Json& list = worst.emplace_back(Json::array());
    for (const WorstRow& row : rows) list.push_back({row.id, row.a, row.b, row.difference});
  }
  const Json all = {{"compare", 1},
                    {"spec", spec_.Fingerprint()},
                    {"segments", segments},
                    {"other", ToJson(other_)},
                    {"worst", worst}};
  return all.dump();
}

Result<CompareCounters> CompareCounters::Parse(CompareSpec spec, std::string_view text) {
  CompareCounters counters(std::move(spec));
  try {
    const Json json = Json::parse(text);
    if (json.at("compare") != 1 || json.at("spec") != counters.spec_.Fingerprint()) {
      return Status(Code::kInvalid,
                    "these comparison counters are of other outputs, bins or segments, or of a newer "
                    "program; begin new counters");
    }
    for (const auto& [name, counts] : json.at("segments").items()) {
      counters.segments_.emplace(name, SegmentFrom(counts, counters.spec_));
    }
    Need(counters.segments_.size() <= kSegments);
    counters.other_ = SegmentFrom(json.at("other"), counters.spec_);
    Need(json.at("worst").size() == counters.worst_.size());
    for (size_t i = 0; i < counters.worst_.size(); ++i) {
      for (const Json& row : json["worst"][i]) counters.AddWorst(i, WorstFrom(row));
    }
  } catch (const std::exception&) {
    return Status(Code::kInvalid, "comparison counters are damaged: " + std::to_string(text.size()) +
                                      " bytes that are not what this program writes; begin new counters");
  }
  return counters;
}

}  // namespace anabranch

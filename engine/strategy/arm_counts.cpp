#include "engine/strategy/arm_counts.h"

#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "engine/strategy/count_json.h"

namespace anabranch {
namespace {

using Json = nlohmann::json;

Json SpecToJson(const CompareSpec& spec) {
  Json outputs = Json::array();
  for (const CompareSpec::Output& output : spec.outputs) {
    outputs.push_back({{"name", output.name},
                       {"is_label", output.is_label},
                       {"edges", output.edges},
                       {"classes", output.classes},
                       {"reference", output.reference}});
  }
  return {{"segment", spec.segment}, {"outputs", outputs}};
}

CompareSpec SpecFrom(const Json& json) {
  CompareSpec spec;
  spec.segment = json.at("segment").get<std::string>();
  for (const Json& each : json.at("outputs")) {
    CompareSpec::Output& output = spec.outputs.emplace_back();
    output.name = each.at("name").get<std::string>();
    output.is_label = each.at("is_label").get<bool>();
    output.edges = each.at("edges").get<std::vector<double>>();
    output.classes = each.at("classes").get<std::vector<std::string>>();
    const Json& reference = each.at("reference");
    output.reference = CountsFrom(reference, reference.size());
  }
  Need(spec.Check().ok());
  return spec;
}

GuardCounts GuardFrom(const Json& json) {
  const std::vector<int64_t> counts = CountsFrom(json, 4);
  const GuardCounts guard{counts[0], counts[1], counts[2], counts[3]};
  Need(guard.unit_events <= guard.units && guard.units <= guard.rows);
  Need(guard.unit_events <= guard.events && guard.events <= guard.rows);
  return guard;
}

void AddAll(const std::vector<int64_t>& from, std::vector<int64_t>* to) {
  for (size_t i = 0; i < to->size(); ++i) (*to)[i] += from[i];
}

}  // namespace

int64_t ArmCounts::rows() const { return std::accumulate(drawn.begin(), drawn.end(), int64_t{0}); }

int64_t ArmCounts::paired() const {
  int64_t rows = compare.other().rows;
  for (const auto& [name, counts] : compare.segments()) rows += counts.rows;
  return rows;
}

Status ArmCounts::Add(const ArmCounts& other) {
  if (guards.size() != other.guards.size() || drawn.size() != other.drawn.size() ||
      answered.size() != other.answered.size()) {
    return {Code::kInvalid, "counts of other guards or arms cannot be added; begin new counts"};
  }
  RETURN_IF_ERROR(compare.Add(other.compare));
  for (size_t i = 0; i < guards.size(); ++i) guards[i].Add(other.guards[i]);
  AddAll(other.drawn, &drawn);
  AddAll(other.answered, &answered);
  return Status::Ok();
}

std::string ArmCounts::Print() const {
  Json counts = Json::array();
  for (const GuardCounts& guard : guards) {
    counts.push_back({guard.units, guard.unit_events, guard.rows, guard.events});
  }
  const Json head = {
      {"arms", 1}, {"guards", counts}, {"drawn", drawn}, {"answered", answered}, {"spec", SpecToJson(compare.spec())}};
  std::string text = head.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();
  return text + ",\"compare\":" + compare.Print() + "}";
}

Result<ArmCounts> ArmCounts::Parse(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Need(json.at("arms") == 1);
    const Json &guard_list = json.at("guards"), &drawn_list = json.at("drawn");
    Need(guard_list.is_array() && drawn_list.is_array());
    ArmCounts counts(SpecFrom(json.at("spec")), guard_list.size(), drawn_list.size());
    for (size_t i = 0; i < counts.guards.size(); ++i) counts.guards[i] = GuardFrom(guard_list[i]);
    counts.drawn = CountsFrom(drawn_list, counts.drawn.size());
    counts.answered = CountsFrom(json.at("answered"), counts.drawn.size());
    ASSIGN_OR_RETURN(counts.compare, CompareCounters::Parse(counts.compare.spec(), json.at("compare").dump()));
    return counts;
  } catch (const std::exception&) {
    return Status(Code::kInvalid, "counts of arms are damaged: " + std::to_string(text.size()) +
                                      " bytes that are not what this program writes; begin new counts");
  }
}

ArmCounts ArmCounts::WithoutSegments() const {
  ArmCounts counts = *this;
  counts.compare.FoldSegments();
  return counts;
}

}  // namespace anabranch

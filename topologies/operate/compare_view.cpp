#include "topologies/operate/compare_view.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/printable.h"
#include "engine/text/json_object.h"
#include "topologies/operate/masking.h"
#include "topologies/operate/rollout_view.h"

namespace anabranch {
namespace {

constexpr size_t kWorstShown = 5;
constexpr double kNsPerSecond = 1e9;

// A segment under the name that readers see. Nothing: all rows.
struct NamedSegment {
  std::optional<std::string> value;
  SegmentCounts counts;
};

// The total first, then the chosen ones, or each.
std::vector<NamedSegment> SegmentsOf(const std::string& node, const CompareCounters& compare,
                                     const CompareChoice& choice, bool all, const CompareMask& mask) {
  const bool hidden = mask.HidesSegment(node, compare.spec().segment);
  std::vector<NamedSegment> segments;
  if (!choice.segment) segments.push_back({std::nullopt, compare.Total()});
  if (compare.spec().segment.empty() || (!choice.segment && !all)) return segments;
  for (const auto& [value, counts] : compare.segments()) {
    if (choice.segment && *choice.segment != value) continue;
    segments.push_back({hidden ? kMasked : value, counts});
  }
  if (compare.other().rows > 0 && !choice.segment) segments.push_back({"(all others)", compare.other()});
  return segments;
}

std::string NumbersJson(const std::vector<double>& numbers) {
  std::vector<std::string> texts;
  for (const double number : numbers) {
    const std::string one = JsonObject().AddReal("x", number).text();
    texts.push_back(one.substr(6, one.size() - 7));
  }
  return JsonList(texts);
}

std::string CountsJson(const std::vector<int64_t>& counts) {
  std::vector<std::string> texts;
  for (const int64_t count : counts) texts.push_back(std::to_string(count));
  return JsonList(texts);
}

std::string SecondsJson(const QuantileSketch& ns) {
  if (ns.count() == 0) return "null";
  JsonObject json;
  json.AddReal("p50", ns.Quantile(0.5) / kNsPerSecond).AddReal("p99", ns.Quantile(0.99) / kNsPerSecond);
  return json.text();
}

std::string OutputJson(const CompareSpec::Output& output, const OutputCounts& counts) {
  const CompareFigures figures = FiguresOf(output, counts);
  JsonObject json;
  json.AddText("name", output.name).AddFlag("is_label", output.is_label);
  json.AddNumber("compared", counts.compared).AddNumber("equal", counts.equal).AddReal("agreement", figures.agreement);
  json.AddNumber("serving_null", counts.a_null).AddNumber("candidate_null", counts.b_null);
  json.AddNumber("serving_unusable", counts.a_unusable).AddNumber("candidate_unusable", counts.b_unusable);
  if (!output.is_label) {
    json.AddReal("mean_difference", figures.mean_difference).AddReal("interval", figures.interval);
    json.AddReal("deviation", figures.deviation).AddReal("p50", figures.p50).AddReal("p90", figures.p90);
    json.AddReal("p99", figures.p99).AddReal("max", figures.max).AddReal("pearson", figures.pearson);
  }
  json.AddReal("psi", figures.psi).AddReal("ks", figures.ks);
  json.AddJson("serving_bins", CountsJson(counts.a_bins)).AddJson("candidate_bins", CountsJson(counts.b_bins));
  if (output.is_label) {
    json.AddJson("classes", JsonStrings(output.classes));
  } else {
    json.AddJson("edges", NumbersJson(output.edges));
  }
  return json.text();
}

std::string SegmentJson(const CompareSpec& spec, const NamedSegment& segment) {
  const SegmentCounts& counts = segment.counts;
  JsonObject json;
  if (segment.value) {
    json.AddText("value", *segment.value);
  } else {
    json.AddJson("value", "null");
  }
  json.AddNumber("rows", counts.rows).AddNumber("both_ok", counts.both_ok);
  json.AddNumber("only_serving_failed", counts.only_a_failed).AddNumber("only_candidate_failed", counts.only_b_failed);
  json.AddNumber("both_failed", counts.both_failed);
  json.AddJson("serving_seconds", SecondsJson(counts.a_ns)).AddJson("candidate_seconds", SecondsJson(counts.b_ns));
  std::vector<std::string> outputs;
  for (size_t i = 0; i < std::min(spec.outputs.size(), counts.outputs.size()); ++i) {
    outputs.push_back(OutputJson(spec.outputs[i], counts.outputs[i]));
  }
  return json.AddJson("outputs", JsonList(outputs)).text();
}

std::string WorstJson(const std::string& node, const CompareCounters& compare, const CompareMask& mask) {
  JsonObject json;
  for (size_t i = 0; i < std::min(compare.spec().outputs.size(), compare.worst().size()); ++i) {
    const std::string& name = compare.spec().outputs[i].name;
    const bool hidden = mask.Hides(node, name);
    std::vector<std::string> rows;
    for (const WorstRow& row : compare.worst()[i]) {
      JsonObject one;
      one.AddText("id", row.id).AddText("serving", hidden ? kMasked : row.a);
      one.AddText("candidate", hidden ? kMasked : row.b);
      if (hidden) {
        one.AddJson("difference", "null");
      } else {
        one.AddReal("difference", row.difference);
      }
      rows.push_back(one.text());
    }
    json.AddJson(name, JsonList(rows));
  }
  return json.text();
}

// ------------------------------------------------------------------------------------------- text

std::string Figure(double number) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.4g", number);
  return digits;
}

std::string Percent(double share) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.2f %%", share * 100);
  return digits;
}

std::string Micros(double ns) { return Figure(ns / 1e3) + " µs"; }

size_t CharactersIn(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

// Columns as wide as their widest cell; the first is to the left, the others to the right.
std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], CharactersIn(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - CharactersIn(row[i]), ' ');
      line += (i == 0 ? "  " + row[i] + space : "  " + space + row[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string OutputsText(const CompareSpec& spec, const SegmentCounts& counts) {
  std::vector<std::vector<std::string>> rows = {
      {"output", "compared", "agreement", "mean difference", "p50", "p90", "p99", "max", "psi", "ks"}};
  for (size_t i = 0; i < std::min(spec.outputs.size(), counts.outputs.size()); ++i) {
    const CompareSpec::Output& output = spec.outputs[i];
    const OutputCounts& each = counts.outputs[i];
    const CompareFigures figures = FiguresOf(output, each);
    std::vector<std::string> row = {Printable(output.name), std::to_string(each.compared), Percent(figures.agreement)};
    if (output.is_label) {
      row.insert(row.end(), {"", "", "", "", ""});
    } else {
      row.push_back(Figure(figures.mean_difference) + " ± " + Figure(figures.interval));
      for (const double quantile : {figures.p50, figures.p90, figures.p99, figures.max}) {
        row.push_back(Figure(quantile));
      }
    }
    row.insert(row.end(), {Figure(figures.psi), Figure(figures.ks)});
    rows.push_back(std::move(row));
  }
  return rows.size() == 1 ? "" : Table(rows);
}

std::string NullsText(const CompareSpec& spec, const SegmentCounts& counts) {
  std::string text;
  for (size_t i = 0; i < std::min(spec.outputs.size(), counts.outputs.size()); ++i) {
    const OutputCounts& each = counts.outputs[i];
    if (each.a_null + each.b_null + each.a_unusable + each.b_unusable == 0) continue;
    text += "    " + Printable(spec.outputs[i].name) + ": null " + std::to_string(each.a_null) + " and " +
            std::to_string(each.b_null) + ", not a finite number " + std::to_string(each.a_unusable) + " and " +
            std::to_string(each.b_unusable) + " (serving and candidate)\n";
  }
  return text;
}

std::string SegmentText(const CompareSpec& spec, const NamedSegment& segment) {
  const SegmentCounts& counts = segment.counts;
  std::string text = "  " + (segment.value ? Printable(spec.segment) + " = " + Printable(*segment.value) : "all rows") +
                     ": " + std::to_string(counts.rows) + " scored by both; failed: serving alone " +
                     std::to_string(counts.only_a_failed) + ", candidate alone " +
                     std::to_string(counts.only_b_failed) + ", both " + std::to_string(counts.both_failed) + "\n";
  if (counts.a_ns.count() > 0 && counts.b_ns.count() > 0) {
    text += "    time per row: serving p50 " + Micros(counts.a_ns.Quantile(0.5)) + ", p99 " +
            Micros(counts.a_ns.Quantile(0.99)) + "; candidate p50 " + Micros(counts.b_ns.Quantile(0.5)) + ", p99 " +
            Micros(counts.b_ns.Quantile(0.99)) + "\n";
  }
  return text + OutputsText(spec, counts) + NullsText(spec, counts);
}

std::string WorstText(const std::string& node, const CompareCounters& compare, const CompareMask& mask) {
  std::string text;
  for (size_t i = 0; i < std::min(compare.spec().outputs.size(), compare.worst().size()); ++i) {
    const CompareSpec::Output& output = compare.spec().outputs[i];
    if (compare.worst()[i].empty()) continue;
    const bool hidden = mask.Hides(node, output.name);
    std::vector<std::vector<std::string>> rows = {{"record", "serving", "candidate", "difference"}};
    for (const WorstRow& row : compare.worst()[i] | std::views::take(kWorstShown)) {
      rows.push_back({Printable(row.id), hidden ? kMasked : Printable(row.a), hidden ? kMasked : Printable(row.b),
                      hidden || output.is_label ? "" : Figure(row.difference)});
    }
    text += "  rows that differ most in " + Printable(output.name) + ":\n" + Table(rows);
  }
  return text;
}

// Adds what one instance counted, where it can be added. Guards are no part of a comparison: counts of other guards are
// compared all the same.
void AddFitting(const ControlEntry& entry, ModelComparison* comparison) {
  Result<CountsByNode> counts = CountsIn(entry);
  if (!counts.ok()) {
    comparison->omitted.push_back(counts.status().message());
    return;
  }
  for (auto& [node, each] : *counts) {
    each.guards.clear();
    const auto [sum, is_first] = comparison->counts.try_emplace(node, each);
    const Status added = is_first ? Status::Ok() : sum->second.Add(each);
    if (added.ok()) continue;
    comparison->omitted.push_back("instance " + entry.instance + ", node \"" + node + "\": " + added.message());
  }
}

}  // namespace

bool CompareMask::Hides(const std::string& node, const std::string& output) const {
  if (values) return true;
  if (!is_sensitive) return false;
  const auto found = open_outputs.find(node);
  return found == open_outputs.end() ||
         (!found->second.contains(output) && !found->second.contains(output.substr(0, output.find('['))));
}

bool CompareMask::HidesSegment(const std::string& node, const std::string& column) const {
  if (values) return true;
  return is_sensitive && (!open_outputs.contains(node) || !open_columns.contains(column));
}

CompareMask OpenIn(const Plan& plan) {
  const std::vector<bool> hidden = HiddenColumns(plan);
  CompareMask mask;
  mask.is_sensitive = std::ranges::any_of(plan.sources, HidesMessages) || std::ranges::count(hidden, true) > 0;
  for (const PlanNode& node : plan.nodes) {
    std::set<std::string>& open = mask.open_outputs[node.id];
    for (const ColumnId column : node.makes) {
      if (!hidden[column]) open.insert(plan.columns[column].name);
    }
  }
  for (ColumnId column(0); column < plan.columns.size(); ++column) mask.open_columns.insert(plan.columns[column].name);
  for (ColumnId column(0); column < plan.columns.size(); ++column) {
    if (hidden[column]) mask.open_columns.erase(plan.columns[column].name);
  }
  return mask;
}

Result<ModelComparison> ComparisonIn(const ControlState& state, const std::string& model, uint32_t generation) {
  const ControlState::Generation* found = nullptr;
  std::string known;
  for (const ControlState::Generation& each : state.generations()) {
    if (each.record().model != model || !each.record().draws()) continue;
    known += (known.empty() ? "" : ", ") + std::to_string(each.number);
    if (generation == 0 || each.number == generation) found = &each;
  }
  if (found == nullptr) {
    return Status(Code::kInvalid,
                  known.empty() ? "no two versions of model \"" + model +
                                      "\" scored side by side yet: a \"rollout\" of the model in the topology has a "
                                      "deployment begin with that"
                                : "generation " + std::to_string(generation) + " of model \"" + model +
                                      "\" has no two versions; those that have: " + known);
  }
  ModelComparison comparison{model, found->number, found->record(), {}, {}};
  const auto* by_instance = state.CountsOf(found->number);
  if (by_instance == nullptr) return comparison;
  std::vector<const ControlEntry*> entries;
  for (const auto& [instance, entry] : *by_instance) entries.push_back(&entry);
  // What was counted last is of the file as it is now.
  std::ranges::sort(entries, std::greater(), &ControlEntry::number);
  for (const ControlEntry* entry : entries) AddFitting(*entry, &comparison);
  return comparison;
}

std::string CompareJson(const ModelComparison& comparison, const CompareChoice& choice, const CompareMask& mask) {
  std::vector<std::string> nodes;
  for (const auto& [node, counts] : comparison.counts) {
    std::vector<std::string> segments;
    for (const NamedSegment& segment : SegmentsOf(node, counts.compare, choice, true, mask)) {
      segments.push_back(SegmentJson(counts.compare.spec(), segment));
    }
    JsonObject json;
    json.AddText("node", node).AddNumber("rows", counts.rows()).AddNumber("paired", counts.paired());
    json.AddText("segment", counts.compare.spec().segment).AddJson("segments", JsonList(segments));
    nodes.push_back(json.AddJson("worst", WorstJson(node, counts.compare, mask)).text());
  }
  JsonObject json;
  json.AddText("model", comparison.model).AddNumber("generation", comparison.generation);
  json.AddText("serving", comparison.record.arms.front().version);
  json.AddText("candidate", comparison.record.newest().version);
  json.AddText("rule", NameOf(comparison.record.rule)).AddReal("share", comparison.record.share);
  return json.AddJson("nodes", JsonList(nodes)).AddJson("omitted", JsonStrings(comparison.omitted)).text();
}

std::string CompareText(const ModelComparison& comparison, const CompareChoice& choice, const CompareMask& mask) {
  std::string text = comparison.model + ": version " + Printable(comparison.record.arms.front().version) +
                     " (serving) and version " + Printable(comparison.record.newest().version) +
                     " (candidate), generation " + std::to_string(comparison.generation) + ": " +
                     ScoringText(comparison.record) + "\n";
  for (const std::string& each : comparison.omitted) text += "omitted: " + PrintableLines(each) + "\n";
  if (comparison.counts.empty()) return text + "nothing was counted yet\n";
  for (const auto& [node, counts] : comparison.counts) {
    text += "\nnode " + Printable(node) + ": " + std::to_string(counts.rows()) + " rows\n";
    const std::vector<NamedSegment> segments = SegmentsOf(node, counts.compare, choice, choice.by_segment, mask);
    for (const NamedSegment& segment : segments) text += SegmentText(counts.compare.spec(), segment);
    if (!choice.segment) text += WorstText(node, counts.compare, mask);
  }
  return text;
}

}  // namespace anabranch

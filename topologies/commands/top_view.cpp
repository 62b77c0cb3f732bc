#include "topologies/commands/top_view.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/printable.h"

namespace anabranch {
namespace {

using TopJson = nlohmann::ordered_json;

double NumberIn(const TopJson& json, const char* name) {
  return json.is_object() && json.contains(name) && json[name].is_number() ? json[name].get<double>() : 0;
}

bool Has(const TopJson& json, const char* name) {
  return json.is_object() && json.contains(name) && !json[name].is_null();
}

std::string TextIn(const TopJson& json, const char* name) {
  return Has(json, name) && json[name].is_string() ? Printable(json[name].get<std::string>()) : "";
}

// "4.1 ms", "2.5 s", "-" where it is not known.
std::string TimeText(const TopJson& json, const char* name) {
  if (!Has(json, name)) return "-";
  const double seconds = json[name];
  return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1000) : fmt::format("{:.1f} s", seconds);
}

struct TopStage {
  std::string id, kind;
};

std::vector<TopStage> StagesOf(const TopJson& snapshot, const TopJson& topology) {
  std::vector<TopStage> stages;
  if (Has(topology, "stages")) {
    for (const TopJson& stage : topology["stages"]) stages.push_back({TextIn(stage, "id"), TextIn(stage, "kind")});
  } else if (Has(snapshot, "stages")) {
    for (const auto& [id, stage] : snapshot["stages"].items()) stages.push_back({Printable(id), ""});
  }
  return stages;
}

const char* GlyphOf(const std::string& state, bool colour) {
  if (state == "failed") return colour ? "\x1b[31m!\x1b[0m" : "!";
  if (state == "idle" || state == "skipped") return "-";
  if (state == "running") return colour ? "\x1b[32m>\x1b[0m" : ">";
  return colour ? "\x1b[33m*\x1b[0m" : "*";  // busy, waiting, retrying
}

std::string StageLine(const TopStage& stage, const TopJson& counts, size_t width, bool colour) {
  const std::string state = TextIn(counts, "state");
  std::string line =
      fmt::format("{} {:<{}}  {:<9} {:<8} {:>12.0f} {:>12.0f} {:>9.0f} {:>5.0f} % {:<5} {:>9}", GlyphOf(state, colour),
                  stage.id, width, stage.kind, state, NumberIn(counts, "rows_in"), NumberIn(counts, "rows_out"),
                  NumberIn(counts, "rate"), 100 * NumberIn(counts, "busy"), TextIn(counts, "level"),
                  Has(counts, "batch_seconds") ? TimeText(counts["batch_seconds"], "p99") : "-");
  if (NumberIn(counts, "failed") > 0) line += fmt::format("  {:.0f} failed", NumberIn(counts, "failed"));
  if (NumberIn(counts, "dead_lettered") > 0)
    line += fmt::format("  {:.0f} dead letters", NumberIn(counts, "dead_lettered"));
  return line + "\n";
}

}  // namespace

std::string LiveLagText(const TopJson& snapshot) {
  const TopJson lag = Has(snapshot, "lag") ? snapshot["lag"] : TopJson::object();
  if (!Has(lag, "records") && !Has(lag, "seconds")) return "lag not known";
  std::string text = "lag";
  if (Has(lag, "records")) text += fmt::format(" {:.0f} records", NumberIn(lag, "records"));
  if (Has(lag, "seconds")) text += fmt::format("{} {:.1f} s", Has(lag, "records") ? "," : "", NumberIn(lag, "seconds"));
  return text;
}

std::string LiveVerdictText(const TopJson& snapshot) {
  if (!Has(snapshot, "verdict")) return "";
  const TopJson& verdict = snapshot["verdict"];
  const std::string advice = TextIn(verdict, "advice");
  return TextIn(verdict, "text") + (advice.empty() ? "" : "; " + advice);
}

std::string TopText(const TopJson& snapshot, const TopJson& topology, bool colour) {
  const TopJson rate = Has(snapshot, "rate") ? snapshot["rate"] : TopJson::object();
  const TopJson latency = Has(snapshot, "latency") ? snapshot["latency"] : TopJson::object();
  std::string text = fmt::format("{}  {}  {:.0f} records/s read, {:.0f} committed  {}  latency p50 {}, p99 {}\n",
                                 TextIn(snapshot, "topology"), TextIn(snapshot, "state"), NumberIn(rate, "read"),
                                 NumberIn(rate, "committed"), LiveLagText(snapshot), TimeText(latency, "p50"),
                                 TimeText(latency, "p99"));
  if (const std::string verdict = LiveVerdictText(snapshot); !verdict.empty()) text += verdict + "\n";
  if (Has(snapshot, "failure")) {
    const TopJson& failure = snapshot["failure"];
    text += "stage \"" + TextIn(failure, "stage") + "\" stopped: " + TextIn(failure, "message") + "\n";
  }
  const std::vector<TopStage> stages = StagesOf(snapshot, topology);
  size_t width = 4;
  for (const TopStage& stage : stages) width = std::max(width, stage.id.size());
  width = std::min<size_t>(width, 32);
  text += fmt::format("  {:<{}}  {:<9} {:<8} {:>12} {:>12} {:>9} {:>13} {:>9}\n", "node", width, "kind", "state", "in",
                      "out", "out/s", "busy", "batch p99");
  for (const TopStage& stage : stages) {
    const bool known = Has(snapshot, "stages") && snapshot["stages"].contains(stage.id);
    text += StageLine(stage, known ? snapshot["stages"][stage.id] : TopJson::object(), width, colour);
  }
  return text;
}

}  // namespace anabranch

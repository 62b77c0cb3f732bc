#include "topologies/commands/status_view.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <string_view>

#include "engine/text/instant.h"
#include "engine/text/json_object.h"

namespace anabranch {
namespace {

// The counters of a node, as the ledger and the JSON name them, with their headings in the table.
struct Counter {
  const char* name;
  const char* heading;
};
constexpr Counter kCounters[] = {{"invocations", "calls"},  {"rows_in", "in"},      {"rows_out", "out"},
                                 {"filtered", "filtered"},  {"skipped", "skipped"}, {"failed", "failed"},
                                 {"dead_lettered", "dead"}, {"retried", "retried"}};
// Of failed rows, those that went on all the same: in the JSON only.
constexpr const char* kPassedOn[] = {"missed", "defaulted"};
constexpr std::string_view kMissingPrefix = "missing:";  // "missing:p_nn:error", a tally of ensembles
constexpr size_t kActionsShown = 5;

int64_t CounterOf(const StatusFacts& facts, const std::string& node, const char* name) {
  const auto counters = facts.counters.find(node);
  if (counters == facts.counters.end()) return 0;
  const auto counter = counters->second.find(name);
  return counter == counters->second.end() ? 0 : counter->second;
}

// A process that ended without writing how: it was killed, or it crashed.
bool Died(const StatusFacts& facts) {
  const RunPhase phase = facts.state.phase;
  return facts.owner == 0 && (phase == RunPhase::kRunning || phase == RunPhase::kRestarting);
}

std::string NoteOf(const StatusFacts& facts) {
  if (!Died(facts)) return {};
  return facts.state.failure
             ? "a restart ended without a word (killed, or it crashed); nothing is lost: restart again"
             : "the process ended without a word (killed, or it crashed); nothing is lost: run it again";
}

std::string TableText(const StatusFacts& facts) {
  size_t width = 4;
  for (const std::string& node : facts.nodes) width = std::max(width, node.size());
  char cell[32];
  std::string text = "node" + std::string(width - 4, ' ');
  for (const Counter& counter : kCounters) {
    std::snprintf(cell, sizeof cell, " %10s", counter.heading);
    text += cell;
  }
  text += "\n";
  for (const std::string& node : facts.nodes) {
    text += node + std::string(width - node.size(), ' ');
    for (const Counter& counter : kCounters) {
      std::snprintf(cell, sizeof cell, " %10lld", static_cast<long long>(CounterOf(facts, node, counter.name)));
      text += cell;
    }
    text += "\n";
  }
  return text;
}

// By member and cause: in how many records it was missing.
using MissingCounts = std::map<std::string, std::map<std::string, int64_t>>;

MissingCounts MissingOf(const StatusFacts& facts, const std::string& node) {
  MissingCounts missing;
  const auto counters = facts.counters.find(node);
  if (counters == facts.counters.end()) return missing;
  for (const auto& [name, count] : counters->second) {
    if (!name.starts_with(kMissingPrefix) || count == 0) continue;
    const size_t colon = name.rfind(':');
    missing[name.substr(kMissingPrefix.size(), colon - kMissingPrefix.size())][name.substr(colon + 1)] = count;
  }
  return missing;
}

std::string MissingText(const StatusFacts& facts) {
  std::string text;
  for (const std::string& node : facts.nodes) {
    const int64_t rows = CounterOf(facts, node, "rows_in") - CounterOf(facts, node, "skipped");
    for (const auto& [member, causes] : MissingOf(facts, node)) {
      int64_t all = 0;
      std::string why;
      for (const auto& [cause, count] : causes) {
        all += count;
        why += (why.empty() ? "" : ", ") + cause + " " + std::to_string(count);
      }
      char share[32];
      std::snprintf(share, sizeof share, "%.1f %%", 100.0 * static_cast<double>(all) / static_cast<double>(rows));
      text += "  " + node + ": " + member + " in " + std::to_string(all) + " of " + std::to_string(rows) +
              " records (" + share + "): " + why + "\n";
    }
  }
  return text.empty() ? text : "\nmembers of ensembles that were missing:\n" + text;
}

constexpr const char* kWithoutTime = "no_time";  // a tally of infer

std::string NoTimeText(const StatusFacts& facts) {
  std::string text;
  for (const std::string& node : facts.nodes) {
    const int64_t count = CounterOf(facts, node, kWithoutTime);
    if (count != 0) text += "  " + node + ": " + std::to_string(count) + "\n";
  }
  return text.empty() ? text : "\nrecords without a time, scored by the version of the event time:\n" + text;
}

std::string MissingJson(const MissingCounts& missing) {
  JsonObject members;
  for (const auto& [member, causes] : missing) {
    JsonObject counts;
    for (const auto& [cause, count] : causes) counts.AddNumber(cause, count);
    members.AddJson(member, counts.text());
  }
  return members.text();
}

std::string FailedJson(const Failure& failure, const NextCommands& next) {
  JsonObject json;
  json.AddText("node", failure.stage).AddText("class", TextOf(failure.error_class)).AddText("message", failure.message);
  json.AddNumber("records", failure.kept_rows).AddNumber("kept_bytes", failure.kept_bytes);
  json.AddText("next", NextOf(failure, next)).AddNumber("attempts", failure.attempts);
  json.AddText("at", FormatInstant(failure.at_ms)).AddJson("record_ids", JsonStrings(failure.records));
  return json.text();
}

}  // namespace

std::string StateWord(const StatusFacts& facts) {
  if (facts.owner != 0) return "running";
  const StateReport& state = facts.state;
  const bool interrupted = state.phase == RunPhase::kRestarting && state.failure;
  if (state.phase == RunPhase::kFailed || interrupted) return "failed";
  return state.phase == RunPhase::kDone ? "done" : "stopped";
}

std::string StatusText(const StatusFacts& facts, const NextCommands& next) {
  const std::string state = StateWord(facts);
  std::string text = facts.name + ": " + state;
  if (facts.owner != 0) text += " (process " + std::to_string(facts.owner) + ")";
  if (facts.owner == 0 && !facts.state.ended_at.empty()) text += " since " + facts.state.ended_at;
  text += "\n";
  if (!facts.verdict.empty()) text += facts.verdict + "; " + facts.live_lag + "\n";
  if (const std::string note = NoteOf(facts); !note.empty()) text += note + "\n";
  if (state == "failed" && facts.state.failure) {
    text += FailureText(*facts.state.failure, next);
  } else if (state == "stopped") {
    text += "Go on with:\n  " + next.run + "\n";
  }
  text += "\n" + TableText(facts) + MissingText(facts) + NoTimeText(facts);
  text += facts.models;
  for (const auto& [source, lag] : facts.outside.lag) {
    if (!lag.known() && lag.problem.empty()) continue;
    text += "\nsource " + source + ": ";
    if (lag.problem.empty()) text += Count(LagRecords(lag), "record") + " behind";
    text += "\n" + LagText(lag);
  }
  if (!facts.outside.missing.empty()) text += "\nmissing: " + facts.outside.missing + "\n";
  for (const auto& [source, partitions] : facts.positions) {
    const auto lag = facts.outside.lag.find(source);
    if (lag != facts.outside.lag.end() && lag->second.known()) continue;  // said above
    text += "\nsource " + source + " goes on at:\n";
    for (const auto& [partition, position] : partitions) {
      text += "  " + partition + ": " + std::to_string(position) + "\n";
    }
  }
  if (!facts.actions.empty()) text += "\nwhat operators did:\n";
  const size_t shown = std::min(kActionsShown, facts.actions.size());
  for (size_t i = facts.actions.size() - shown; i < facts.actions.size(); ++i) text += "  " + facts.actions[i] + "\n";
  return text;
}

std::string StatusJson(const StatusFacts& facts, const NextCommands& next) {
  JsonObject nodes, sources;
  for (const std::string& node : facts.nodes) {
    JsonObject counters;
    for (const Counter& counter : kCounters) counters.AddNumber(counter.name, CounterOf(facts, node, counter.name));
    for (const char* name : kPassedOn) counters.AddNumber(name, CounterOf(facts, node, name));
    if (const MissingCounts missing = MissingOf(facts, node); !missing.empty()) {
      counters.AddJson("missing", MissingJson(missing));
    }
    if (const int64_t count = CounterOf(facts, node, kWithoutTime); count != 0) counters.AddNumber(kWithoutTime, count);
    nodes.AddJson(node, counters.text());
  }
  for (const auto& [source, partitions] : facts.positions) {
    JsonObject positions;
    for (const auto& [partition, position] : partitions) positions.AddNumber(partition, position);
    sources.AddJson(source, positions.text());
  }
  const std::string state = StateWord(facts);
  JsonObject json;
  json.AddText("name", facts.name).AddText("state", state);
  json.AddJson("failed", state == "failed" && facts.state.failure ? FailedJson(*facts.state.failure, next) : "null");
  json.AddJson("nodes", nodes.text()).AddJson("sources", sources.text());
  json.AddJson("lag", LagJson(facts.outside.lag));
  if (!facts.models_json.empty()) json.AddJson("models", facts.models_json);
  if (!facts.outside.missing.empty()) json.AddText("missing_topics", facts.outside.missing);
  if (facts.owner != 0) json.AddNumber("pid", facts.owner);
  json.AddJson("verdict", facts.verdict_json.empty() ? "null" : facts.verdict_json);
  if (const std::string note = NoteOf(facts); !note.empty()) json.AddText("note", note);
  return json.text();
}

}  // namespace anabranch

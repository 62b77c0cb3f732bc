#include <string>
#include <vector>

#include "engine/text/json_literals.h"
#include "topologies/operate/monitoring_files.h"

namespace anabranch {
namespace {

struct AlertRule {
  const char* name;
  const char* severity;    // critical: records wait or are lost to readers; warning: they soon may
  const char* wait;        // how long the expression holds before it fires
  const char* expression;  // $S: selects the topology, in braces of its own; $T: the same, inside braces
  const char* summary;
  const char* description;
  const char* command;  // $F: the file
};

const std::vector<AlertRule>& Rules() {
  static const std::vector<AlertRule> rules = {
      {"StageFailed", "critical", "1m", "anabranch_state{state=\"failed\"$T} == 1",
       "{{ $labels.topology }} stopped in a stage",
       "Finished records are committed, the others wait. Look at the cause, then restart from the failed stage.",
       "anabranch restart $F --dry-run"},
      {"NotReady", "critical", "5m", "anabranch_ready$S == 0",
       "{{ $labels.topology }} has taken no records for 5 minutes",
       "/readyz lists the parts that are not ready, with the reasons.", "anabranch status $F"},
      {"LagGrowing", "warning", "15m",
       "max by (topology, source) (anabranch_source_lag_seconds$S) > 300 "
       "and max by (topology, source) (deriv(anabranch_source_lag_seconds$S[15m])) > 0",
       "{{ $labels.topology }} falls behind {{ $labels.source }}",
       "The last committed record is {{ $value | humanizeDuration }} old, and the lag grows. The verdict names what "
       "holds the pipeline back.",
       "anabranch top $F"},
      {"CommitStalled", "critical", "5m",
       "time() - max by (topology, instance) "
       "({__name__=~\"anabranch_last_commit_timestamp_seconds|anabranch_start_time_seconds\"$T}) > 300 "
       "and sum by (topology, instance) (anabranch_source_lag_records$S) > 0",
       "{{ $labels.topology }} commits nothing although records wait",
       "The last commit was {{ $value | humanizeDuration }} ago.", "anabranch status $F"},
      {"CommitSlow", "warning", "10m",
       "histogram_quantile(0.99, sum by (topology, target, le) (rate(anabranch_commit_seconds_bucket$S[5m]))) > 5",
       "Commits of {{ $labels.topology }} to {{ $labels.target }} are slow",
       "99 % of them end within {{ $value | humanizeDuration }}. The target is slow, or far away.", "anabranch top $F"},
      {"DeadLetterShare", "warning", "5m",
       "sum by (topology) (rate(anabranch_dead_letters_total$S[10m])) / "
       "sum by (topology) (rate(anabranch_source_records_total$S[10m])) > 0.01",
       "{{ $value | humanizePercentage }} of the records of {{ $labels.topology }} become dead letters",
       "The groups by stage and code show whether one cause stands behind them.", "anabranch dlq ls $F"},
      {"BreakerNearTrip", "warning", "1m", "anabranch_breaker_fill_ratio$S > 0.8",
       "Stage {{ $labels.node }} of {{ $labels.topology }} is about to stop",
       "It failed for {{ $value | humanizePercentage }} of the records that stop it.", "anabranch dlq ls $F"},
      {"LatencyTargetMissed", "warning", "10m",
       "histogram_quantile(0.99, sum by (topology, instance, le) "
       "(rate(anabranch_record_seconds_bucket{from=\"intake\"$T}[5m]))) "
       "> on (topology, instance) anabranch_latency_target_seconds$S",
       "{{ $labels.topology }} misses its latency target",
       "99 % of the records are durable within {{ $value | humanizeDuration }}.", "anabranch top $F"},
      {"KeptBytes", "warning", "5m", "anabranch_kept_bytes$S / anabranch_kept_bytes_limit$S > 0.8",
       "{{ $labels.topology }} keeps almost as much for a restart as it may",
       "{{ $value | humanizePercentage }} of limits.kept_bytes are in use. Restart the failed stage, or skip its "
       "records.",
       "anabranch restart $F --dry-run"},
      {"RolloutWaits", "warning", "5m",
       "max by (topology, model, state) (anabranch_model_rollout_step{state!=\"running\"$T}) > 0",
       "The rollout of {{ $labels.model }} in {{ $labels.topology }} waits for a person: {{ $labels.state }}",
       "It is at step {{ $value | humanize }}. Compare the versions, then promote it or roll it back.",
       "anabranch status $F"},
      {"RestartLoop", "critical", "0m",
       "changes(anabranch_start_time_seconds$S[30m]) > 3 or increase(anabranch_restarts_total$S[30m]) > 3",
       "{{ $labels.topology }} restarts again and again", "It began {{ $value | humanize }} times in 30 minutes.",
       "anabranch status $F"},
  };
  return rules;
}

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

// A JSON string is a YAML string.
void AppendLine(const char* indent, const char* key, const std::string& value, std::string* text) {
  *text += std::string(indent) + key + ": ";
  AppendJsonString(text, value);
  *text += '\n';
}

}  // namespace

std::string AlertRules(const MonitoredTopology& monitored) {
  const std::string selector = monitored.name.empty() ? "" : "topology=\"" + monitored.name + "\"";
  const std::string file = monitored.file.empty() ? "FILE" : monitored.file;
  std::string text =
      "# Alert rules for Prometheus, made by `anabranch metrics --alerts`. `command` is what to type next.\n"
      "groups:\n- name: anabranch" +
      (monitored.name.empty() ? "" : "-" + monitored.name) + "\n  rules:\n";
  for (const AlertRule& rule : Rules()) {
    std::string expression = Replaced(rule.expression, "$S", selector.empty() ? "" : "{" + selector + "}");
    expression = Replaced(expression, "$T", selector.empty() ? "" : "," + selector);
    text += std::string("  - alert: Anabranch") + rule.name + "\n";
    AppendLine("    ", "expr", expression, &text);
    text += std::string("    for: ") + rule.wait + "\n    labels:\n      severity: " + rule.severity + "\n";
    text += "    annotations:\n";
    AppendLine("      ", "summary", rule.summary, &text);
    AppendLine("      ", "description", rule.description, &text);
    AppendLine("      ", "command", Replaced(rule.command, "$F", file), &text);
  }
  return text;
}

}  // namespace anabranch

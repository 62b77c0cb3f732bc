#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "topologies/operate/monitoring_files.h"

namespace anabranch {
namespace {

using GrafanaJson = nlohmann::ordered_json;

// In expressions, $S selects the topology, in braces of its own; $T does inside braces; $R is the time of rates.
struct PanelQuery {
  const char* expression;
  const char* legend;
};
struct DashboardPanel {
  const char* title;
  const char* kind;  // stat | word (the legend of a value that is always 1) | timeseries
  const char* unit;  // as Grafana names it
  int width;         // of 24
  std::vector<PanelQuery> queries;
};
struct DashboardRow {
  const char* title;
  std::vector<DashboardPanel> panels;
};

DashboardRow VerdictRow() {
  return {"Verdict",
          {{"Verdict", "word", "none", 8, {{"anabranch_verdict$S", "{{kind}} {{by}}"}}},
           {"State", "word", "none", 4, {{"anabranch_state$S == 1", "{{state}}"}}},
           {"Ready", "stat", "bool_yes_no", 4, {{"min(anabranch_ready$S)", "ready"}}},
           {"Records read", "stat", "ops", 4, {{"sum(rate(anabranch_source_records_total$S[$R]))", "read"}}},
           {"Last commit", "stat", "s", 4, {{"time() - max(anabranch_last_commit_timestamp_seconds$S)", "ago"}}},
           {"What the lanes' time goes to",
            "timeseries",
            "percentunit",
            24,
            {{"sum by (state, by) (rate(anabranch_lane_seconds_total$S[$R])) / scalar(count(count by (instance, lane) "
              "(anabranch_lane_seconds_total$S)))",
              "{{state}} {{by}}"}}}}};
}

DashboardRow LagRow() {
  return {
      "Lag",
      {{"Records behind",
        "timeseries",
        "short",
        8,
        {{"sum by (source, topic) (anabranch_source_lag_records$S)", "{{source}} {{topic}}"}}},
       {"Seconds behind",
        "timeseries",
        "s",
        8,
        {{"max by (source, topic) (anabranch_source_lag_seconds$S)", "{{source}} {{topic}}"}}},
       {"Watermark behind the clock",
        "timeseries",
        "s",
        8,
        {{"time() - min by (source, topic) (anabranch_source_watermark_seconds$S)", "{{source}} {{topic}}"}}},
       {"Records read and committed",
        "timeseries",
        "ops",
        8,
        {{"sum by (source) (rate(anabranch_source_records_total$S[$R]))", "read {{source}}"},
         {"sum by (source) (deriv(anabranch_source_position$S[$R]))", "committed {{source}}"}}},
       {"Bytes read",
        "timeseries",
        "Bps",
        8,
        {{"sum by (source) (rate(anabranch_source_bytes_total$S[$R]))", "{{source}}"}}},
       {"Partitions", "timeseries", "short", 8, {{"sum by (source) (anabranch_source_partitions$S)", "{{source}}"}}},
       {"Rebalances",
        "timeseries",
        "short",
        8,
        {{"sum by (source) (increase(anabranch_rebalances_total$S[$R]))", "{{source}}"}}}}};
}

DashboardRow LatencyRow() {
  return {"Latency",
          {{"Intake to durable",
            "timeseries",
            "s",
            8,
            {{"histogram_quantile(0.5, sum by (target, le) (rate(anabranch_record_seconds_bucket{from=\"intake\"$T}"
              "[$R])))",
              "p50 {{target}}"},
             {"histogram_quantile(0.99, sum by (target, le) (rate(anabranch_record_seconds_bucket{from=\"intake\"$T}"
              "[$R])))",
              "p99 {{target}}"}}},
           {"Timestamp to durable",
            "timeseries",
            "s",
            8,
            {{"histogram_quantile(0.99, sum by (target, le) (rate(anabranch_record_seconds_bucket{from=\"event\"$T}"
              "[$R])))",
              "p99 {{target}}"}}},
           {"Commits",
            "timeseries",
            "s",
            8,
            {{"histogram_quantile(0.5, sum by (target, le) (rate(anabranch_commit_seconds_bucket$S[$R])))",
              "p50 {{target}}"},
             {"histogram_quantile(0.99, sum by (target, le) (rate(anabranch_commit_seconds_bucket$S[$R])))",
              "p99 {{target}}"}}}}};
}

DashboardRow NodesRow() {
  return {"Nodes",
          {{"Rows by node",
            "timeseries",
            "ops",
            8,
            {{"sum by (node) (rate(anabranch_node_rows_in_total$S[$R]))", "{{node}}"}}},
           {"Busy",
            "timeseries",
            "percentunit",
            8,
            {{"sum by (node) (rate(anabranch_node_busy_seconds_total$S[$R]))", "{{node}}"}}},
           {"Rows by outcome",
            "timeseries",
            "ops",
            8,
            {{"sum by (outcome) (rate(anabranch_node_rows_total$S[$R]))", "{{outcome}}"}}},
           {"Failed rows",
            "timeseries",
            "ops",
            8,
            {{"sum by (node, code, action) (rate(anabranch_node_failures_total$S[$R])) or vector(0)",
              "{{node}} {{code}} {{action}}"}}},
           {"Time of a batch, p99",
            "timeseries",
            "s",
            8,
            {{"histogram_quantile(0.99, sum by (node, le) (rate(anabranch_node_batch_seconds_bucket$S[$R])))",
              "{{node}}"}}},
           {"Rows of a batch",
            "timeseries",
            "short",
            4,
            {{"sum by (node) (rate(anabranch_node_batch_rows_sum$S[$R])) / sum by (node) "
              "(rate(anabranch_node_batch_rows_count$S[$R]))",
              "{{node}}"}}},
           {"Retries",
            "timeseries",
            "ops",
            4,
            {{"sum by (node) (rate(anabranch_node_retries_total$S[$R]))", "{{node}}"}}}}};
}

DashboardRow ModelsRow() {
  return {"Models",
          {{"Calls",
            "timeseries",
            "ops",
            8,
            {{"sum by (node, model, version) (rate(anabranch_model_call_seconds_count$S[$R]))",
              "{{node}} {{model}}@{{version}}"}}},
           {"Time of a call",
            "timeseries",
            "s",
            8,
            {{"histogram_quantile(0.5, sum by (node, le) (rate(anabranch_model_call_seconds_bucket$S[$R])))",
              "p50 {{node}}"},
             {"histogram_quantile(0.99, sum by (node, le) (rate(anabranch_model_call_seconds_bucket$S[$R])))",
              "p99 {{node}}"}}},
           {"Rows of a call",
            "timeseries",
            "short",
            4,
            {{"sum by (node) (rate(anabranch_model_call_rows_sum$S[$R])) / sum by (node) "
              "(rate(anabranch_model_call_rows_count$S[$R]))",
              "{{node}}"}}},
           {"Loaded",
            "stat",
            "s",
            4,
            {{"max by (node, model, version) (anabranch_model_load_seconds$S)", "{{node}} {{model}}@{{version}}"}}},
           {"Generation",
            "timeseries",
            "short",
            6,
            {{"max by (model, version) (anabranch_model_generation$S) or vector(0)", "{{model}}@{{version}}"}}},
           {"Rollout: step",
            "timeseries",
            "short",
            6,
            {{"max by (model, state) (anabranch_model_rollout_step$S) or vector(0)", "{{model}} {{state}}"}}},
           {"Rollout: rows by version",
            "timeseries",
            "short",
            6,
            {{"max by (model, version, arm, generation) (anabranch_model_arm_rows_total$S) or vector(0)",
              "{{model}}@{{version}} {{arm}}, generation {{generation}}"}}},
           {"Rollout: guards, share of the limit",
            "timeseries",
            "percentunit",
            6,
            {{"max by (model, guard) (anabranch_model_guard$S / anabranch_model_guard_limit$S) or vector(0)",
              "{{model}} {{guard}}"}}},
           {"Draws of a bandit",
            "timeseries",
            "percentunit",
            8,
            {{"max by (model, version) (anabranch_bandit_probability$S) or vector(0)", "{{model}}@{{version}}"}}},
           {"Mean reward",
            "timeseries",
            "short",
            8,
            {{"max by (model, version) (anabranch_bandit_reward_mean$S) or vector(0)", "{{model}}@{{version}}"}}},
           {"Rewards",
            "timeseries",
            "short",
            8,
            {{"max by (model, version) (anabranch_bandit_rewards_total$S) or vector(0)", "{{model}}@{{version}}"},
             {"max by (model) (anabranch_bandit_unmatched_rewards_total$S) or vector(0)", "{{model}} unmatched"}}}}};
}

DashboardRow EpochsRow() {
  return {
      "Epochs",
      {{"Epochs", "timeseries", "ops", 6, {{"sum by (result) (rate(anabranch_epochs_total$S[$R]))", "{{result}}"}}},
       {"Rows of an epoch",
        "timeseries",
        "short",
        6,
        {{"sum(rate(anabranch_epoch_rows_sum$S[$R])) / sum(rate(anabranch_epoch_rows_count$S[$R]))", "rows"}}},
       {"Open for",
        "timeseries",
        "s",
        6,
        {{"histogram_quantile(0.99, sum by (le) (rate(anabranch_epoch_open_seconds_bucket$S[$R])))", "p99"}}},
       {"Results",
        "timeseries",
        "ops",
        6,
        {{"sum by (target, connector) (rate(anabranch_target_rows_total$S[$R]))", "{{target}} {{connector}}"}}},
       {"Errors of targets",
        "timeseries",
        "ops",
        12,
        {{"sum by (target, class) (rate(anabranch_target_errors_total$S[$R])) or vector(0)", "{{target}} {{class}}"}}},
       {"Bytes written",
        "timeseries",
        "Bps",
        12,
        {{"sum by (target, connector) (rate(anabranch_target_bytes_total$S[$R]))", "{{target}} {{connector}}"}}}}};
}

DashboardRow DeadLettersRow() {
  return {
      "Dead letters",
      {{"Dead letters",
        "timeseries",
        "ops",
        8,
        {{"sum by (node) (rate(anabranch_dead_letters_total$S[$R]))", "{{node}}"}}},
       {"Share of records",
        "timeseries",
        "percentunit",
        8,
        {{"sum(rate(anabranch_dead_letters_total$S[$R])) / sum(rate(anabranch_source_records_total$S[$R]))", "share"}}},
       {"Breakers", "timeseries", "percentunit", 8, {{"max by (node) (anabranch_breaker_fill_ratio$S)", "{{node}}"}}}}};
}

DashboardRow StateRow() {
  return {
      "State",
      {{"Kept for a restart",
        "timeseries",
        "bytes",
        6,
        {{"sum(anabranch_kept_bytes$S)", "kept"}, {"sum(anabranch_kept_bytes_limit$S)", "limit"}}},
       {"State folder", "timeseries", "bytes", 6, {{"sum by (part) (anabranch_state_bytes$S)", "{{part}}"}}},
       {"Records in flight",
        "timeseries",
        "bytes",
        6,
        {{"sum by (where) (anabranch_held_bytes$S)", "{{where}}"}, {"sum(anabranch_held_bytes_limit$S)", "limit"}}},
       {"Memory of the process",
        "timeseries",
        "bytes",
        6,
        {{"process_resident_memory_bytes * on (job, instance) group_left () anabranch_info$S", "{{instance}}"}}},
       {"CPU of the process",
        "timeseries",
        "short",
        6,
        {{"rate(process_cpu_seconds_total[$R]) * on (job, instance) group_left () anabranch_info$S", "{{instance}}"}}},
       {"Requests",
        "timeseries",
        "ops",
        6,
        {{"sum by (route, code) (rate(anabranch_http_requests_total$S[$R]))", "{{route}} {{code}}"}}},
       {"Time of requests, p99",
        "timeseries",
        "s",
        6,
        {{"histogram_quantile(0.99, sum by (route, le) (rate(anabranch_http_request_seconds_bucket$S[$R])))",
          "{{route}}"}}},
       {"Not shown",
        "timeseries",
        "short",
        6,
        {{"sum(rate(anabranch_tap_dropped_total$S[$R]))", "rows of taps"},
         {"sum(rate(anabranch_spans_dropped_total$S[$R]))", "spans"},
         {"sum(anabranch_series_dropped$S)", "series"}}},
       {"Sessions",
        "timeseries",
        "short",
        6,
        {{"sum(increase(anabranch_restarts_total$S[$R]))", "restarts"},
         {"time() - max(anabranch_start_time_seconds$S)", "age of the process in seconds"}}}}};
}

std::string WithVariables(const char* expression) {
  std::string text;
  for (const char* at = expression; *at != '\0'; ++at) {
    if (*at != '$') {
      text += *at;
      continue;
    }
    switch (*++at) {
      case 'S': text += "{topology=\"$topology\"}"; break;
      case 'T': text += ",topology=\"$topology\""; break;
      default: text += "$__rate_interval"; break;  // $R
    }
  }
  return text;
}

const GrafanaJson& DataSource() {
  static const GrafanaJson source = {{"type", "prometheus"}, {"uid", "${datasource}"}};
  return source;
}

GrafanaJson PanelJson(const DashboardPanel& panel, int id, int x, int y, int height) {
  GrafanaJson targets = GrafanaJson::array();
  for (const PanelQuery& query : panel.queries) {
    targets.push_back({{"datasource", DataSource()},
                       {"refId", std::string(1, static_cast<char>('A' + static_cast<int>(targets.size())))},
                       {"expr", WithVariables(query.expression)},
                       {"legendFormat", query.legend}});
  }
  const bool word = std::string_view(panel.kind) == "word";
  GrafanaJson json = {{"id", id},
                      {"type", word ? "stat" : panel.kind},
                      {"title", panel.title},
                      {"datasource", DataSource()},
                      {"gridPos", {{"x", x}, {"y", y}, {"w", panel.width}, {"h", height}}},
                      {"fieldConfig", {{"defaults", {{"unit", panel.unit}}}, {"overrides", GrafanaJson::array()}}}};
  if (word) json["options"] = {{"textMode", "name"}, {"colorMode", "none"}};
  json["targets"] = std::move(targets);
  return json;
}

GrafanaJson PanelsJson() {
  constexpr int kColumns = 24;
  GrafanaJson panels = GrafanaJson::array();
  int id = 1;
  int y = 0;
  for (const DashboardRow& row :
       {VerdictRow(), LagRow(), LatencyRow(), NodesRow(), ModelsRow(), EpochsRow(), DeadLettersRow(), StateRow()}) {
    panels.push_back({{"id", id++},
                      {"type", "row"},
                      {"title", row.title},
                      {"collapsed", false},
                      {"gridPos", {{"x", 0}, {"y", y}, {"w", kColumns}, {"h", 1}}},
                      {"panels", GrafanaJson::array()}});
    y += 1;
    int x = 0;
    int height = 0;
    for (const DashboardPanel& panel : row.panels) {
      const int own_height = std::string_view(panel.kind) == "timeseries" ? 8 : 4;
      if (x + panel.width > kColumns) {
        x = 0;
        y += height;
        height = 0;
      }
      panels.push_back(PanelJson(panel, id++, x, y, own_height));
      x += panel.width;
      height = std::max(height, own_height);
    }
    y += height;
  }
  return panels;
}

}  // namespace

std::string GrafanaDashboard(const MonitoredTopology& monitored) {
  GrafanaJson topology = {{"name", "topology"},
                          {"label", "Topology"},
                          {"type", "query"},
                          {"datasource", DataSource()},
                          {"query", {{"query", "label_values(anabranch_info, topology)"}, {"refId", "topology"}}},
                          {"refresh", 2},
                          {"sort", 1}};
  if (!monitored.name.empty()) {
    topology["current"] = {{"text", monitored.name}, {"value", monitored.name}, {"selected", true}};
  }
  const GrafanaJson source = {
      {"name", "datasource"}, {"label", "Data source"}, {"type", "datasource"}, {"query", "prometheus"}};
  const GrafanaJson dashboard = {
      {"uid", monitored.name.empty() ? "anabranch" : "anabranch-" + monitored.name.substr(0, 30)},
      {"title", monitored.name.empty() ? "Anabranch" : "Anabranch: " + monitored.name},
      {"tags", {"anabranch"}},
      {"schemaVersion", 37},
      {"editable", true},
      {"refresh", "10s"},
      {"time", {{"from", "now-30m"}, {"to", "now"}}},
      {"templating", {{"list", {source, topology}}}},
      {"panels", PanelsJson()}};
  return dashboard.dump(2) + "\n";
}

}  // namespace anabranch

#include "topologies/commands/watch_options.h"

namespace anabranch {

CLI::App* AddMetrics(CLI::App& app, MetricsArgs* args) {
  CLI::App* command =
      Command(app, "metrics", "Lists the metrics of a pipeline, or writes a dashboard or alert rules for them.",
              "anabranch metrics --alerts topology.json > alerts.yml");
  command->add_option("FILE", args->file, "a topology: its name and file are put into the dashboard and the rules")
      ->type_name("");
  CLI::Option* catalogue = command->add_flag("--catalogue", args->catalogue, "every metric with type, labels, meaning");
  CLI::Option* grafana =
      command->add_flag("--grafana", args->grafana, "a dashboard for Grafana, as JSON to import")->excludes(catalogue);
  command->add_flag("--alerts", args->alerts, "alert rules for Prometheus, as YAML")
      ->excludes(catalogue)
      ->excludes(grafana);
  AddWord(command, "--format", &args->format, {"text", "json"});
  AddAllowPath(command, &args->allow_paths);
  command->footer(
      "Without a flag: --catalogue. --format is for the catalogue. The metrics are served by `anabranch run "
      "--metrics`.\n"
      "`anabranch explain METRIC` shows one of them. Without FILE the dashboard and the rules are for all topologies.");
  return command;
}

}  // namespace anabranch

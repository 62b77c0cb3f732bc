#include "topologies/commands/watch_options.h"

#include "topologies/commands/serve_options.h"

namespace anabranch {

CLI::App* AddMetrics(CLI::App& app, MetricsArgs* args) {
  CLI::App* command =
      Command(app, "metrics", "Lists the metrics of a pipeline, or writes a dashboard or alert rules for them.",
              "anabranch metrics --alerts topology.json > alerts.yml");
  command->add_option("FILE", args->file, "a topology: its name and file are put into the dashboard and the rules")
      ->type_name("");
  command->add_flag("--catalogue", args->catalogue, "every metric with type, labels, meaning");
  command->add_flag("--grafana", args->grafana, "a dashboard for Grafana, as JSON to import");
  command->add_flag("--alerts", args->alerts, "alert rules for Prometheus, as YAML");
  // CLI11 prints what excludes two others in no fixed order.
  command->parse_complete_callback([args] {
    if (int{args->catalogue} + int{args->grafana} + int{args->alerts} > 1) {
      throw CLI::ValidationError("--catalogue, --grafana, --alerts", "only one of them can be given");
    }
  });
  AddWord(command, "--format", &args->format, {"text", "json"});
  AddAllowPath(command, &args->allow_paths);
  command->footer(
      "Give one flag at most. Without one: --catalogue. --format is for the catalogue. The metrics are served by "
      "`anabranch run "
      "--metrics`.\n"
      "`anabranch explain METRIC` shows one of them. Without FILE the dashboard and the rules are for all topologies.");
  return command;
}

CLI::App* AddTap(CLI::App& app, TapArgs* args) {
  CLI::App* command = Command(app, "tap", "Shows rows of a running pipeline as they pass through its nodes.",
                              "anabranch tap topology.json score --where 'amount > 900'");
  AddState(command, args);
  command->add_option("NODE", args->nodes, "nodes and sources to look at; default: the nodes that write")
      ->type_name("");
  AddWord(command, "--at", &args->at, {"outputs", "inputs"});
  command->add_option("--where", args->where, "only rows for which this expression is true")->type_name("EXPRESSION");
  CLI::Option* limit = command->add_option("--limit", args->limit, "end after that many rows")
                           ->type_name("N")
                           ->check(CLI::Range(1, 1'000'000))
                           ->capture_default_str();
  command->add_flag("--follow", args->follow, "do not end before the pipeline does")->excludes(limit);
  command->add_option("--rate", args->rate, "show at most that many rows per second")
      ->type_name("N")
      ->check(CLI::Range(0.001, 1e6));
  command->add_option("--columns", args->columns, "only these columns, also of nodes above; with commas between them")
      ->type_name("NAMES")
      ->delimiter(',')
      ->allow_extra_args(false);
  AddReveal(command, &args->reveal);
  AddWord(command, "--format", &args->format, {"pretty", "json", "kcat"});
  command->add_option("--save", args->save, "write the records and what became of them as a test case, NAME.tests.json")
      ->type_name("FILE");
  command->footer(
      "Rows go to standard output. It never holds the pipeline up: rows for which there is no time or room are "
      "counted\n"
      "as dropped. --format json prints a row per line, kcat the envelope of `kcat -J`. Exit code 0 also where fewer "
      "rows\n"
      "came before it was stopped; 69 if no process runs the pipeline.");
  return command;
}

CLI::App* AddTop(CLI::App& app, TopArgs* args) {
  CLI::App* command = Command(app, "top", "Shows a running pipeline: who holds it back, and each node's load.",
                              "anabranch top topology.json");
  AddState(command, args);
  command->add_option("--interval", args->interval_s, "seconds between two looks")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_flag("--once", args->once, "show it once and end");
  command->footer("Repaints a terminal; otherwise it prints a block per interval. Exit code 69 if no process runs it.");
  return command;
}

CLI::App* AddUi(CLI::App& app, UiArgs* args) {
  CLI::App* command = Command(app, "ui", "Serves a page with the pipelines of one or more folders, running or not.",
                              "anabranch ui pipelines");
  command->add_option("DIR", args->folders, "folders; state folders in them are found; default: the working folder")
      ->type_name("");
  args->serve.http = "127.0.0.1:8787";
  AddPage(command, &args->serve);
  AddAllowPath(command, &args->allow_paths);
  command->footer(
      "Of a pipeline that a process runs, all is passed on to that process. Of the others the page shows the state, "
      "the\n"
      "history and the plan of a restart, and the command that acts. Ends with SIGINT or SIGTERM.");
  return command;
}

}  // namespace anabranch

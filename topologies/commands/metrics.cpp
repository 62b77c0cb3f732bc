#include <ostream>

#include "engine/text/json_object.h"
#include "topologies/commands/command.h"
#include "topologies/commands/reference.h"
#include "topologies/operate/metrics_text.h"
#include "topologies/operate/monitoring_files.h"

namespace anabranch {
namespace {

std::string CatalogueJson() {
  std::string list;
  for (const std::vector<MetricSpec>* catalogue : {&MetricCatalogue(), &ProcessMetricCatalogue()}) {
    for (const MetricSpec& spec : *catalogue) {
      JsonObject metric;
      metric.AddText("name", spec.name).AddText("type", spec.type).AddText("unit", spec.unit);
      metric.AddJson("labels", JsonStrings(LabelsOf(spec))).AddText("help", spec.help);
      list += (list.empty() ? "" : ",\n") + metric.text();
    }
  }
  return "{\"metrics\": [\n" + list + "\n]}\n";
}

}  // namespace

int CommandMetrics(const MetricsArgs& args, CommandIo& io) {
  MonitoredTopology monitored;
  if (!args.file.empty()) {
    const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
    if (!checked.ok()) return kExitFaulty;
    monitored = {checked.plan->name, args.file};
  }
  if (args.grafana) {
    io.out << GrafanaDashboard(monitored);
  } else if (args.alerts) {
    io.out << AlertRules(monitored);
  } else {
    io.out << (args.format == "json" ? CatalogueJson() : MetricsPage());
  }
  return kExitOk;
}

}  // namespace anabranch

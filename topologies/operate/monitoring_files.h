#pragma once

#include <string>

namespace anabranch {

// Files for the monitoring of others, made from the names of MetricCatalogue().

// The topology that they are about. Both empty: they serve all topologies of a server.
struct MonitoredTopology {
  std::string name;
  std::string file;  // for the commands in alerts
};

// A dashboard for Grafana 9 and newer, as JSON to import. The data source and the topology are chosen on its page.
std::string GrafanaDashboard(const MonitoredTopology& monitored);

// Alert rules for Prometheus, as YAML. The annotation `command` is what to type next.
std::string AlertRules(const MonitoredTopology& monitored);

}  // namespace anabranch

#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/fault.h"
#include "engine/registry.h"
#include "topologies/operate/metrics_text.h"

namespace anabranch {

// Markdown made from the specs, for both `explain` and docs/reference.
std::string KindPage(const NodeKind::Spec& spec);
std::string ConnectorPage(const Connector::Spec& spec);
std::string FaultSection(const FaultInfo& info);
std::string FunctionsPage();
std::string MetricSection(const MetricSpec& metric);
std::string MetricsPage();

// Every page of docs/reference by its path below that folder.
std::map<std::string, std::string> ReferencePages(const Registry& registry);

// A shape in a few words: "list of string", "integer >= 1", "json | csv".
std::string ShapeText(const Shape& shape);

}  // namespace anabranch

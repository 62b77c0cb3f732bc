#include <algorithm>
#include <cctype>
#include <filesystem>
#include <ostream>

#include "engine/expression/expression.h"
#include "topologies/commands/command.h"
#include "topologies/commands/latency_view.h"
#include "topologies/commands/reference.h"
#include "topologies/language/plan_text.h"
#include "topologies/operate/metrics_text.h"

namespace anabranch {
namespace {

// "AB203", "ab203" and "203" name the same code.
const FaultInfo* FindFault(const std::string& topic) {
  std::string digits = topic;
  if (digits.size() > 2 && std::toupper(digits[0]) == 'A' && std::toupper(digits[1]) == 'B') digits.erase(0, 2);
  if (digits.empty() || digits.size() > 4) return nullptr;
  if (!std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); })) return nullptr;
  for (const FaultInfo& info : FaultCatalogue()) {
    if (static_cast<int>(info.code) == std::stoi(digits)) return &info;
  }
  return nullptr;
}

// A series of a histogram has a suffix.
const MetricSpec* FindMetricOrSeries(const std::string& topic) {
  for (const std::string suffix : {"", "_bucket", "_sum", "_count"}) {
    if (!topic.ends_with(suffix)) continue;
    const MetricSpec* metric = FindMetric(topic.substr(0, topic.size() - suffix.size()));
    if (metric != nullptr && (suffix.empty() || std::string_view(metric->type) == "histogram")) return metric;
  }
  return nullptr;
}

// The help line of one expression function; empty if there is none with this name.
std::string FunctionHelp(const std::string& name) {
  for (const std::string& line : ExpressionFunctionHelp()) {
    if (line.starts_with(name + "(")) return line;
  }
  return {};
}

bool NamesFile(const std::string& topic) {
  std::error_code error;
  return topic.ends_with(".json") || topic.ends_with(".jsonc") || topic.find('/') != std::string::npos ||
         std::filesystem::is_regular_file(topic, error);
}

std::vector<std::string> Topics(const Registry& registry) {
  std::vector<std::string> topics = registry.KindNames();
  for (const std::string& name : registry.ConnectorNames()) topics.push_back(name);
  topics.push_back("functions");
  for (const std::string& line : ExpressionFunctionHelp()) topics.push_back(line.substr(0, line.find('(')));
  for (const FaultInfo& info : FaultCatalogue()) topics.push_back(FaultName(info.code));
  for (const MetricSpec& metric : MetricCatalogue()) topics.emplace_back(metric.name);
  for (const MetricSpec& metric : ProcessMetricCatalogue()) topics.emplace_back(metric.name);
  return topics;
}

}  // namespace

int CommandExplain(const ExplainArgs& args, CommandIo& io) {
  if (const NodeKind* kind = io.registry.FindKind(args.topic)) {
    io.out << KindPage(kind->spec());
  } else if (const Connector* connector = io.registry.FindConnector(args.topic)) {
    io.out << ConnectorPage(connector->spec());
  } else if (args.topic == "functions") {
    io.out << FunctionsPage();
  } else if (const std::string help = FunctionHelp(args.topic); !help.empty()) {
    io.out << help << "\n\n`anabranch explain functions` lists all functions of expressions.\n";
  } else if (const FaultInfo* fault = FindFault(args.topic)) {
    io.out << FaultSection(*fault);
  } else if (const MetricSpec* metric = FindMetricOrSeries(args.topic)) {
    io.out << MetricSection(*metric);
  } else if (NamesFile(args.topic)) {
    CheckedTopology checked = CheckForCommand(args.topic, args.allow_paths, io);
    if (!checked.ok()) return kExitFaulty;
    io.out << ExplainPlan(*checked.plan) << LatencyText(*checked.plan);
  } else {
    io.err << "anabranch: unknown topic \"" << args.topic << "\"; " << Suggest(args.topic, Topics(io.registry)) << "\n";
    return kExitUsage;
  }
  return kExitOk;
}

}  // namespace anabranch

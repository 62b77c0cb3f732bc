#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "connectors/kafka/kafka_source.h"
#include "engine/models/deployment.h"
#include "engine/printable.h"
#include "engine/run/ledger.h"
#include "engine/run/run_state.h"
#include "engine/text/json_object.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/status_view.h"
#include "topologies/commands/top_view.h"
#include "topologies/commands/watched_pipeline.h"
#include "topologies/operate/masking.h"
#include "topologies/operate/model_events.h"
#include "topologies/operate/model_session.h"

namespace anabranch {
namespace {

constexpr std::string_view kPosition = "position:";  // position:SOURCE:GROUP:TOPIC/PARTITION, as lanes note it
constexpr std::string_view kFileTopic = "file:";     // a file's topic part is "file:SOURCE"

void AddNode(const std::string& node, std::vector<std::string>* nodes) {
  if (std::find(nodes->begin(), nodes->end(), node) == nodes->end()) nodes->push_back(node);
}

// Status is asked for when something is wrong: a topology that can be read is enough, it need not be sound.
void ReadNames(const Topology& topology, StatusFacts* facts, std::vector<std::string>* sources) {
  facts->name = topology.root.Text("name");
  if (const ConfigValue* nodes = topology.root.Find("nodes")) {
    for (const ConfigValue& node : nodes->children) facts->nodes.push_back(node.name);
  }
  if (const ConfigValue* known = topology.root.Find("sources")) {
    for (const ConfigValue& source : known->children) sources->push_back(source.name);
  }
}

void NotePosition(const std::string& source, const std::string& partition, int64_t next, StatusFacts* facts) {
  const auto [at, added] = facts->positions[source].emplace(partition, next);
  if (!added) at->second = std::min(at->second, next);
}

// `groups`: of the sources, as far as they are known; positions of other groups are not this topology's.
Status ReadPositions(Ledger& ledger, const std::map<std::string, std::string>& groups, StatusFacts* facts) {
  ASSIGN_OR_RETURN(const auto witnessed, ledger.Facts(std::string(kPosition)));
  for (const auto& [name, value] : witnessed) {
    const size_t colon = name.find(':', kPosition.size());
    const size_t last = name.rfind(':');  // topics have none, groups may
    if (colon == std::string::npos || last <= colon) continue;
    const std::string source = name.substr(kPosition.size(), colon - kPosition.size());
    const auto group = groups.find(source);
    if (group != groups.end() && group->second != name.substr(colon + 1, last - colon - 1)) continue;
    NotePosition(source, name.substr(last + 1), std::stoll(value), facts);
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> targets, ledger.Targets());
  for (const std::string& target : targets) {
    ASSIGN_OR_RETURN(const auto progress, ledger.GetTarget(target));
    if (!progress) continue;
    for (const auto& [partition, next] : progress->next) {
      if (!partition.topic.starts_with(kFileTopic)) continue;
      NotePosition(partition.topic.substr(kFileTopic.size()),
                   partition.topic + "/" + std::to_string(partition.partition), next, facts);
    }
  }
  return {};
}

std::map<std::string, std::string> GroupsOf(const Plan& plan, const std::string& identity) {
  std::map<std::string, std::string> groups;
  for (const PlanSource& source : plan.sources) {
    const auto* kafka = dynamic_cast<const KafkaSourceProgram*>(&source.program->origin());
    if (kafka != nullptr) groups[source.id] = GroupOf(kafka->settings(), identity);
  }
  return groups;
}

Status ReadLedger(const std::string& state_dir, const Plan* plan, const std::vector<std::string>& sources,
                  StatusFacts* facts) {
  ASSIGN_OR_RETURN(facts->owner, Ledger::Owner(state_dir));
  ASSIGN_OR_RETURN(const auto ledger, Ledger::OpenReadOnly(state_dir));
  ASSIGN_OR_RETURN(facts->state, RunState::Read(*ledger));
  ASSIGN_OR_RETURN(facts->counters, ledger->GetCounters());
  for (const auto& [node, counters] : facts->counters) {
    if (std::find(sources.begin(), sources.end(), node) == sources.end()) AddNode(node, &facts->nodes);
  }
  ASSIGN_OR_RETURN(facts->actions, ledger->Actions());
  std::map<std::string, std::string> groups;
  if (plan != nullptr) {
    ASSIGN_OR_RETURN(facts->identity, RunState::IdentityIn(*ledger, *plan));
    groups = GroupsOf(*plan, facts->identity);
  }
  RETURN_IF_ERROR(ReadPositions(*ledger, groups, facts));
  // Replays of dead letters keep their place in the same ledger.
  std::erase_if(facts->positions, [&sources](const auto& each) {
    return std::find(sources.begin(), sources.end(), each.first) == sources.end();
  });
  return {};
}

// How far its process has come, in what the brokers do not say.
void AddLive(const nlohmann::ordered_json& snapshot, StatusFacts* facts) {
  const auto number = [](const nlohmann::ordered_json& json, const char* name, auto otherwise) {
    return json.contains(name) && json[name].is_number() ? json[name].template get<decltype(otherwise)>() : otherwise;
  };
  if (!snapshot.contains("sources")) return;
  for (const auto& [source, said] : snapshot["sources"].items()) {
    SourceLag& lag = facts->outside.lag[source];
    const bool asked = lag.known();
    if (!said.contains("partitions")) continue;
    for (const auto& partition : said["partitions"]) {
      const std::string name =
          partition.value("topic", "") + "/" + std::to_string(number(partition, "partition", int64_t{0}));
      const double seconds = number(partition, "lag_seconds", -1.0);
      if (seconds >= 0) lag.seconds[name] = seconds;
      if (partition.contains("watermark")) lag.watermarks[name] = Printable(partition.value("watermark", ""));
      const int64_t records = number(partition, "lag_records", int64_t{-1});
      if (asked || records < 0) continue;
      lag.problem.clear();
      lag.partitions.push_back({.partition = name,
                                .committed = number(partition, "next", kNoPosition),
                                .end = number(partition, "end", int64_t{0}),
                                .records = records});
    }
  }
}

// What the process that runs it says of itself, if one answers.
void AskProcess(const std::string& state_dir, StatusFacts* facts) {
  std::error_code ignored;
  if (!std::filesystem::exists(std::filesystem::path(state_dir) / "control.sock", ignored)) return;
  HttpClient client(ControlAddress(state_dir), std::chrono::seconds(2));
  bool nobody = false;
  const auto snapshot = AnswerOf(client.Get("/api/v1/snapshot"), &nobody);
  if (!snapshot.ok() || !snapshot->contains("verdict") || !snapshot->contains("lag")) return;
  facts->verdict = LiveVerdictText(*snapshot);
  facts->live_lag = LiveLagText(*snapshot);
  facts->verdict_json = (*snapshot)["verdict"].dump();
  AddLive(*snapshot, facts);
}

// Which versions of the models score. Where the log cannot be reached, that is what there is to say.
void ReadModels(const Plan& plan, const std::string& state_dir, StatusFacts* facts) {
  if (plan.managed.empty()) return;
  const auto log = OpenControlLog(plan, state_dir);
  Status status = log.status();
  if (status.ok()) {
    const auto state = ReadControlState(**log);
    status = state.status();
    if (status.ok()) {
      facts->models = ModelsNowText(*state, plan);
      facts->models_json = ModelsNowJson(*state, plan);
      return;
    }
  }
  facts->models = "\nmodels: not known, " + PrintableLines(status.message()) + "\n";
  facts->models_json = "null";
}

int SayNothingRan(const StatusArgs& args, const StatusFacts& facts, const std::string& state_dir, CommandIo& io) {
  if (args.format == "json") {
    JsonObject json;
    json.AddText("name", facts.name).AddText("state", "stopped").AddJson("failed", "null");
    json.AddJson("nodes", "{}").AddJson("sources", "{}").AddJson("lag", LagJson(facts.outside.lag));
    json.AddJson("verdict", "null").AddText("note", "nothing was run yet");
    io.out << json.text() << "\n";
  } else {
    io.out << facts.name << ": nothing was run yet (no state in " << state_dir << ")\n  " << NextOf(args).run << "\n";
  }
  return kExitOk;
}

}  // namespace

int CommandStatus(const StatusArgs& args, CommandIo& io) {
  if (!CheckInstance("status", args, io)) return kExitUsage;
  const CheckedTopology checked = CheckTopology(args.file, io.registry, {.allow_paths = args.allow_paths, .env = {}});
  StatusFacts facts;
  std::vector<std::string> sources;
  if (checked.topology) ReadNames(*checked.topology, &facts, &sources);
  if (facts.name.empty()) {
    RenderFaults(checked.faults, checked.topology.get(), args.file, io.err_colour, io.err);
    io.err << "anabranch status: " << args.file << " has no \"name\": whose state to look at is not known\n";
    return kExitFaulty;
  }
  for (const std::string& source : sources) facts.outside.lag[source];  // nothing is known of it yet
  const std::string file = std::filesystem::absolute(args.file).string();
  const std::string state_dir = StateDirOf(args, file, facts.name);
  const Plan* plan = checked.ok() ? &*checked.plan : nullptr;
  std::error_code ignored;
  if (!std::filesystem::exists(state_dir + "/ledger.db", ignored)) return SayNothingRan(args, facts, state_dir, io);
  if (const Status read = ReadLedger(state_dir, plan, sources, &facts); !read.ok()) {
    io.err << "anabranch status: " << PrintableLines(read.message()) << "\n";
    return ExitCode(read.code());
  }
  if (facts.state.phase == RunPhase::kNone && facts.owner == 0) return SayNothingRan(args, facts, state_dir, io);
  if (plan != nullptr) {
    ReadModels(*plan, state_dir, &facts);
    OutsideFacts outside = AskOutside(*plan, io.registry, facts.identity, TopicsCommand(args.file, args.allow_paths));
    for (auto& [source, lag] : outside.lag) facts.outside.lag[source] = std::move(lag);
    facts.outside.missing = std::move(outside.missing);
  }
  if (plan != nullptr && !args.reveal && facts.state.failure) {
    facts.state.failure = Masked(*plan, *std::move(facts.state.failure));
  }
  AskProcess(state_dir, &facts);
  const NextCommands next = NextOf(args);
  io.out << (args.format == "json" ? StatusJson(facts, next) + "\n" : StatusText(facts, next));
  return kExitOk;
}

}  // namespace anabranch

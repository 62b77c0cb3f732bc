#include <link.h>
#include <sqlite3.h>

#include <filesystem>
#include <ostream>

#include "connectors/kafka/kafka_client.h"
#include "engine/printable.h"
#include "engine/run/ledger.h"
#include "engine/run/run_state.h"
#include "nodes/infer/onnx.h"
#include "topologies/commands/broker_probe.h"
#include "topologies/commands/command.h"
#include "topologies/commands/command_line.h"
#include "topologies/commands/failure_view.h"
#include "topologies/commands/outside_view.h"
#include "topologies/commands/run_session.h"

namespace anabranch {
namespace {

constexpr int kProbeMs = 5000;

// Where a shared library of this process was loaded from, links resolved; "" when it is not loaded.
std::string LoadedPath(std::string_view name) {
  struct Search {
    std::string_view name;
    std::string path;
  } search{name, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* wanted = static_cast<Search*>(data);
        std::filesystem::path path = info->dlpi_name;
        if (!path.filename().string().starts_with(wanted->name)) return 0;
        std::error_code error;
        std::filesystem::path real = std::filesystem::canonical(path, error);
        wanted->path = (error ? path : real).string();
        return 1;
      },
      &search);
  return search.path;
}

void PrintLibrary(const char* name, const std::string& version, const char* file, std::ostream& out) {
  std::string path = LoadedPath(file);
  if (path.empty() && version.empty()) return;
  out << name << ": " << (version.empty() ? "" : version + "  ") << (path.empty() ? "(linked in)" : path) << "\n";
}

bool PrintLibraries(std::ostream& out) {
  out << "anabranch: " << ProgramVersion() << "\n";
  PrintLibrary("librdkafka", KafkaLibraryVersion(), "librdkafka.so", out);
  Status kafka = CheckLibraryVersion();
  if (!kafka.ok()) out << "librdkafka: " << PrintableLines(kafka.message()) << "\n";
  Result<OnnxLibrary> onnx = LoadOnnxLibrary();
  if (onnx.ok()) {
    out << "ONNX Runtime: " << onnx->version << "  " << onnx->path << "\n";
  } else {
    out << "ONNX Runtime: missing: " << PrintableLines(onnx.status().message()) << "\n";
  }
  PrintLibrary("SQLite", sqlite3_libversion(), "libsqlite3.so", out);
  PrintLibrary("simdjson", "", "libsimdjson.so", out);
  PrintLibrary("RE2", "", "libre2.so", out);
  PrintLibrary("spdlog", "", "libspdlog.so", out);
  PrintLibrary("xxHash", "", "libxxhash.so", out);
  return onnx.ok() && kafka.ok();
}

bool PrintBrokers(const std::string& name, const ClientOptions& options, std::ostream& out) {
  out.flush();
  Result<std::string> answer = ProbeBrokers(options, kProbeMs);
  out << name << ": " << (answer.ok() ? *answer : "no answer: " + PrintableLines(answer.status().message())) << "\n";
  return answer.ok();
}

ClientOptions BrokersOnly(const std::string& brokers) {
  ClientOptions options;
  options.properties.push_back({"bootstrap.servers", brokers, PropertyScope::kConnection});
  return options;
}

bool PrintConnections(const ConfigValue& root, std::ostream& out) {
  bool ok = true;
  const ConfigValue* connections = root.Find("connections");
  if (connections == nullptr) return ok;
  for (const ConfigValue& connection : connections->children) {
    const ConfigValue* kafka = connection.Find("kafka");
    if (kafka == nullptr) continue;
    ClientOptions options;
    options.connection = connection.name;
    AddProperties(kafka, &options);
    ok &= PrintBrokers("connection " + connection.name, options, out);
  }
  return ok;
}

// Missing topics, and how far each source is behind.
bool PrintOutside(const CheckedTopology& checked, const DoctorArgs& args, CommandIo& io) {
  StateArgs state;
  state.file = args.file;
  const Plan& plan = *checked.plan;
  std::string identity = plan.name;
  if (const auto ledger = Ledger::OpenReadOnly(StateDirOf(state, plan.file, plan.name)); ledger.ok()) {
    if (const auto stored = RunState::IdentityIn(**ledger, plan); stored.ok()) identity = *stored;
  }
  const OutsideFacts facts = AskOutside(plan, io.registry, identity);
  for (const auto& [source, lag] : facts.lag) {
    io.out << "source " << source << ": "
           << (lag.problem.empty() ? Count(LagRecords(lag), "record") + " behind\n" : "\n") << LagText(lag);
  }
  if (!facts.missing.empty()) io.out << "missing: " << facts.missing << "\n";
  return facts.missing.empty();
}

}  // namespace

int CommandDoctor(const DoctorArgs& args, CommandIo& io) {
  bool ok = PrintLibraries(io.out);
  if (!args.brokers.empty()) ok &= PrintBrokers("brokers " + args.brokers, BrokersOnly(args.brokers), io.out);
  if (args.file.empty()) return ok ? kExitOk : kExitUnavailable;
  CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  if (args.brokers.empty() && PrintConnections(checked.topology->root, io.out)) {
    ok &= PrintOutside(checked, args, io);
  } else {
    ok &= !args.brokers.empty();
  }
  return ok ? kExitOk : kExitUnavailable;
}

}  // namespace anabranch

#include <link.h>
#include <sqlite3.h>

#include <filesystem>
#include <ostream>

#include "engine/connector.h"
#include "engine/printable.h"
#include "engine/registry.h"
#include "engine/run/ledger.h"
#include "engine/run/run_state.h"
#include "topologies/commands/command.h"
#include "topologies/commands/command_line.h"
#include "topologies/commands/outside_view.h"
#include "topologies/commands/run_session.h"
#include "topologies/language/services.h"
#include "topologies/operate/failure_view.h"

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

// True when it can be used.
bool PrintLibrary(const Library& library, std::ostream& out) {
  const std::string path = LoadedPath(library.file);
  if (!path.empty() || !library.version.empty()) {
    out << library.name << ": " << (library.version.empty() ? "" : library.version + "  ")
        << (path.empty() ? "(linked in)" : path) << "\n";
  }
  if (!library.status.ok()) out << library.name << ": " << PrintableLines(library.status.message()) << "\n";
  return library.status.ok();
}

bool PrintLibraries(const Registry& registry, std::ostream& out) {
  out << "anabranch: " << ProgramVersion() << "\n";
  bool ok = true;
  for (const Connector* connector : registry.connectors()) {
    for (const Library& library : connector->Libraries()) ok &= PrintLibrary(library, out);
  }
  for (const NodeKind* kind : registry.kinds()) {
    for (const Library& library : kind->Libraries()) ok &= PrintLibrary(library, out);
  }
  PrintLibrary({"SQLite", sqlite3_libversion(), "libsqlite3.so", {}}, out);
  PrintLibrary({"simdjson", "", "libsimdjson.so", {}}, out);
  PrintLibrary({"RE2", "", "libre2.so", {}}, out);
  PrintLibrary({"spdlog", "", "libspdlog.so", {}}, out);
  PrintLibrary({"xxHash", "", "libxxhash.so", {}}, out);
  return ok;
}

bool PrintProbe(const std::string& name, const Connector& connector, const Endpoint& endpoint, std::ostream& out) {
  out.flush();
  Result<std::string> found = connector.Probe(endpoint, kProbeMs);
  out << name << ": " << (found.ok() ? *found : "no answer: " + PrintableLines(found.status().message())) << "\n";
  return found.ok();
}

bool PrintAddress(const std::string& address, const Registry& registry, std::ostream& out) {
  bool ok = true;
  for (const Connector* connector : registry.connectors()) {
    if (connector->CanProbe()) ok &= PrintProbe("brokers " + address, *connector, {{}, nullptr, address}, out);
  }
  return ok;
}

bool PrintConnections(const ConfigValue& root, const Registry& registry, std::ostream& out) {
  bool ok = true;
  const ConfigValue* connections = root.Find("connections");
  if (connections == nullptr) return ok;
  for (const ConfigValue& connection : connections->children) {
    const ConfigValue* at = ConnectorMember(connection, registry);
    const Connector* connector = at == nullptr ? nullptr : registry.FindConnector(at->name);
    if (connector == nullptr || !connector->CanProbe()) continue;
    ok &= PrintProbe("connection " + connection.name, *connector, {connection.name, at, {}}, out);
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
  const OutsideFacts facts = AskOutside(plan, io.registry, identity, TopicsCommand(args.file, args.allow_paths));
  for (const auto& [source, lag] : facts.lag) {
    io.out << "source " << source << ": "
           << (lag.problem.empty() ? Count(LagRecords(lag), "record") + " behind\n" : "\n") << LagText(lag);
  }
  if (!facts.missing.empty()) io.out << "missing: " << facts.missing << "\n";
  return facts.missing.empty();
}

}  // namespace

int CommandDoctor(const DoctorArgs& args, CommandIo& io) {
  bool ok = PrintLibraries(io.registry, io.out);
  if (!args.brokers.empty()) ok &= PrintAddress(args.brokers, io.registry, io.out);
  if (args.file.empty()) return ok ? kExitOk : kExitUnavailable;
  CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  if (args.brokers.empty() && PrintConnections(checked.topology->root, io.registry, io.out)) {
    ok &= PrintOutside(checked, args, io);
  } else {
    ok &= !args.brokers.empty();
  }
  return ok ? kExitOk : kExitUnavailable;
}

}  // namespace anabranch

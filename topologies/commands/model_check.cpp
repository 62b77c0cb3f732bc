#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "engine/managed_model.h"
#include "engine/models/package.h"
#include "engine/models/package_signature.h"
#include "engine/printable.h"
#include "nodes/infer/gate.h"
#include "topologies/commands/command.h"
#include "topologies/commands/package_view.h"

namespace anabranch {
namespace {

struct PackageCheck {
  const PackageArgs& args;
  CommandIo& io;
  const ModelPackage& package;
  PackageVerdict verdict;

  void Add(const std::string& code, const std::string& file, const std::string& message) {
    verdict.faults.push_back({code, file, message});
  }

  void Papers() {
    const auto approved = package.manifest.approval.find("approved_by");
    const bool named = approved != package.manifest.approval.end() &&
                       approved->second.find_first_not_of(" \t\r\n") != std::string::npos;
    if (args.approved && !named) {
      Add("approval", "model.json",
          "\"approval.approved_by\" names nobody: let someone approve the package and add it");
    }
    if (args.key.empty()) return;
    const Status status = VerifyPackageSignature(package, args.key);
    if (!status.ok()) Add(status.code() == Code::kInvalid ? "signature" : "unreadable", "model.sig", status.message());
  }

  // The nodes of a topology must be able to score with it.
  void Contract() {
    const CheckedTopology checked = CheckForCommand(args.for_file, args.allow_paths, io);
    if (!checked.ok()) return Add("topology", "", "\"" + args.for_file + "\" has faults; run `anabranch check` on it");
    const Plan& plan = *checked.plan;
    const std::vector<const PlanModel*> models = ModelsOf(plan);
    for (const PlanModel* model : models) CheckNodes(plan, *model);
  }

  // The models of the topology that the package is a version of: those of its name, else those whose registry has it.
  std::vector<const PlanModel*> ModelsOf(const Plan& plan) {
    std::vector<const PlanModel*> named;
    std::vector<const PlanModel*> listed;
    std::string names;
    for (const PlanModel& model : plan.managed) {
      names += (names.empty() ? "" : ", ") + model.name;
      if (model.name == package.manifest.name) named.push_back(&model);
      std::vector<std::string> skipped;
      const auto entries = ListRegistry(model.registry, &skipped);
      if (!entries.ok()) {
        Add("unreadable", "", entries.status().message());
        continue;
      }
      if (std::ranges::count(*entries, package.manifest.name, &RegistryEntry::name) != 0) listed.push_back(&model);
      CheckVersion(*entries);
    }
    if (named.empty() && listed.empty()) {
      Add("contract", "model.json",
          "\"" + args.for_file + "\" has no model \"" + package.manifest.name + "\" with a registry" +
              (names.empty() ? "" : "; it has " + names));
    }
    return named.empty() ? listed : named;
  }

  void CheckNodes(const Plan& plan, const PlanModel& model) {
    for (const PlanNode& node : plan.nodes) {
      ManagedModel* managed = node.program ? node.program->managed() : nullptr;
      if (managed == nullptr || managed->model() != model.name) continue;
      const PackageManifest& own = package.manifest;
      AddLines(node.id, managed->Prepare({model.name, own.version, own.digest, package.folder}));
    }
  }

  void AddLines(const std::string& node, const Status& status) {
    const std::string& text = status.message();
    for (size_t begin = 0; !status.ok() && begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      Add(status.code() == Code::kInvalid ? "contract" : "model", "model.onnx",
          "node \"" + node + "\": " + text.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  void CheckVersion(const std::vector<RegistryEntry>& entries) {
    for (const RegistryEntry& entry : entries) {
      const PackageManifest& own = package.manifest;
      if (entry.name != own.name || entry.version != own.version || entry.digest == own.digest) continue;
      Add("version_taken", "model.json",
          own.name + "@" + own.version + " is in the registry already with another digest (" + Printable(entry.place) +
              "): give this package another version");
    }
  }
};

PackageVerdict CheckHere(const PackageArgs& args, CommandIo& io, const ModelPackage& package) {
  PackageCheck check{args, io, package, {}};
  check.Papers();
  std::vector<PackageFault> faults = RunGates(package, &check.verdict.measured);
  check.verdict.faults.insert(check.verdict.faults.end(), faults.begin(), faults.end());
  if (!args.for_file.empty() && faults.empty()) check.Contract();
  return std::move(check.verdict);
}

PackageVerdict CheckBeside(const PackageArgs& args) {
  std::vector<std::string> words;
  if (!args.for_file.empty()) words.insert(words.end(), {"--for", args.for_file});
  for (const std::string& path : args.allow_paths) words.insert(words.end(), {"--allow-path", path});
  if (!args.key.empty()) words.insert(words.end(), {"--key", args.key});
  if (args.approved) words.emplace_back("--approved");
  return CheckInChild(args.place, words, args.timeout_s * 1000);
}

void PrintCheck(const PackageArgs& args, const ModelPackage* package, const PackageVerdict& verdict, CommandIo& io) {
  if (args.format == "json") {
    io.out << PackageVerdictJson(args.place, package, verdict.faults, verdict.measured);
    return;
  }
  for (const auto& [gate, text] : verdict.measured) io.out << gate << ": " << Printable(text) << "\n";
  if (verdict.faults.empty()) {
    io.out << "ok: " << Printable(package->manifest.name) << "@" << Printable(package->manifest.version) << ", digest "
           << package->manifest.digest << "\n";
    return;
  }
  io.out.flush();
  PrintPackageFaults(args.place, verdict.faults, io.err);
}

}  // namespace

int CommandModelCheck(const PackageArgs& args, CommandIo& io) {
  if (args.in_process) {
    // At the lowest priority, and not longer than the process that asked.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(static_cast<unsigned>(args.timeout_s) + 2);  // that process may be gone already
    setpriority(PRIO_PROCESS, 0, 19);
  }
  const OpenedPackage opened(args.place);
  PackageVerdict verdict{opened.faults, {}};
  if (opened.package != nullptr) {
    verdict = args.in_process ? CheckHere(args, io, *opened.package) : CheckBeside(args);
  }
  PrintCheck(args, opened.package.get(), verdict, io);
  const bool topology = std::ranges::any_of(verdict.faults, [](const auto& fault) { return fault.code == "topology"; });
  return topology ? kExitFaulty : PackageExit(verdict.faults);
}

}  // namespace anabranch

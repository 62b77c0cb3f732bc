#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <ostream>

#include "topologies/commands/command.h"
#include "topologies/commands/test_view.h"
#include "topologies/language/render.h"
#include "topologies/language/secrets.h"
#include "topologies/operate/failure_view.h"
#include "topologies/trial/test_file.h"

namespace anabranch {
namespace {

constexpr std::streamsize kMaxExcerptBytes = 16 << 20;

using CheckedFiles = std::vector<std::unique_ptr<TestFile>>;

void PrintJson(const CheckedFiles& files, std::ostream& out) {
  const bool ok = std::ranges::all_of(files, [](const auto& file) { return file->ok(); });
  out << "{\"ok\": " << (ok ? "true" : "false") << ", \"faults\": [";
  const char* separator = "\n  ";
  for (const auto& file : files) {
    for (const Fault& fault : AllFaults(*file)) {
      out << separator << FaultJson(fault);
      separator = ",\n  ";
    }
  }
  out << (*separator == ',' ? "\n]}\n" : "]}\n");
}

void PrintText(const CheckedFiles& files, CommandIo& io) {
  for (const auto& file : files) {
    RenderTestFile(*file, io.out_colour, io.out);
    if (!file->ok()) continue;
    const Plan& plan = *file->topology().plan;
    const int64_t models = plan.models.empty() ? 0 : 1 + std::count(plan.models.begin(), plan.models.end(), ',');
    io.out << "ok: " << (file->stands_alone() ? file->file() + ", tests of " : "") << plan.name << " ("
           << Count(std::ssize(plan.nodes), "node") << ", " << Count(models, "model");
    if (!file->tests().empty()) io.out << ", " << Count(std::ssize(file->tests()), "test");
    io.out << ", " << (plan.delivery == Delivery::kExactlyOnce ? "exactly_once" : "at_least_once") << ")\n";
  }
}

std::string ReadForExcerpt(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(0, std::ios::end);
  std::streamsize size = stream.tellg();
  if (!stream || size < 0 || size > kMaxExcerptBytes) return {};
  stream.seekg(0);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace

std::string CountFaults(const std::vector<Fault>& faults) {
  const int64_t warnings = std::ranges::count_if(faults, &Fault::warning);
  return Count(std::ssize(faults) - warnings, "error") + ", " + Count(warnings, "warning");
}

void RenderFaults(const std::vector<Fault>& faults, const Topology* tree, const std::string& file, bool colour,
                  std::ostream& out) {
  if (faults.empty()) return;
  std::string text = tree != nullptr ? tree->text : ReadForExcerpt(file);
  const std::vector<Place> secrets = SecretPlaces(tree, text);
  for (const Fault& fault : faults) out << RenderText(fault, text, colour, secrets);
}

CheckedTopology CheckForCommand(const std::string& file, const std::vector<std::string>& allow_paths, CommandIo& io,
                                const std::vector<TopologyEdit>& edits) {
  CheckOptions options;
  options.allow_paths = allow_paths;
  options.edits = edits;
  CheckedTopology checked = CheckTopology(file, io.registry, options);
  RenderFaults(checked.faults, checked.topology.get(), file, io.err_colour, io.err);
  if (!checked.ok()) io.err << CountFaults(checked.faults) << "\n";
  return checked;
}

int CommandCheck(const CheckArgs& args, CommandIo& io) {
  auto start = std::chrono::steady_clock::now();
  CheckOptions options;
  options.allow_paths = args.allow_paths;
  CheckedFiles files;
  std::vector<Fault> all;
  bool ok = true;
  for (const std::string& name : args.files) {
    files.push_back(std::make_unique<TestFile>(name, io.registry, options));
    ok = ok && files.back()->ok();
    for (Fault& fault : AllFaults(*files.back())) all.push_back(std::move(fault));
  }
  if (args.format == "json") {
    PrintJson(files, io.out);
  } else if (args.format == "github") {
    for (const auto& file : files) io.out << FaultsGithub(*file);
  } else {
    PrintText(files, io);
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
    io.out.flush();
    io.err << CountFaults(all) << " in " << ms << " ms\n";
  }
  return ok ? kExitOk : kExitFaulty;
}

}  // namespace anabranch

#include "tests/topologies/cases/case_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/conformance/program_registry.h"

namespace anabranch {
namespace {

std::string FaultLine(const Fault& fault) {
  std::string line =
      FaultName(fault.code) + " " + std::to_string(fault.place.line) + ":" + std::to_string(fault.place.column);
  return fault.pointer.empty() ? line : line + " " + fault.pointer;
}

}  // namespace

std::string CasesRoot() { return ANABRANCH_ROOT "/tests/cases"; }

std::vector<std::string> CaseNames(const std::string& group) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(CasesRoot()) / group)) {
    if (std::filesystem::exists(entry.path() / "topology.json")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadText(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

const Registry& WholeRegistry() {
  static const Registry* registry = MakeProgramRegistry();
  return *registry;
}

CheckOptions CaseOptions() {
  CheckOptions options;
  options.allow_paths = {ANABRANCH_ROOT "/tests/models"};
  options.env = [](const std::string& name) -> std::optional<std::string> {
    static const std::map<std::string, std::string> known = {
        {"BROKERS", "broker:9092"}, {"ROWS", "64"}, {"SECRET", "hunter2"}, {"EMPTY", ""}};
    auto found = known.find(name);
    if (found == known.end()) return std::nullopt;
    return found->second;
  };
  return options;
}

std::vector<std::string> FaultLines(const std::vector<Fault>& faults) {
  std::vector<std::string> lines;
  for (const Fault& fault : faults) lines.push_back(FaultLine(fault));
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string Describe(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults) {
    text += FaultLine(fault) + "   " + fault.message + (fault.hint.empty() ? "" : " [" + fault.hint + "]") + "\n";
  }
  return text.empty() ? "no faults\n" : text;
}

}  // namespace anabranch

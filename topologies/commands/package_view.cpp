#include "topologies/commands/package_view.h"

#include <algorithm>
#include <filesystem>

#include "engine/printable.h"
#include "engine/text/json_object.h"
#include "topologies/commands/command.h"

namespace anabranch {

namespace fs = std::filesystem;

OpenedPackage::OpenedPackage(const std::string& place) {
  std::error_code ignored;
  if (fs::is_regular_file(place, ignored)) scratch_.emplace();
  package = ReadPackage(place, scratch_ ? scratch_->path() : "", &faults);
}

bool LooksLikePackage(const std::string& place) {
  std::error_code ignored;
  if (fs::is_directory(place, ignored)) return true;
  return fs::path(place).extension() == ".tar" && fs::is_regular_file(place, ignored);
}

void PrintPackageFaults(const std::string& place, const std::vector<PackageFault>& faults, std::ostream& out) {
  for (const PackageFault& fault : faults) {
    out << Printable(place) << (fault.file.empty() ? "" : "/") << Printable(fault.file) << ": " << fault.code << ": "
        << Printable(fault.message) << "\n";
  }
}

std::string PackageVerdictJson(const std::string& place, const ModelPackage* package,
                               const std::vector<PackageFault>& faults,
                               const std::map<std::string, std::string>& measured) {
  JsonObject json;
  json.AddText("package", place);
  if (package != nullptr) {
    json.AddText("name", package->manifest.name);
    json.AddText("version", package->manifest.version);
    json.AddText("digest", package->manifest.digest);
  }
  std::vector<std::string> list;
  for (const PackageFault& fault : faults) {
    list.push_back(
        JsonObject().AddText("code", fault.code).AddText("file", fault.file).AddText("message", fault.message).text());
  }
  JsonObject figures;
  for (const auto& [gate, text] : measured) figures.AddText(gate, text);
  json.AddFlag("ok", faults.empty()).AddJson("faults", JsonList(list)).AddJson("measured", figures.text());
  return json.text() + "\n";
}

int PackageExit(const std::vector<PackageFault>& faults) {
  if (faults.empty()) return kExitOk;
  return std::ranges::all_of(faults, [](const PackageFault& fault) { return fault.code == "unreadable"; })
             ? kExitUnavailable
             : 1;
}

}  // namespace anabranch

#include <filesystem>
#include <ostream>

#include "engine/models/package.h"
#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/package_view.h"

namespace anabranch {

int CommandModelPack(const PackageArgs& args, CommandIo& io) {
  std::error_code ignored;
  std::vector<PackageFault> faults;
  if (!std::filesystem::is_directory(args.place, ignored)) {
    faults.push_back({"unreadable", "", "\"" + Printable(args.place) + "\" is not a folder"});
  } else if (const Status status = PackFolder(args.place); !status.ok()) {
    faults.push_back({status.code() == Code::kInvalid ? "manifest" : "unreadable", "model.json", status.message()});
  }
  const OpenedPackage opened(args.place);
  if (faults.empty()) faults = opened.faults;
  if (args.format == "json") {
    io.out << PackageVerdictJson(args.place, opened.package.get(), faults, {});
  } else if (faults.empty()) {
    const PackageManifest& manifest = opened.package->manifest;
    io.out << "packed " << Printable(manifest.name) << "@" << Printable(manifest.version) << ": "
           << manifest.files.size() << (manifest.files.size() == 1 ? " file" : " files") << ", digest "
           << manifest.digest << "\n";
  } else {
    PrintPackageFaults(args.place, faults, io.err);
  }
  return PackageExit(faults);
}

}  // namespace anabranch

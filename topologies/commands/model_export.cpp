#include <ostream>

#include "engine/models/package.h"
#include "engine/models/package_files.h"
#include "engine/printable.h"
#include "engine/text/json_literals.h"
#include "topologies/commands/command.h"
#include "topologies/commands/package_view.h"

namespace anabranch {
namespace {

// A YAML text in double quotes: JSON's form is one.
std::string Yaml(const std::string& text) {
  std::string quoted;
  AppendJsonString(&quoted, text);
  return quoted;
}

std::string Kitfile(const ModelPackage& package) {
  const PackageManifest& manifest = package.manifest;
  std::string text = "manifestVersion: \"1.0.0\"\npackage:\n  name: " + Yaml(manifest.name) +
                     "\n  version: " + Yaml(manifest.version) +
                     "\n  description: " + Yaml("digest sha256:" + manifest.digest) + "\n";
  if (const auto built = manifest.approval.find("built_by"); built != manifest.approval.end()) {
    text += "  authors: [" + Yaml(built->second) + "]\n";
  }
  text += "model:\n  name: " + Yaml(manifest.name) +
          "\n  path: ./model.onnx\n  framework: ONNX\n  version: " + Yaml(manifest.version) + "\n  parts:\n";
  std::string tests;
  std::string docs;
  for (const PackageFile& file : manifest.files) {
    if (file.path == "model.onnx") continue;
    const std::string entry = "path: " + Yaml("./" + file.path) + "\n";
    if (file.path.starts_with("tests/")) {
      tests += "  - name: " + Yaml(file.path.substr(6)) + "\n    " + entry;
    } else if (file.path.ends_with(".md")) {
      docs += "  - " + entry;
    } else {
      text += "    - " + entry;
    }
  }
  text += "    - path: \"./" + std::string(kManifestFile) + "\"\n";
  if (!tests.empty()) text += "datasets:\n" + tests;
  if (!docs.empty()) text += "docs:\n" + docs;
  return text;
}

}  // namespace

int CommandModelExport(const PackageArgs& args, CommandIo& io) {
  if (args.tar.empty() == args.kitfile.empty()) {
    io.err << "anabranch model export: name one file to write: --tar FILE or --kitfile FILE\n";
    return kExitUsage;
  }
  const OpenedPackage opened(args.place);
  std::vector<PackageFault> faults = opened.faults;
  const std::string& out = args.tar.empty() ? args.kitfile : args.tar;
  if (opened.package != nullptr) {
    const Status status =
        args.tar.empty() ? WriteDurably(out, Kitfile(*opened.package)) : WritePackageTar(*opened.package, out);
    if (!status.ok()) faults.push_back({status.code() == Code::kInvalid ? "path" : "unreadable", "", status.message()});
  }
  if (args.format == "json") {
    io.out << PackageVerdictJson(args.place, opened.package.get(), faults, {});
  } else if (faults.empty()) {
    io.out << "wrote " << Printable(out) << "\n";
  } else {
    PrintPackageFaults(args.place, faults, io.err);
  }
  return PackageExit(faults);
}

}  // namespace anabranch

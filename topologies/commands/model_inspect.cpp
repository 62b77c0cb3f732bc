#include <algorithm>
#include <cstdint>
#include <ostream>

#include "engine/printable.h"
#include "engine/text/json_literals.h"
#include "engine/text/json_object.h"
#include "nodes/infer/model.h"
#include "topologies/commands/command.h"
#include "topologies/commands/package_view.h"

namespace anabranch {
namespace {

void PrintValues(const char* title, const std::vector<ValueInfo>& values, std::ostream& out) {
  out << title << ":\n";
  for (const ValueInfo& value : values) {
    out << "  " << Printable(value.name) << ": " << Printable(value.ToString());
    for (size_t i = 0; i < value.classes.size(); ++i)
      out << (i == 0 ? "  classes " : ", ") << Printable(value.classes[i]);
    out << "\n";
  }
}

// If a file sets no version, the runtime reports the largest number.
std::string VersionText(const ModelSignature& signature, const char* unset) {
  return signature.version == INT64_MAX ? unset : std::to_string(signature.version);
}

void PrintText(const ModelFile& model, std::ostream& out) {
  const ModelSignature& signature = model.signature;
  out << Printable(model.path) << "\n"
      << "bytes: " << model.file_bytes << "\n";
  for (const ModelFile::Data& data : model.data) {
    out << "data: " << Printable(data.location) << ", " << data.bytes << " bytes\n";
  }
  out << "sha256: " << model.sha256 << "\nproducer: " << Printable(signature.producer)
      << "\ngraph: " << Printable(signature.graph) << "\nversion: " << VersionText(signature, "not set") << "\n";
  if (!model.random.empty()) out << "random: " << Printable(model.random) << "\n";
  if (!signature.description.empty()) out << "description: " << Printable(signature.description) << "\n";
  PrintValues("inputs", signature.inputs, out);
  PrintValues("outputs", signature.outputs, out);
  if (!signature.metadata.empty()) out << "metadata:\n";
  for (const auto& [name, text] : signature.metadata) out << "  " << Printable(name) << ": " << Printable(text) << "\n";
}

std::string Quoted(const std::string& text) {
  std::string json;
  AppendJsonString(&json, text);
  return json;
}

std::string ValuesJson(const std::vector<ValueInfo>& values) {
  std::string json;
  for (const ValueInfo& value : values) {
    json += std::string(json.empty() ? "" : ", ") + "{\"name\": " + Quoted(value.name) +
            ", \"type\": " + Quoted(value.ToString());
    for (size_t i = 0; i < value.classes.size(); ++i) {
      json += (i == 0 ? ", \"classes\": [" : ", ") + Quoted(value.classes[i]);
    }
    json += value.classes.empty() ? "}" : "]}";
  }
  return "[" + json + "]";
}

void PrintJson(const ModelFile& model, std::ostream& out) {
  const ModelSignature& signature = model.signature;
  std::string metadata;
  for (const auto& [name, text] : signature.metadata) {
    metadata += (metadata.empty() ? "" : ", ") + Quoted(name) + ": " + Quoted(text);
  }
  std::string data;
  for (const ModelFile::Data& file : model.data) {
    data += (data.empty() ? "" : ", ") + ("{\"location\": " + Quoted(file.location)) +
            ", \"bytes\": " + std::to_string(file.bytes) + "}";
  }
  out << "{\"path\": " << Quoted(model.path) << ", \"bytes\": " << model.file_bytes << ", \"data\": [" << data << "]"
      << ", \"sha256\": " << Quoted(model.sha256) << ", \"producer\": " << Quoted(signature.producer)
      << ", \"graph\": " << Quoted(signature.graph) << ", \"description\": " << Quoted(signature.description)
      << ", \"version\": " << VersionText(signature, "null")
      << ", \"random\": " << (model.random.empty() ? "false" : "true")
      << ",\n \"inputs\": " << ValuesJson(signature.inputs) << ",\n \"outputs\": " << ValuesJson(signature.outputs)
      << ",\n \"metadata\": {" << metadata << "}}\n";
}

std::string TypesJson(const PackageManifest& manifest) {
  JsonObject json;
  for (const PackageManifest::Input& input : manifest.inputs) json.AddText(input.name, input.type);
  return json.text();
}

std::string FilesJson(const PackageManifest& manifest) {
  std::vector<std::string> files;
  for (const PackageFile& file : manifest.files) {
    files.push_back(
        JsonObject().AddText("path", file.path).AddNumber("bytes", file.bytes).AddText("sha256", file.sha256).text());
  }
  return JsonList(files);
}

std::string TextsJson(const std::map<std::string, std::string>& texts) {
  JsonObject json;
  for (const auto& [name, text] : texts) json.AddText(name, text);
  return json.text();
}

void PrintPackageJson(const ModelPackage& package, std::ostream& out) {
  const PackageManifest& manifest = package.manifest;
  JsonObject json;
  json.AddText("package", package.place).AddText("name", manifest.name).AddText("version", manifest.version);
  json.AddText("digest", manifest.digest).AddJson("files", FilesJson(manifest)).AddJson("produced", manifest.produced);
  json.AddJson("data", manifest.data).AddJson("inputs", TypesJson(manifest));
  json.AddJson("features", JsonStrings(package.features.order)).AddText("decision", manifest.decision);
  json.AddJson("approval", TextsJson(manifest.approval));
  out << json.text() << "\n";
}

void PrintPackageText(const ModelPackage& package, std::ostream& out) {
  const PackageManifest& manifest = package.manifest;
  out << Printable(manifest.name) << "@" << Printable(manifest.version) << "\ndigest: " << manifest.digest
      << "\nfiles:\n";
  for (const PackageFile& file : manifest.files) {
    out << "  " << Printable(file.path) << ": " << file.bytes << " bytes\n";
  }
  if (!manifest.inputs.empty()) out << "reads:\n";
  for (const PackageManifest::Input& input : manifest.inputs) {
    out << "  " << Printable(input.name) << ": " << Printable(input.type) << "\n";
  }
  if (!package.features.order.empty()) out << "features:\n";
  for (const std::string& name : package.features.order) {
    const auto set = std::ranges::find(package.features.set, name, &std::pair<std::string, std::string>::first);
    out << "  " << Printable(name);
    if (set != package.features.set.end()) out << " = " << Printable(set->second);
    out << "\n";
  }
  if (!manifest.decision.empty()) out << "decision: " << Printable(manifest.decision) << "\n";
  for (const auto& [name, text] : manifest.approval) out << Printable(name) << ": " << Printable(text) << "\n";
}

int InspectPackage(const ModelArgs& args, CommandIo& io) {
  const OpenedPackage opened(args.file);
  if (opened.package == nullptr) {
    PrintPackageFaults(args.file, opened.faults, io.err);
    return PackageExit(opened.faults);
  }
  if (args.format == "json") {
    PrintPackageJson(*opened.package, io.out);
  } else {
    PrintPackageText(*opened.package, io.out);
  }
  return kExitOk;
}

}  // namespace

int CommandModelInspect(const ModelArgs& args, CommandIo& io) {
  if (LooksLikePackage(args.file)) return InspectPackage(args, io);
  Result<std::shared_ptr<const ModelFile>> model = ReadModelFile(args.file);
  if (!model.ok()) {
    io.err << "anabranch model inspect: " << Printable(model.status().message()) << "\n";
    return ExitCode(model.status().code());
  }
  if (args.format == "json") {
    PrintJson(**model, io.out);
  } else {
    PrintText(**model, io.out);
  }
  return kExitOk;
}

}  // namespace anabranch

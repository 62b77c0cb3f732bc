#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "engine/models/package.h"
#include "engine/models/package_files.h"
#include "engine/printable.h"
#include "nodes/infer/model.h"
#include "topologies/commands/command.h"
#include "topologies/commands/package_view.h"
#include "topologies/commands/simple_yaml.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kPrefix = "mlflow:";

Status Refused(const std::string& why) { return {Code::kInvalid, why}; }

// A column of a signature: the type that its records have here.
Result<std::string> ColumnType(const std::string& type) {
  static const std::map<std::string, std::string> kTypes = {
      {"double", "float64"}, {"float", "float32"}, {"integer", "int64"},     {"long", "int64"},
      {"boolean", "bool"},   {"string", "string"}, {"datetime", "timestamp"}};
  const auto found = kTypes.find(type);
  if (found == kTypes.end())
    return Refused("the signature has a column of type " + Printable(type, 80) + ", which is not read");
  return found->second;
}

Result<std::string> TensorType(const Json& spec) {
  const std::string dtype = spec.value("dtype", "");
  const bool integer = dtype.starts_with("int") || dtype.starts_with("uint");
  const std::string element = integer                                    ? "int64"
                              : dtype == "float64" || dtype == "float32" ? dtype
                              : dtype == "bool"                          ? "bool"
                                                                         : "";
  std::string shape;
  for (size_t i = 1; i < spec.at("shape").size(); ++i) {
    const auto dimension = spec.at("shape")[i].get<int64_t>();
    if (dimension < 1)
      return Refused("the signature has a tensor with a free dimension behind the rows; give it a size");
    shape += (shape.empty() ? "" : ",") + std::to_string(dimension);
  }
  if (element.empty())
    return Refused("the signature has a tensor of type " + Printable(dtype, 80) + ", which is not read");
  return shape.empty() ? element : "tensor<" + element + ">[" + shape + "]";
}

// Reads one folder of MLflow's ONNX flavour and writes a package.
class MlflowImport {
 public:
  MlflowImport(std::string folder, const PackageArgs& args) : folder_(std::move(folder)), args_(args) {}

  Status Run() {
    ASSIGN_OR_RETURN(const std::string text, ReadPackageFile(folder_, "MLmodel", int64_t{4} << 20));
    auto yaml = ParseSimpleYaml(text);
    if (!yaml.ok()) return yaml.status().WithContext("MLmodel");
    const YamlValue* data = yaml->Find("flavors", "onnx", "data");
    if (data == nullptr || data->Text().empty()) {
      return Refused("MLmodel has no \"flavors.onnx.data\": save the model with mlflow.onnx.save_model");
    }
    const std::string path = data->Text();
    if (const std::string wrong = WrongPackagePath(path); !wrong.empty()) {
      return Refused("MLmodel: the path \"" + Printable(path) + "\" " + wrong);
    }
    ASSIGN_OR_RETURN(model_, ReadModelFile(folder_ + "/" + path));
    RETURN_IF_ERROR(ReadSignature(*yaml));
    RETURN_IF_ERROR(CopyModel(path));
    Describe(*yaml);
    RETURN_IF_ERROR(WriteDurably(args_.out + "/model.json", manifest_.dump(2) + "\n"));
    return PackFolder(args_.out);
  }

 private:
  // What feeds the model. Without a signature: its own inputs.
  Status ReadSignature(const YamlValue& yaml) {
    const YamlValue* inputs = yaml.Find("signature", "inputs");
    if (inputs == nullptr || inputs->Text().empty()) return ReadInputsOfModel();
    if (IsDeepJson(inputs->Text())) return Refused("MLmodel: \"signature.inputs\" is not as MLflow writes it");
    const Json list = Json::parse(inputs->Text(), nullptr, false);
    if (!list.is_array()) return Refused("MLmodel: \"signature.inputs\" is not a JSON list");
    for (size_t i = 0; i < list.size(); ++i) {
      const Json& column = list[i];
      if (!column.is_object()) return Refused("MLmodel: \"signature.inputs\" has an entry that is not an object");
      const bool tensor = column.contains("tensor-spec");
      const auto type = tensor ? TensorType(column["tensor-spec"])
                               : ColumnType(column.contains("type") && column["type"].is_string()
                                                ? column["type"].get<std::string>()
                                                : column.value("type", Json()).dump());
      if (!type.ok()) return type.status();
      const bool named = column.contains("name") && column["name"].is_string();
      const std::string unnamed = i < model_->signature.inputs.size() ? model_->signature.inputs[i].name : "";
      inputs_[named ? column["name"].get<std::string>() : unnamed] = *type;
    }
    return Status::Ok();
  }

  Status ReadInputsOfModel() {
    for (const ValueInfo& input : model_->signature.inputs) {
      Json spec = {{"dtype", ElementName(input.element)}, {"shape", input.shape}};
      if (input.element == Element::kString && input.shape.size() <= 2) {
        inputs_[input.name] = "string";
        continue;
      }
      ASSIGN_OR_RETURN(inputs_[input.name], TensorType(spec));
    }
    return Status::Ok();
  }

  Status CopyModel(const std::string& path) {
    std::error_code error;
    if (fs::exists(args_.out, error)) return Refused("\"" + args_.out + "\" exists already; choose another folder");
    fs::create_directories(args_.out, error);
    if (error) return {Code::kUnavailable, "the folder \"" + args_.out + "\" cannot be made: " + error.message()};
    const std::string from = (fs::path(folder_) / path).parent_path().string();
    const std::string file = fs::path(path).filename().string();
    for (const ModelFile::Data& data : model_->data) {
      static const std::set<std::string> kTaken = {"model.onnx", kManifestFile, "features.json", kSignatureFile};
      if (!kTaken.contains(data.location)) continue;
      return Refused("the model keeps weights in \"" + data.location +
                     "\", which is the name of another file of a package: save it with its weights under another name");
    }
    RETURN_IF_ERROR(CopyPackageFile(from, args_.out, file));
    if (file != "model.onnx") fs::rename(fs::path(args_.out) / file, fs::path(args_.out) / "model.onnx", error);
    if (error) return {Code::kUnavailable, "\"" + file + "\" cannot be renamed: " + error.message()};
    for (const ModelFile::Data& data : model_->data) RETURN_IF_ERROR(CopyPackageFile(from, args_.out, data.location));
    return Status::Ok();
  }

  void Describe(const YamlValue& yaml) {
    const fs::path out = fs::path(args_.out).has_filename() ? fs::path(args_.out) : fs::path(args_.out).parent_path();
    manifest_["anabranch_package"] = 1;
    manifest_["name"] = args_.name.empty() ? out.filename().string() : args_.name;
    manifest_["version"] = args_.version.empty() ? "1" : args_.version;
    Json produced = {{"library", "mlflow"}};
    for (const char* name : {"mlflow_version", "run_id", "model_uuid", "model_id", "utc_time_created"}) {
      const YamlValue* value = yaml.Find(name);
      if (value != nullptr && !value->Text().empty()) produced[name] = value->Text();
    }
    manifest_["produced"] = std::move(produced);
    manifest_["inputs"] = inputs_;
    manifest_["features"] = Json::array();
    for (const auto& item : inputs_.items()) manifest_["features"].push_back(item.key());
    Json outputs = Json::object();
    for (const ValueInfo& output : model_->signature.outputs) {
      outputs[output.name] = {{"type", output.ToString()}};
      if (!output.classes.empty()) outputs[output.name]["classes"] = output.classes;
    }
    manifest_["outputs"] = std::move(outputs);
  }

  const std::string folder_;
  const PackageArgs& args_;
  std::shared_ptr<const ModelFile> model_;
  Json inputs_ = Json::object();
  Json manifest_;
};

Status Import(const PackageArgs& args) {
  if (!args.place.starts_with(kPrefix)) {
    return Refused("\"" + Printable(args.place) + "\" does not begin with mlflow:, the one origin that is known");
  }
  try {
    return MlflowImport(args.place.substr(std::string_view(kPrefix).size()), args).Run();
  } catch (const std::exception& error) {
    return Refused(std::string("MLmodel is not as MLflow writes it: ") + error.what());
  }
}

}  // namespace

int CommandModelImport(const PackageArgs& args, CommandIo& io) {
  std::error_code ignored;
  const bool there = fs::exists(args.out, ignored);
  const Status status = Import(args);
  std::vector<PackageFault> faults;
  if (!status.ok()) {
    faults.push_back({status.code() == Code::kInvalid ? "import" : "unreadable", "", status.message()});
    if (!there) fs::remove_all(args.out, ignored);
    if (args.format == "json") {
      io.out << PackageVerdictJson(args.place, nullptr, faults, {});
    } else {
      PrintPackageFaults(args.place, faults, io.err);
    }
    return PackageExit(faults);
  }
  const OpenedPackage opened(args.out);
  if (args.format == "json") {
    io.out << PackageVerdictJson(args.out, opened.package.get(), opened.faults, {});
  } else if (opened.package != nullptr) {
    const PackageManifest& manifest = opened.package->manifest;
    io.out << "imported " << Printable(manifest.name) << "@" << Printable(manifest.version) << " to "
           << Printable(args.out) << ": digest " << manifest.digest
           << "\nNext: add tests/always.jsonl and gates, pack it again, and check it.\n";
  } else {
    PrintPackageFaults(args.out, opened.faults, io.err);
  }
  return PackageExit(opened.faults);
}

}  // namespace anabranch

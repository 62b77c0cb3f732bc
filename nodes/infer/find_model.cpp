#include <algorithm>
#include <filesystem>

#include "engine/models/package_signature.h"
#include "engine/models/scratch_folder.h"
#include "engine/printable.h"
#include "nodes/infer/bind.h"

namespace anabranch {
namespace {

int64_t Nanoseconds(const ConfigValue& object, std::string_view milliseconds, int64_t fallback) {
  return static_cast<int64_t>(object.Number(milliseconds, static_cast<double>(fallback) / double{kNsPerMs}) *
                              double{kNsPerMs});
}

Status NotDeterministic(const std::string& path, const std::string& random) {
  return {Code::kInvalid, "\"" + path + "\" draws random numbers (" + Printable(random) +
                              "), so the same record could get another result each time"};
}

// The files were read twice: to verify the package, and to load the model. In between another program may write there.
Status CompareWithVerified(const PackageManifest& manifest, const ModelFile& file) {
  const auto compare = [&](const std::string& location, const std::string& sha256) -> Status {
    const std::string path = std::filesystem::path(location).lexically_normal().string();
    const auto listed = std::ranges::find(manifest.files, path, &PackageFile::path);
    if (listed != manifest.files.end() && listed->sha256 == sha256) return Status::Ok();
    return {Code::kUnavailable, "\"" + Printable(path, 256) + "\" of " + manifest.name + "@" + manifest.version +
                                    " changed while it was read; try again when nobody writes to " + file.path};
  };
  RETURN_IF_ERROR(compare("model.onnx", file.file_sha256));
  for (const ModelFile::Data& data : file.data) RETURN_IF_ERROR(compare(data.location, data.sha256));
  return Status::Ok();
}

constexpr const char* kRandomHint = "export it in evaluation mode, or set \"nondeterministic\": true at the model";

// The model of an entry of the topology's "models".
class Finder {
 public:
  Finder(BindContext& context, const ConfigValue& entry, InferPlan* plan)
      : services_(context.services()), faults_(context.faults()), entry_(entry), plan_(*plan) {}

  bool TakeFile(const ConfigValue& path, ModelCache& models) {
    const Result<std::string> resolved = services_.ResolvePath(path.text);
    if (!resolved.ok()) return Fault(FaultCode::kPath, path, resolved.status().message());
    const auto file = models.Get(*resolved);
    if (!file.ok()) return Fault(FaultCode::kModelLoad, path, file.status().message());
    const ConfigValue* digest = entry_.Find("sha256");
    const std::string& sha256 = (*file)->sha256;
    if (digest != nullptr && digest->is_string() && digest->text != sha256) {
      return Fault(FaultCode::kModelDigest, *digest,
                   "\"" + path.text + "\" has sha256 " + sha256 + ", which is not the one given here",
                   "if the file was replaced on purpose, write this digest here; otherwise restore the right file");
    }
    TakeSettings();
    if (!plan_.nondeterministic && !(*file)->random.empty()) {
      return Fault(FaultCode::kModelRandom, path, NotDeterministic(path.text, (*file)->random).message(), kRandomHint);
    }
    const std::string_view version = entry_.Text("version");
    plan_.label = plan_.model_name + "@" + (version.empty() ? sha256.substr(0, 8) : std::string(version));
    plan_.model = *file;
    return true;
  }

  bool TakeVersion(const ConfigValue& registry, ModelCache& models) {
    const ConfigValue* start = entry_.Find("start");
    if (start == nullptr || !start->is_string()) {
      return Fault(FaultCode::kMissingKey, registry, "model \"" + plan_.model_name + "\" has no \"start\"",
                   "write which version scores first: \"start\": \"1\"");
    }
    const Result<std::string> resolved = services_.ResolvePath(registry.text);
    if (!resolved.ok()) return Fault(FaultCode::kPath, registry, resolved.status().message());
    const Result<RegistryEntry> entry = FindInRegistry(*resolved, plan_.model_name, start->text);
    if (!entry.ok()) {
      const bool unreadable = entry.status().code() == Code::kUnavailable;
      return Fault(FaultCode::kModelLoad, unreadable ? registry : *start, entry.status().message());
    }
    const std::string& place = entry->place;
    const ScratchFolder scratch;  // for the files of a tar: a model is read into memory
    std::vector<PackageFault> found;
    auto package = ReadPackage(place, scratch.path(), &found);
    for (const PackageFault& fault : found) Fault(FaultCode::kModelLoad, *start, Described(place, fault));
    if (package == nullptr || !IsSigned(*start, *package)) return false;
    // What a tar was unpacked to goes away again: nobody will ask for that path.
    const std::string path = ModelPathOf(*package);
    const auto file = package->folder == place ? models.Get(path) : ReadModelFile(path);
    if (!file.ok()) return Fault(FaultCode::kModelLoad, *start, file.status().message());
    TakeSettings();
    const Status taken = TakePackage(std::move(package), *file, &plan_);
    if (taken.code() == Code::kUnavailable) return Fault(FaultCode::kModelLoad, *start, taken.message());
    return taken.ok() || Fault(FaultCode::kModelRandom, *start, taken.message(), kRandomHint);
  }

 private:
  // By the key that the topology names, if it names one.
  bool IsSigned(const ConfigValue& start, const ModelPackage& package) {
    const ConfigValue* verify = entry_.Find("verify");
    const ConfigValue* key = verify == nullptr ? nullptr : verify->Find("key");
    if (key == nullptr || !key->is_string()) return true;
    const Result<std::string> file = services_.ResolvePath(key->text);
    if (!file.ok()) return false;  // a fault of the section itself
    const Status status = VerifyPackageSignature(package, *file);
    return status.ok() || Fault(FaultCode::kModelLoad, start, "package " + package.place + ": " + status.message());
  }

  bool Fault(FaultCode code, const ConfigValue& at, std::string message, std::string hint = {}) {
    faults_.Add(code, at, std::move(message), std::move(hint));
    return false;
  }

  static std::string Described(const std::string& place, const PackageFault& fault) {
    return "package " + place + ": " + (fault.file.empty() ? "" : fault.file + ": ") + fault.message;
  }

  void TakeSettings() {
    plan_.in_place = entry_.Text("swap") == "in_place";
    plan_.nondeterministic = entry_.Flag("nondeterministic", false);
    plan_.call_limit_ns = Nanoseconds(entry_, "call_timeout_ms", plan_.call_limit_ns);
    plan_.warmup_limit_ns = Nanoseconds(entry_, "warmup_timeout_ms", plan_.warmup_limit_ns);
  }

  const BindServices& services_;
  FaultSink& faults_;
  const ConfigValue& entry_;
  InferPlan& plan_;
};

}  // namespace

std::string ModelPathOf(const ModelPackage& package) { return package.folder + "/model.onnx"; }

Status TakePackage(std::shared_ptr<const ModelPackage> package, std::shared_ptr<const ModelFile> file,
                   InferPlan* plan) {
  RETURN_IF_ERROR(CompareWithVerified(package->manifest, *file));
  plan->label = plan->model_name + "@" + package->manifest.version;
  if (!plan->nondeterministic && !file->random.empty()) {
    return NotDeterministic("model.onnx of " + plan->label, file->random);
  }
  plan->package = std::move(package);
  plan->model = std::move(file);
  return Status::Ok();
}

bool FindModel(BindContext& context, ModelCache& models, InferPlan* plan) {
  const ConfigValue* name = context.config().Find("model");
  if (name == nullptr || !name->is_string()) return false;
  plan->model_name = name->text;
  const ConfigValue* entry = context.services().Section("models", name->text);
  if (entry == nullptr) {
    context.faults()
        .Add(FaultCode::kUnknownReference, *name, "model \"" + name->text + "\" is not declared under \"models\"",
             Suggest(name->text, context.services().Names("models")))
        .meant = Nearest(name->text, context.services().Names("models"));
    return false;
  }
  Finder finder(context, *entry, plan);
  const ConfigValue* path = entry->Find("path");
  if (path != nullptr && path->is_string()) return finder.TakeFile(*path, models);
  const ConfigValue* registry = entry->Find("registry");
  // Otherwise it is a fault of the section itself.
  return registry != nullptr && registry->is_string() && finder.TakeVersion(*registry, models);
}

}  // namespace anabranch

#include "engine/models/package_manifest.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/fault.h"
#include "engine/models/package_files.h"
#include "engine/models/package_type.h"
#include "engine/models/sha256.h"
#include "engine/printable.h"
#include "engine/strategy/count_json.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kPackageForm = 1;
constexpr size_t kMostNameBytes = 128;
constexpr size_t kMostEdges = 1000;
constexpr size_t kMostTextFaults = 100;  // of one file: a few show what is wrong with it

bool IsAside(const std::string& member) { return member.starts_with("x-"); }

std::string Shown(const Json& value) {
  return Printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), 80);
}

// Members that occur twice make the text ambiguous: readers differ in which one they take.
Result<Json> ParseOnce(std::string_view text) {
  if (IsDeepJson(text)) return Status(Code::kInvalid, "objects and lists stand in one another more than 64 deep");
  std::vector<std::set<std::string>> open;
  std::string twice;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return true;
  };
  try {
    Json json = Json::parse(text, watch);
    if (!twice.empty()) return Status(Code::kInvalid, "the member \"" + Printable(twice) + "\" occurs twice");
    if (!json.is_object()) return Status(Code::kInvalid, "it is not a JSON object");
    return json;
  } catch (const Json::exception& e) {
    return Status(Code::kInvalid, Printable(e.what(), 300));
  }
}

// Reads the members of one object and reports those that are unknown, missing or of another kind.
class Members {
 public:
  Members(const Json& object, std::string place, std::string file, std::string code, std::vector<PackageFault>* faults)
      : object_(object), place_(std::move(place)), file_(std::move(file)), code_(std::move(code)), faults_(faults) {}

  ~Members() {
    if (!object_.is_object()) return;
    for (const auto& item : object_.items()) {
      if (faults_->size() >= kMostTextFaults) return;
      if (IsAside(item.key()) || std::ranges::count(asked_, item.key()) != 0) continue;
      Fault(item.key(), "is not known; " + Suggest(item.key(), asked_));
    }
  }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  bool Has(const char* name) {
    Ask(name);
    return object_.is_object() && object_.contains(name);
  }
  // The member, when it is there and `is` holds; else null, with a fault.
  const Json* Get(const char* name, bool required, const char* wanted, bool (*is)(const Json&)) {
    if (!Has(name)) {
      if (required) Fault(name, std::string("is missing; add it: ") + wanted);
      return nullptr;
    }
    const Json& value = object_.at(name);
    if (is(value)) return &value;
    Fault(name, "is " + Shown(value) + ", not " + wanted);
    return nullptr;
  }
  std::string Text(const char* name, bool required, const char* wanted = "a text that is not empty") {
    const Json* value = Get(name, required, wanted, [](const Json& v) { return v.is_string() && v != ""; });
    return value == nullptr ? std::string() : value->get<std::string>();
  }
  std::optional<double> Number(const char* name, bool required, const char* wanted = "a number") {
    const Json* value = Get(name, required, wanted, [](const Json& v) { return v.is_number(); });
    return value == nullptr ? std::nullopt : std::optional<double>(value->get<double>());
  }
  std::vector<std::string> Texts(const char* name) {
    std::vector<std::string> texts;
    const Json* value = Get(name, false, "a list of texts", [](const Json& v) {
      return v.is_array() && std::ranges::all_of(v, [](const Json& item) { return item.is_string() && item != ""; });
    });
    if (value == nullptr) return texts;
    std::map<std::string, int> times;
    for (const Json& item : *value) {
      texts.push_back(item.get<std::string>());
      if (++times[texts.back()] == 2) Fault(name, "names \"" + Printable(texts.back(), 200) + "\" twice");
    }
    return texts;
  }
  const Json* Object(const char* name, bool required = false) {
    return Get(name, required, "an object", [](const Json& v) { return v.is_object(); });
  }
  void Fault(const std::string& name, const std::string& what) {
    if (faults_->size() < kMostTextFaults)
      faults_->push_back({code_, file_, "\"" + place_ + Printable(name, 200) + "\" " + what});
  }

 private:
  void Ask(const char* name) {
    if (std::ranges::count(asked_, name) == 0) asked_.emplace_back(name);
  }
  const Json& object_;
  const std::string place_, file_, code_;
  std::vector<PackageFault>* faults_;
  std::vector<std::string> asked_;
};

class ManifestReader {
 public:
  explicit ManifestReader(std::vector<PackageFault>* faults) : faults_(faults) {}

  PackageManifest Read(const Json& json) {
    Members members(json, "", kManifestFile, "manifest", faults_);
    const auto form = members.Number("anabranch_package", true, "1");
    if (form && *form != kPackageForm) {
      members.Fault("anabranch_package", "is " + Shown(json["anabranch_package"]) + "; this program reads 1");
    }
    ReadName(members);
    ReadFiles(members);
    for (const auto& [name, text] : {std::pair{"produced", &out_.produced}, std::pair{"data", &out_.data}}) {
      const Json* object = members.Object(name);
      *text = object == nullptr ? "{}" : object->dump();
    }
    if (const Json* inputs = members.Object("inputs")) ReadInputs(*inputs);
    out_.features = members.Texts("features");
    if (const Json* outputs = members.Object("outputs")) ReadOutputs(*outputs);
    out_.decision = members.Text("decision", false);
    if (const Json* gate = members.Object("gate")) ReadGate(*gate);
    if (const Json* approval = members.Object("approval")) ReadApproval(*approval);
    if (const Json* limits = members.Object("limits")) ReadLimits(*limits);
    return std::move(out_);
  }

 private:
  void ReadName(Members& members) {
    out_.name = members.Text("name", true);
    out_.version = members.Text("version", true, "a text, as \"7\"");
    for (const auto& [member, text] : {std::pair{"name", out_.name}, std::pair{"version", out_.version}}) {
      const bool wrong =
          text.size() > kMostNameBytes || text != Printable(text) || text.find_first_of("@,/ ") != std::string::npos;
      if (wrong) members.Fault(member, "is " + Shown(text) + "; it may have no '@', ',', '/' or blank, and 128 bytes");
    }
  }

  void ReadFiles(Members& members) {
    out_.digest = members.Text("digest", true, "64 hexadecimal digits; run `anabranch model pack`");
    const Json* list = members.Get("files", true, "a list of files; run `anabranch model pack`",
                                   [](const Json& v) { return v.is_array(); });
    if (list == nullptr) return;
    if (list->size() > kMostPackageFiles) {
      return members.Fault("files", "lists " + std::to_string(list->size()) + " files; the most are " +
                                        std::to_string(kMostPackageFiles));
    }
    std::set<std::string> listed;
    for (const Json& item : *list) {
      Members file(item, "files.", kManifestFile, "manifest", faults_);
      PackageFile read{file.Text("path", true), 0, file.Text("sha256", true)};
      const Json* bytes = file.Get("bytes", true, "a number of bytes",
                                   [](const Json& v) { return v.is_number_integer() && v.get<int64_t>() >= 0; });
      if (bytes != nullptr) read.bytes = bytes->get<int64_t>();
      const std::string wrong = read.path.empty() ? "" : WrongPackagePath(read.path);
      if (!wrong.empty()) {
        Add("path", "the path \"" + Printable(read.path, 200) + "\" " + wrong + "; run `anabranch model pack`");
      }
      if (read.path.empty() || !wrong.empty()) continue;
      if (!listed.insert(read.path).second) {
        file.Fault("path", "is \"" + Printable(read.path) + "\" twice");
        continue;
      }
      out_.files.push_back(std::move(read));
    }
    std::ranges::sort(out_.files, {}, &PackageFile::path);
  }

  void ReadInputs(const Json& inputs) {
    for (const auto& item : inputs.items()) {
      if (item.value().is_string() && ParseTypeText(item.value().get<std::string>())) {
        out_.inputs.push_back({item.key(), item.value().get<std::string>()});
      } else {
        Fault("inputs." + item.key(), item.value(), "a type, as \"float64\" or \"tensor<float32>[8,8]\"");
      }
    }
  }

  void ReadOutputs(const Json& outputs) {
    for (const auto& item : outputs.items()) {
      if (!item.value().is_object()) {
        Fault("outputs." + item.key(), item.value(), "an object");
        continue;
      }
      Members members(item.value(), "outputs." + Printable(item.key()) + ".", kManifestFile, "manifest", faults_);
      out_.outputs.push_back(
          {item.key(), members.Text("type", false), members.Texts("classes"), members.Text("use", false)});
    }
  }

  void ReadGate(const Json& json) {
    Members gate(json, "gate.", kManifestFile, "manifest", faults_);
    if (const Json* always = gate.Object("always")) {
      Members members(*always, "gate.always.", kManifestFile, "manifest", faults_);
      out_.always_tolerance = members.Number("tolerance", true);
      if (out_.always_tolerance && *out_.always_tolerance < 0) members.Fault("tolerance", "is negative");
    }
    if (const Json* confidence = gate.Object("confidence")) ReadConfidence(*confidence);
  }

  void ReadConfidence(const Json& json) {
    static const std::vector<std::string> kMetrics = {"accuracy", "auc",   "f1",   "precision", "recall",
                                                      "log_loss", "brier", "rmse", "mae"};
    Members members(json, "gate.confidence.", kManifestFile, "manifest", faults_);
    PackageManifest::ConfidenceGate gate;
    gate.metric = members.Text("metric", true);
    if (!gate.metric.empty() && std::ranges::count(kMetrics, gate.metric) == 0) {
      members.Fault("metric", "is \"" + Printable(gate.metric) + "\"; " + Suggest(gate.metric, kMetrics));
    }
    gate.label = members.Text("label", true);
    gate.positive = members.Text("positive", false);
    gate.output = members.Text("output", false);
    gate.min = members.Number("min", false);
    gate.max = members.Number("max", false);
    if (!gate.min && !gate.max) members.Fault("min", "and \"max\" are missing; a gate needs one of them");
    if (gate.min && gate.max && *gate.min > *gate.max) members.Fault("min", "is above \"max\"");
    out_.confidence = std::move(gate);
  }

  void ReadApproval(const Json& approval) {
    for (const auto& item : approval.items()) {
      if (item.value().is_string()) {
        out_.approval[item.key()] = item.value().get<std::string>();
      } else {
        Fault("approval." + item.key(), item.value(), "a text");
      }
    }
  }

  void ReadLimits(const Json& json) {
    Members limits(json, "limits.", kManifestFile, "manifest", faults_);
    out_.latency_us_per_row = limits.Number("latency_us_per_row", false);
    if (out_.latency_us_per_row && !(*out_.latency_us_per_row > 0))
      limits.Fault("latency_us_per_row", "is not above 0");
    const auto bytes = limits.Number("memory_bytes", false);
    if (bytes && !(*bytes >= 1 && *bytes < 1e18)) limits.Fault("memory_bytes", "is not a number of bytes");
    if (bytes && *bytes >= 1 && *bytes < 1e18) out_.memory_bytes = static_cast<int64_t>(*bytes);
  }

  void Fault(const std::string& member, const Json& value, const char* wanted) {
    Add("manifest", "\"" + Printable(member, 200) + "\" is " + Shown(value) + ", not " + wanted);
  }
  void Add(const char* code, const std::string& message) {
    if (faults_->size() < kMostTextFaults) faults_->push_back({code, kManifestFile, message});
  }

  std::vector<PackageFault>* faults_;
  PackageManifest out_;
};

PackageManifest ReadManifest(const Json& json, std::vector<PackageFault>* faults) {
  return ManifestReader(faults).Read(json);
}

PackageFeatures ReadFeatures(const Json& json, std::vector<PackageFault>* faults) {
  PackageFeatures features;
  Members members(json, "", "features.json", "features", faults);
  if (const Json* set = members.Object("set")) {
    for (const auto& item : set->items()) {
      if (item.value().is_string() && item.value() != "") {
        features.set.emplace_back(item.key(), item.value().get<std::string>());
      } else {
        members.Fault("set." + item.key(), "is " + Shown(item.value()) + ", not an expression");
      }
    }
  }
  features.order = members.Texts("order");
  if (features.order.empty()) members.Fault("order", "names no feature; list what feeds the model");
  return features;
}

bool IsCount(const Json& value) {
  return value.is_number_unsigned() && value.get<uint64_t>() <= uint64_t{kMostCounted};
}

PackageReference::Output ReadReferenceOutput(const std::string& selection, const Json& json,
                                             std::vector<PackageFault>* faults) {
  PackageReference::Output output{selection, {}, {}};
  Members members(json, "outputs." + Printable(selection, 200) + ".", "reference.json", "reference", faults);
  const Json* edges =
      members.Get("edges", true, "a list of 1 to 1000 numbers, each above the one before", [](const Json& v) {
        if (!v.is_array() || v.empty() || v.size() > kMostEdges) return false;
        const auto is_number = [](const Json& edge) { return edge.is_number(); };
        return std::ranges::all_of(v, is_number) && std::ranges::adjacent_find(v, std::greater_equal<>()) == v.end();
      });
  if (edges != nullptr) output.edges = edges->get<std::vector<double>>();
  const Json* counts = members.Get("counts", false, "a list of whole numbers from 0 to 9007199254740992",
                                   [](const Json& v) { return v.is_array() && std::ranges::all_of(v, IsCount); });
  if (counts == nullptr || edges == nullptr) return output;
  if (counts->size() != edges->size() + 1) {
    members.Fault("counts", "has " + std::to_string(counts->size()) + " numbers, not " +
                                std::to_string(edges->size() + 1) + ": one for each bin, one more than \"edges\"");
    return output;
  }
  output.counts = counts->get<std::vector<int64_t>>();
  return output;
}

PackageReference ReadReference(const Json& json, std::vector<PackageFault>* faults) {
  PackageReference reference;
  Members members(json, "", "reference.json", "reference", faults);
  const Json* outputs = members.Object("outputs", true);
  if (outputs == nullptr) return reference;
  for (const auto& item : outputs->items()) {
    if (item.value().is_object()) {
      reference.outputs.push_back(ReadReferenceOutput(item.key(), item.value(), faults));
    } else {
      members.Fault("outputs." + item.key(), "is " + Shown(item.value()) + ", not an object");
    }
  }
  return reference;
}

// What `read` makes of one file of a package; `code` is that of its faults.
template <typename Made>
Made ReadText(std::string_view text, const char* code, const char* file, std::vector<PackageFault>* faults,
              Made (*read)(const Json&, std::vector<PackageFault>*)) {
  const Result<Json> parsed = ParseOnce(text);
  if (!parsed.ok()) {
    faults->push_back({code, file, parsed.status().message()});
    return {};
  }
  std::vector<PackageFault> found;
  Made made = read(*parsed, &found);
  faults->insert(faults->end(), found.begin(), found.end());
  return made;
}

}  // namespace

PackageManifest ParseManifest(std::string_view json, std::vector<PackageFault>* faults) {
  return ReadText(json, "manifest", kManifestFile, faults, ReadManifest);
}

PackageFeatures ParseFeatures(std::string_view json, std::vector<PackageFault>* faults) {
  return ReadText(json, "features", "features.json", faults, ReadFeatures);
}

PackageReference ParseReference(std::string_view json, std::vector<PackageFault>* faults) {
  return ReadText(json, "reference", "reference.json", faults, ReadReference);
}

Result<std::string> PackageDigest(const std::vector<PackageFile>& files, std::string_view manifest_json) {
  ASSIGN_OR_RETURN(const Json json, ParseOnce(manifest_json));
  nlohmann::json rest = nlohmann::json::object();  // sorts its members
  for (const auto& item : json.items()) {
    const bool apart = item.key() == "digest" || item.key() == "files" || item.key() == "approval";
    if (!apart && !IsAside(item.key())) rest[item.key()] = nlohmann::json::parse(item.value().dump());
  }
  std::string lines;
  for (const PackageFile& file : files)
    lines += file.sha256 + " " + std::to_string(file.bytes) + " " + file.path + "\n";
  return Sha256(lines + rest.dump() + "\n");
}

Result<std::string> WithFiles(std::string_view manifest_json, const std::string& digest,
                              const std::vector<PackageFile>& files) {
  ASSIGN_OR_RETURN(Json json, ParseOnce(manifest_json));
  json["digest"] = digest;
  Json list = Json::array();
  for (const PackageFile& file : files) {
    list.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  json["files"] = std::move(list);
  return json.dump(2) + "\n";
}

Result<RegistryEntry> ReadEntryText(std::string_view manifest_json) {
  ASSIGN_OR_RETURN(const Json json, ParseOnce(manifest_json));
  RegistryEntry entry;
  for (const auto& [member, text] :
       {std::pair{"name", &entry.name}, std::pair{"version", &entry.version}, std::pair{"digest", &entry.digest}}) {
    if (!json.contains(member) || !json[member].is_string()) {
      return Status(Code::kInvalid,
                    std::string("model.json has no text \"") + member + "\"; run `anabranch model pack`");
    }
    *text = json[member].get<std::string>();
  }
  return entry;
}

}  // namespace anabranch

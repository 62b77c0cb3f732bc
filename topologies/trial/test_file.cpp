#include "topologies/trial/test_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "topologies/language/structure.h"
#include "topologies/language/test_spec.h"
#include "topologies/language/variables.h"

namespace anabranch {
namespace {

constexpr size_t kLookedAt = 64 * 1024;  // bytes
constexpr std::string_view kEnding = ".tests.json";

std::optional<std::string> Environment(const CheckOptions& options, const std::string& name) {
  if (options.env) return options.env(name);
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// The options with the variables of a case before those of the environment.
CheckOptions WithEnv(const CheckOptions& options, const ConfigValue& env) {
  std::map<std::string, std::string> own;
  for (const ConfigValue& each : env.children) own[each.name] = each.text;
  CheckOptions with = options;
  with.env = [own, options](const std::string& name) {
    const auto found = own.find(name);
    return found == own.end() ? Environment(options, name) : std::optional<std::string>(found->second);
  };
  return with;
}

CheckOptions WithoutTests(CheckOptions options) {
  options.checks_tests = false;
  return options;
}

// Whether the file is a topology with tests. One that is no JSON counts too when it looks like a topology: its faults
// are shown then.
bool HasTests(const std::string& file) {
  FaultSink ignored{file};
  const std::unique_ptr<Topology> topology = LoadTopology(file, ignored);
  if (topology == nullptr) {
    std::ifstream stream(file, std::ios::binary);
    std::string head(kLookedAt, '\0');
    stream.read(head.data(), static_cast<std::streamsize>(head.size()));
    return head.find("\"anabranch\"") != std::string::npos;
  }
  if (topology->root.Find("anabranch") == nullptr) return false;
  const ConfigValue* tests = topology->root.Find("tests");
  return tests != nullptr && !tests->children.empty();
}

}  // namespace

bool IsTestFile(std::string_view file) { return file.ends_with(kEnding); }

TestFile::TestFile(std::string file, const Registry& registry, const CheckOptions& options)
    : file_(std::move(file)), registry_(registry), options_(WithoutTests(options)), topology_file_(file_) {
  if (IsTestFile(file_)) {
    LoadOwn();
    tree_ = own_.get();
  }
  if (!IsTestFile(file_) || own_ != nullptr) checked_ = CheckTopology(topology_file_, registry_, options_);
  if (own_ != nullptr && checked_.topology == nullptr) SayWhereItsTopologyIsNamed();
  if (!IsTestFile(file_)) {
    tree_ = checked_.topology.get();
    faults_ = checked_.faults;
  }
  if (tree_ != nullptr) TakeTests();
}

void TestFile::LoadOwn() {
  FaultSink faults(file_);
  std::unique_ptr<Topology> parsed = LoadTopology(file_, faults);
  if (parsed != nullptr) {
    ExpandVariables(*parsed, options_, faults);
    std::vector<FieldSpec> fields = TestFileFields();
    for (FieldSpec& field : fields) {
      if (field.name == "tests") field.shape = Shape::List(Shape::Any());  // each by itself
    }
    const bool sound = parsed->root.is_object() && CheckFields(parsed->root, fields, "the file", faults);
    if (!parsed->root.is_object()) {
      faults.Add(FaultCode::kWrongType, parsed->root,
                 std::string("the file must be an object, not ") + parsed->root.KindName());
    }
    if (sound) {
      const auto folder = std::filesystem::path(file_).parent_path();
      topology_file_ = (folder / parsed->root.Text("topology")).lexically_normal().string();
      own_ = std::move(parsed);
    }
  }
  faults_ = faults.Sorted();
}

bool TestFile::ok() const { return checked_.ok() && std::ranges::all_of(faults_, &Fault::warning) && tree_ != nullptr; }

const CheckedTopology& TestFile::CheckedUnder(const ConfigValue* env) {
  if (env == nullptr || env->children.empty()) return checked_;
  const auto [known, fresh] = under_env_.try_emplace(env->Canonical());
  if (fresh) known->second = CheckTopology(topology_file_, registry_, WithEnv(options_, *env));
  return known->second;
}

// A topology that cannot be read has no place of its own.
void TestFile::SayWhereItsTopologyIsNamed() {
  for (const Fault& each : checked_.faults) {
    if (each.code != FaultCode::kCannotRead) continue;
    FaultSink faults(file_);
    faults.Add(FaultCode::kCannotRead, *own_->root.Find("topology"), each.message, "the path is relative to this file");
    checked_.faults = {};
    faults_.insert(faults_.end(), faults.faults().begin(), faults.faults().end());
    return;
  }
}

void TestFile::TakeTests() {
  auto* tests = const_cast<ConfigValue*>(tree_->root.Find("tests"));
  if (tests == nullptr || !tests->is_array()) return;
  FaultSink faults(file_);
  for (size_t i = 0; i < tests->children.size(); ++i) TakeTest(tests->children[i], i, faults);
  for (Fault& fault : faults.Sorted()) faults_.push_back(std::move(fault));
  std::ranges::stable_sort(faults_, {}, [](const Fault& fault) { return fault.place.begin; });
}

void TestFile::CheckName(const ConfigValue& at, FaultSink& faults) {
  const ConfigValue* name = at.Find("name");
  if (name == nullptr || !name->is_string() || name->text.empty() || names_.insert(name->text).second) return;
  faults.Add(FaultCode::kDuplicateId, *name, "two cases have the name \"" + name->text + "\"",
             "say in the name what this case shows");
}

void TestFile::TakeTest(ConfigValue& at, size_t index, FaultSink& faults) {
  static const std::vector<FieldSpec> fields = TestCaseFields();
  const std::string name(at.Text("name"));
  const std::string what = "test " + (name.empty() ? std::to_string(index + 1) : "\"" + name + "\"");
  const size_t before = faults.errors();
  if (!at.is_object()) {
    faults.Add(FaultCode::kWrongType, at, std::string("a test must be an object, not ") + at.KindName());
    return;
  }
  const bool sound = CheckFields(at, fields, what, faults);
  CheckName(at, faults);
  LoadedTest loaded{.name = name, .at = &at, .test = nullptr};
  const bool bindable = sound && checked_.ok();
  const ConfigValue* env = at.Find("env");
  const CheckedTopology& checked = bindable ? CheckedUnder(env) : checked_;
  if (bindable && !checked.ok()) {
    const Fault& first = *std::ranges::find(checked.faults, false, &Fault::warning);
    faults.AddAtName(FaultCode::kVariable, *env, "with these variables the topology is faulty: " + first.message,
                     first.hint);
  } else if (bindable) {
    // A case that stands in its topology is read as that variant expands it.
    ConfigValue* own = &at;
    if (own_ == nullptr && &checked != &checked_) {
      own = const_cast<ConfigValue*>(&checked.topology->root.Find("tests")->children[index]);
      FaultSink reported_already{std::string()};
      (void)CheckFields(*own, fields, what, reported_already);
    }
    loaded.test = BindTestCase(*own, *checked.plan, PathJudge(file_, options_.allow_paths), faults);
  }
  if (faults.errors() > before) loaded.test = nullptr;
  tests_.push_back(std::move(loaded));
}

Result<std::vector<std::string>> FindTestFiles(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      if (!std::filesystem::exists(path, error)) return Status(Code::kInvalid, "there is no file or folder " + path);
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    auto walk = std::filesystem::recursive_directory_iterator(
        path, std::filesystem::directory_options::skip_permission_denied, error);
    for (; walk != std::filesystem::recursive_directory_iterator(); walk.increment(error)) {
      const std::string name = walk->path().filename().string();
      if (name.starts_with('.')) {
        if (walk->is_directory(error)) walk.disable_recursion_pending();
        continue;
      }
      if (!walk->is_regular_file(error) || !name.ends_with(".json")) continue;
      if (IsTestFile(name) || HasTests(walk->path().string())) found.push_back(walk->path().string());
    }
    std::ranges::sort(found);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace anabranch

#include "topologies/trial/test_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "topologies/language/structure.h"
#include "topologies/language/test_spec.h"
#include "topologies/language/variables.h"

namespace anabranch {
namespace {

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

// A cheap look: whether the file is a topology with tests.
bool HasTests(const std::string& file) {
  FaultSink ignored{file};
  const std::unique_ptr<Topology> topology = LoadTopology(file, ignored);
  if (topology == nullptr || topology->root.Find("anabranch") == nullptr) return false;
  const ConfigValue* tests = topology->root.Find("tests");
  return tests != nullptr && !tests->children.empty();
}

}  // namespace

bool IsTestFile(std::string_view file) { return file.ends_with(kEnding); }

TestFile::TestFile(std::string file, const Registry& registry, const CheckOptions& options)
    : file_(std::move(file)), registry_(registry), options_(options), topology_file_(file_) {
  if (IsTestFile(file_)) {
    LoadOwn();
    tree_ = own_.get();
  }
  if (!IsTestFile(file_) || own_ != nullptr) checked_ = CheckTopology(topology_file_, registry_, options_);
  if (!IsTestFile(file_)) {
    tree_ = checked_.topology.get();
    faults_ = checked_.faults;
  }
  if (tree_ != nullptr && checked_.ok()) BindTests();
}

void TestFile::LoadOwn() {
  FaultSink faults(file_);
  std::unique_ptr<Topology> parsed = LoadTopology(file_, faults);
  if (parsed != nullptr) {
    ExpandVariables(*parsed, options_, faults);
    const bool sound = parsed->root.is_object() && CheckFields(parsed->root, TestFileFields(), "the file", faults);
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

bool TestFile::ok() const {
  return checked_.ok() && std::ranges::all_of(faults_, &Fault::warning) && tree_ != nullptr;
}

const CheckedTopology& TestFile::CheckedUnder(const ConfigValue* env) {
  if (env == nullptr || env->children.empty()) return checked_;
  const auto [known, fresh] = under_env_.try_emplace(env->Canonical());
  if (fresh) known->second = CheckTopology(topology_file_, registry_, WithEnv(options_, *env));
  return known->second;
}

void TestFile::BindTests() {
  auto* tests = const_cast<ConfigValue*>(tree_->root.Find("tests"));
  if (tests == nullptr) return;
  FaultSink faults(file_);
  std::set<std::string> names;
  for (size_t i = 0; i < tests->children.size(); ++i) {
    ConfigValue& at = tests->children[i];
    const ConfigValue* name = at.Find("name");
    if (name != nullptr && !names.insert(name->text).second) {
      faults.Add(FaultCode::kDuplicateId, *name, "two cases have the name \"" + name->text + "\"",
                 "say in the name what this case shows");
    }
    BindTest(at, i, faults);
  }
  for (Fault& fault : faults.Sorted()) faults_.push_back(std::move(fault));
  std::ranges::stable_sort(faults_, {}, [](const Fault& fault) { return fault.place.begin; });
}

void TestFile::BindTest(ConfigValue& at, size_t index, FaultSink& faults) {
  LoadedTest loaded{.name = std::string(at.Text("name")), .at = &at, .test = nullptr};
  const ConfigValue* env = at.Find("env");
  const CheckedTopology& checked = CheckedUnder(env);
  if (!checked.ok()) {
    faults.AddAtName(FaultCode::kVariable, *env,
                     "with these variables the topology is faulty: " + checked.faults.front().message);
  } else {
    // A case that stands in its topology is read as that variant expands it.
    ConfigValue* own = &at;
    if (own_ == nullptr && &checked != &checked_) {
      own = const_cast<ConfigValue*>(&checked.topology->root.Find("tests")->children[index]);
    }
    loaded.test = BindTestCase(*own, *checked.plan, PathJudge(file_, options_.allow_paths), faults);
  }
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

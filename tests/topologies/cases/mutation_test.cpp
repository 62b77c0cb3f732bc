#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "tests/topologies/cases/case_files.h"
#include "tests/topologies/cases/harmless.h"

// Every key of every valid topology is mutated in turn: its name gets a typo, its value another JSON type.
// Each mutation is a fault at that place, or proven harmless by an entry of harmless.cpp.

namespace anabranch {
namespace {

std::vector<std::string> ValidFiles() {
  std::vector<std::string> files;
  for (const std::string& name : CaseNames("valid")) files.push_back("tests/cases/valid/" + name + "/topology.json");
  const std::filesystem::path examples = ANABRANCH_ROOT "/examples";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(examples)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("topology") && name.ends_with(".json")) {
      files.push_back(std::filesystem::relative(entry.path(), ANABRANCH_ROOT).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

struct Mutation {
  std::string what;
  std::string text;
  std::string pointer;  // of the mutated member, before
  std::string now;      // and after
};

std::string Replaced(const std::string& text, const Place& place, const std::string& by) {
  return text.substr(0, place.begin) + by + text.substr(place.end);
}

std::vector<std::string> OtherTypes(const ConfigValue& value) {
  switch (value.kind) {
    case ConfigValue::Kind::kString: return {"7", "null"};
    case ConfigValue::Kind::kArray:
    case ConfigValue::Kind::kObject: return {"7", "null", "true"};
    default: return {"\"seven\"", "null", "[[]]"};
  }
}

void CollectMutations(const ConfigValue& value, const std::string& text, std::vector<Mutation>* mutations) {
  for (const ConfigValue& child : value.children) {
    const std::string pointer = child.Pointer();
    if (value.is_object()) {
      const std::string typo = child.name + "zz";
      mutations->push_back(
          {"name " + pointer, Replaced(text, child.name_place, "\"" + typo + "\""), pointer, pointer + "zz"});
      for (const std::string& other : OtherTypes(child)) {
        mutations->push_back(
            {"value " + pointer + " = " + other, Replaced(text, child.place, other), pointer, pointer});
      }
    }
    CollectMutations(child, text, mutations);
  }
}

std::string ParentOf(const std::string& pointer) { return pointer.substr(0, pointer.rfind('/')); }

// A fault at the member, inside it, or at the object that holds it.
bool ToldThere(const std::vector<Fault>& faults, const Mutation& mutation) {
  return std::any_of(faults.begin(), faults.end(), [&](const Fault& fault) {
    return fault.pointer == mutation.pointer || fault.pointer == mutation.now ||
           fault.pointer.starts_with(mutation.pointer + "/") || fault.pointer == ParentOf(mutation.pointer);
  });
}

class ValidTopologyFile : public testing::TestWithParam<std::string> {};

TEST_P(ValidTopologyFile, TellsEveryMutationAtItsPlace) {
  const std::string file = ANABRANCH_ROOT "/" + GetParam();
  const std::string text = ReadText(file);
  FaultSink faults(file);
  std::unique_ptr<Topology> topology = ParseTopology(file, text, faults);
  ASSERT_NE(topology, nullptr);
  ASSERT_TRUE(CheckTopologyText(file, text, WholeRegistry(), CaseOptions()).ok());
  std::vector<Mutation> mutations;
  CollectMutations(topology->root, topology->text, &mutations);
  ASSERT_FALSE(mutations.empty());
  size_t silent = 0;
  for (const Mutation& mutation : mutations) {
    CheckedTopology checked = CheckTopologyText(file, mutation.text, WholeRegistry(), CaseOptions());
    if (ToldThere(checked.faults, mutation)) continue;
    if (HarmlessReason(mutation.what) != nullptr) continue;
    ++silent;
    if (silent <= 40) ADD_FAILURE() << mutation.what << " is not reported; got:\n" << Describe(checked.faults);
  }
  EXPECT_EQ(silent, 0u) << "of " << mutations.size();
}

INSTANTIATE_TEST_SUITE_P(Each, ValidTopologyFile, testing::ValuesIn(ValidFiles()), [](const auto& made) {
  std::string name = made.param;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
});

}  // namespace
}  // namespace anabranch

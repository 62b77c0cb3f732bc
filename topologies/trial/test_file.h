#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/registry.h"
#include "topologies/language/check.h"
#include "topologies/trial/test_case.h"

namespace anabranch {

// A file that holds test cases: a topology with `tests`, or a *.tests.json that names its topology.

// Whether a file of this name holds tests and no topology.
bool IsTestFile(std::string_view file);

// One case of a file. Faulty where `test` is null.
struct LoadedTest {
  std::string name;
  const ConfigValue* at = nullptr;
  std::unique_ptr<TestCase> test;
};

class TestFile {
 public:
  // Checks the topology and all cases. Reads the topology, its models and secrets, and the files that cases name; no
  // network.
  TestFile(std::string file, const Registry& registry, const CheckOptions& options);

  const std::string& file() const { return file_; }  // as the user named it
  // What its cases run on: itself, or the topology that it names. Empty where that could not be found out.
  const CheckedTopology& topology() const { return checked_; }
  const std::string& topology_file() const { return topology_file_; }
  bool stands_alone() const { return IsTestFile(file_); }
  // The tree that the cases stand in; null where the file is no JSON.
  const Topology* tree() const { return tree_; }
  // Of this file, sorted; of a topology with tests those of the topology too. A fault in one case hides none in
  // another.
  const std::vector<Fault>& faults() const { return faults_; }
  // No error was found, neither in the topology nor in a case.
  bool ok() const;
  const std::vector<LoadedTest>& tests() const { return tests_; }

 private:
  void LoadOwn();
  void SayWhereItsTopologyIsNamed();
  void TakeTests();
  void TakeTest(ConfigValue& at, size_t index, FaultSink& faults);
  void CheckName(const ConfigValue& at, FaultSink& faults);
  const CheckedTopology& CheckedUnder(const ConfigValue* env);

  const std::string file_;
  const Registry& registry_;
  const CheckOptions options_;
  std::string topology_file_;
  std::unique_ptr<Topology> own_;  // of a *.tests.json
  CheckedTopology checked_;
  std::map<std::string, CheckedTopology> under_env_;  // by the text of `env`
  Topology* tree_ = nullptr;
  std::vector<Fault> faults_;
  std::vector<LoadedTest> tests_;
  std::set<std::string> names_;
};

// The files with tests that `paths` mean: files as they are; of a folder, and the folders in it, every *.tests.json and
// every topology that has tests, in the order of their names. kInvalid: a path is not there.
Result<std::vector<std::string>> FindTestFiles(const std::vector<std::string>& paths);

}  // namespace anabranch

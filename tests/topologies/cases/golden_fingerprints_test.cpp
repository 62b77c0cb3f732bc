#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/topologies/cases/case_files.h"

namespace anabranch {
namespace {

std::vector<std::string> TopologyFiles() {
  std::vector<std::string> files;
  for (const std::string& name : CaseNames("valid")) files.push_back("tests/cases/valid/" + name + "/topology.json");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(ANABRANCH_ROOT "/examples")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("topology") || !name.ends_with(".json")) continue;
    files.push_back(std::filesystem::relative(entry.path(), ANABRANCH_ROOT).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string FingerprintsOf(const std::string& file) {
  const CheckedTopology checked = CheckTopology(std::string(ANABRANCH_ROOT "/") + file, WholeRegistry(), CaseOptions());
  if (!checked.ok()) return file + "\n" + Describe(checked.faults);
  std::string text = file + " " + checked.plan->hash + "\n";
  for (const PlanSource& source : checked.plan->sources) {
    text += "  " + source.id + " " + source.fingerprint + " [" + source.position_owner + "]\n";
  }
  for (const PlanNode& node : checked.plan->nodes) {
    text += "  " + node.id + " " + node.fingerprint + " " + node.closure + "\n";
  }
  return text;
}

// Kept results, positions and identities of running pipelines hang on these texts: an update of the program must not
// change them. ANABRANCH_GOLDEN=write writes the file anew, for a change that is meant.
TEST(GoldenFingerprints, DoNotChange) {
  std::string now;
  for (const std::string& file : TopologyFiles()) now += FingerprintsOf(file);
  const std::string golden = CasesRoot() + "/fingerprints.txt";
  if (const char* mode = std::getenv("ANABRANCH_GOLDEN"); mode != nullptr && std::string_view(mode) == "write") {
    std::ofstream(golden, std::ios::binary) << now;
  }
  EXPECT_EQ(now, ReadText(golden));
}

}  // namespace
}  // namespace anabranch

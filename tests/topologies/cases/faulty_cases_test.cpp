#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/topologies/cases/case_files.h"

// Each folder of tests/cases/faulty is one case: topology.json and expected.txt, whose lines are
//   CODE line:col pointer      the exact set of faults, warnings too
//   message-contains: TEXT     some fault says so, in its message or hint

namespace anabranch {
namespace {

struct Expected {
  std::vector<std::string> faults;
  std::vector<std::string> texts;
};

Expected ReadExpected(const std::string& path) {
  const std::string kContains = "message-contains: ";
  Expected expected;
  std::istringstream lines(ReadText(path));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (line.starts_with(kContains)) {
      expected.texts.push_back(line.substr(kContains.size()));
    } else {
      expected.faults.push_back(line);
    }
  }
  std::sort(expected.faults.begin(), expected.faults.end());
  return expected;
}

class FaultyTopology : public testing::TestWithParam<std::string> {};

TEST_P(FaultyTopology, GetsExactlyItsFaults) {
  const std::string folder = CasesRoot() + "/faulty/" + GetParam();
  const Expected expected = ReadExpected(folder + "/expected.txt");
  const std::string text = ReadText(folder + "/topology.json");
  CheckedTopology checked = CheckTopologyText(folder + "/topology.json", text, WholeRegistry(), CaseOptions());
  EXPECT_EQ(expected.faults, FaultLines(checked.faults)) << "got:\n" << Describe(checked.faults);
  const std::string described = Describe(checked.faults);
  for (const std::string& each : expected.texts)
    EXPECT_NE(described.find(each), std::string::npos) << each << "\n" << described;
  const bool errors =
      std::any_of(checked.faults.begin(), checked.faults.end(), [](const Fault& f) { return !f.warning; });
  EXPECT_EQ(errors, !checked.ok()) << described;
  for (const Fault& fault : checked.faults) {
    EXPECT_FALSE(fault.message.empty()) << FaultName(fault.code);
    EXPECT_EQ(fault.file, folder + "/topology.json");
    EXPECT_LE(fault.place.begin, fault.place.end);
    EXPECT_LE(fault.place.end, text.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Case, FaultyTopology, testing::ValuesIn(CaseNames("faulty")),
                         [](const auto& made) { return made.param; });

TEST(FaultyTopologies, AreManyAndCoverCyclesAndModels) {
  std::vector<std::string> names = CaseNames("faulty");
  auto count = [&](const char* start) {
    return std::count_if(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(start); });
  };
  EXPECT_GE(names.size(), 65u);
  EXPECT_GE(count("cycle_"), 12);
  EXPECT_GE(count("model_"), 8);
}

}  // namespace
}  // namespace anabranch

// A connector that is not in the program: what a new one has to do, and that it needs no other folder.
#include "tests/extensions/connector_lines/lines.h"

#include <fstream>

#include "tests/conformance/connector_suite.h"

namespace anabranch {
namespace {

std::vector<int64_t> ReadLines(const std::string& folder) {
  std::ifstream file(folder + "/out.lines");
  std::vector<int64_t> offsets, open;
  std::string word, rest;
  while (file >> word && std::getline(file, rest)) {
    if (word == "row") open.push_back(std::stoll(rest));
    if (word != "commit") continue;
    offsets.insert(offsets.end(), open.begin(), open.end());
    open.clear();
  }
  return offsets;
}

INSTANTIATE_TEST_SUITE_P(Lines, ConnectorSuite,
                         testing::Values(ConnectorCase{"lines", RegisterConnectorLines,
                                                       [] { return ConfigObject({{"path", "out.lines"}}); },
                                                       [] { return ConfigObject({{"path", ""}}); }, ReadLines}));

}  // namespace
}  // namespace anabranch

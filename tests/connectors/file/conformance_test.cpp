#include <fstream>

#include "connectors/file/file.h"
#include "tests/conformance/connector_suite.h"

namespace anabranch {
namespace {

// {"id":"in/0/OFFSET/keep",…} per line.
std::vector<int64_t> ReadFile(const std::string& folder) {
  std::ifstream file(folder + "/out.jsonl");
  std::vector<int64_t> offsets;
  const std::string begin = "{\"id\":\"in/0/";
  for (std::string line; std::getline(file, line);) offsets.push_back(std::stoll(line.substr(begin.size())));
  return offsets;
}

INSTANTIATE_TEST_SUITE_P(File, ConnectorSuite,
                         testing::Values(ConnectorCase{
                             "file", RegisterConnectorFile, [] { return ConfigObject({{"path", "out.jsonl"}}); },
                             [] { return ConfigObject({{"path", "out.jsonl.gz"}}); }, ReadFile}));

}  // namespace
}  // namespace anabranch

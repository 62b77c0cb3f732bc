#include "tests/topologies/commands/commands_fixture.h"

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "connectors/catalog.h"
#include "engine/formats/catalog.h"
#include "nodes/catalog.h"
#include "topologies/commands/command_line.h"

namespace anabranch {

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

Commands::Commands() {
  std::string pattern = testing::TempDir() + "anabranch_commands_XXXXXX";
  folder_ = mkdtemp(pattern.data());
  RegisterAllNodes(registry_);
  RegisterAllConnectors(registry_);
  RegisterAllFormats(registry_);
}

Commands::~Commands() {
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

Commands::Outcome Commands::Run(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  CommandIo io{registry_, out, err, colour_, colour_, false};
  Outcome outcome;
  outcome.code = RunCommandLine(arguments, io);
  outcome.out = out.str();
  outcome.err = err.str();
  return outcome;
}

Commands::Outcome Commands::RunProgram(const std::string& arguments) {
  const std::string command = "cd '" + folder_.string() + "' && '" ANABRANCH_BIN "' " + arguments + " >'" +
                              Path("stdout.txt") + "' 2>'" + Path("stderr.txt") + "'";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFile(Path("stdout.txt")), ReadFile(Path("stderr.txt"))};
}

std::string Commands::Write(const std::string& name, const std::string& text) {
  const std::filesystem::path path = folder_ / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

std::string Commands::GoodTopology() {
  return R"({
  "anabranch": 1,
  "name": "orders",
  "schemas": {"order": {"type": "object", "required": ["id", "amount"], "properties": {"id": {"type": "string"}, "amount": {"type": "number"}}}},
  "sources": {"orders": {"file": {"path": "in.jsonl"}, "format": "json", "schema": "order", "key": {"field": "id"}}},
  "nodes": {
    "shape": {"kind": "transform", "inputs": ["orders"], "set": {"double": "amount * 2"}, "where": "amount > 1"},
    "out": {"kind": "persist", "inputs": ["shape"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["double"]}
  }
}
)";
}

std::string Commands::FaultyTopology() {
  std::string text = GoodTopology();
  const size_t at = text.find("amount * 2");
  return text.replace(at, 10, "amout * 2");
}

}  // namespace anabranch

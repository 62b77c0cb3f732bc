#include <ostream>

#include "topologies/commands/command.h"
#include "topologies/language/plan_text.h"

namespace anabranch {
namespace {

GraphFormat FormatNamed(const std::string& word) {
  if (word == "dot") return GraphFormat::kDot;
  if (word == "mermaid") return GraphFormat::kMermaid;
  if (word == "json") return GraphFormat::kJson;
  return GraphFormat::kAscii;
}

}  // namespace

int CommandGraph(const GraphArgs& args, CommandIo& io) {
  CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  io.out << GraphText(*checked.plan, FormatNamed(args.format));
  return kExitOk;
}

}  // namespace anabranch

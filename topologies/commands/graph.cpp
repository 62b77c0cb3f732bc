#include <ostream>

#include "topologies/commands/command.h"
#include "topologies/language/plan_text.h"

namespace anabranch {

int CommandGraph(const GraphArgs& args, CommandIo& io) {
  CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  io.out << GraphText(*checked.plan, args.format);
  return kExitOk;
}

}  // namespace anabranch

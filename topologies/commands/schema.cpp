#include "topologies/language/schema.h"

#include <ostream>

#include "topologies/commands/command.h"

namespace anabranch {

int CommandSchema(const SchemaArgs& /*args*/, CommandIo& io) {
  io.out << TopologySchema(io.registry);
  return kExitOk;
}

}  // namespace anabranch

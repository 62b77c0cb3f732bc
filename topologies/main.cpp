#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "connectors/catalog.h"
#include "connectors/kafka/kafka_client.h"
#include "engine/fault_point.h"
#include "engine/formats/catalog.h"
#include "nodes/catalog.h"
#include "topologies/commands/bounded_output.h"
#include "topologies/commands/command_line.h"

namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main(int argc, char** argv) {
  anabranch::ArmFaultPoints(Environment("ANABRANCH_FAULT"), Environment("ANABRANCH_FAULT_LOG"));
  anabranch::Registry registry;
  anabranch::RegisterAllNodes(registry);
  anabranch::RegisterAllConnectors(registry);
  anabranch::RegisterAllFormats(registry);
  bool colour = Environment("NO_COLOR").empty();
  bool err_terminal = isatty(STDERR_FILENO) == 1;
  bool asks = err_terminal && isatty(STDIN_FILENO) == 1;
  anabranch::BoundedOutput talk(STDERR_FILENO);
  std::ostream err(&talk);
  anabranch::CommandIo io{registry,
                          std::cout,
                          err,
                          colour && isatty(STDOUT_FILENO) == 1,
                          colour && err_terminal,
                          err_terminal,
                          asks ? &std::cin : nullptr,
                          [&talk] { talk.Drain(); },
                          isatty(STDOUT_FILENO) == 1};
  int code = anabranch::RunCommandLine({argv + 1, argv + argc}, io);
  std::cout.flush();
  if (anabranch::KafkaClient::AnyAbandoned()) {
    talk.Drain();
    _exit(code);
  }
  return code;
}

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "connectors/catalog.h"
#include "nodes/catalog.h"
#include "topologies/commands/command_line.h"

int main(int argc, char** argv) {
  anabranch::Registry registry;
  anabranch::RegisterAllNodes(registry);
  anabranch::RegisterAllConnectors(registry);
  const char* no_color = std::getenv("NO_COLOR");
  bool colour = no_color == nullptr || *no_color == '\0';
  bool err_terminal = isatty(STDERR_FILENO) == 1;
  anabranch::CommandIo io{
      registry, std::cout, std::cerr, colour && isatty(STDOUT_FILENO) == 1, colour && err_terminal, err_terminal};
  int code = anabranch::RunCommandLine({argv + 1, argv + argc}, io);
  std::cout.flush();
  return code;
}

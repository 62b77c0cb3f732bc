// Feeds a system under test, waits for it, judges and times what it wrote. Shares no code with the engine.
#include <cstdio>
#include <cstring>

#include "bench/load/commands.h"

int main(int argc, char** argv) {
  using namespace anabranch::bench;
  const struct {
    const char* name;
    int (*run)(int, char**);
  } commands[] = {{"feed", &Feed}, {"await", &Await}, {"verify", &Verify}, {"open", &Open}};
  for (const auto& command : commands) {
    if (argc > 1 && std::strcmp(argv[1], command.name) == 0) return command.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "usage: load feed|await|verify|open …   (without more words each says what it takes)\n");
  return 2;
}

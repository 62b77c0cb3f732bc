#include <filesystem>
#include <fstream>
#include <ostream>

#include "topologies/commands/command.h"
#include "topologies/commands/reference.h"

namespace anabranch {

int CommandDocs(const DocsArgs& args, CommandIo& io) {
  for (const auto& [name, text] : ReferencePages(io.registry)) {
    std::filesystem::path path = std::filesystem::path(args.folder) / name;
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    std::ofstream stream(path, std::ios::binary);
    stream << text;
    if (!stream.flush()) {
      io.err << "anabranch docs: cannot write " << path.string() << "\n";
      return 1;
    }
    io.out << path.string() << "\n";
  }
  return kExitOk;
}

}  // namespace anabranch

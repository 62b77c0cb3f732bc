#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <ostream>

#include "topologies/commands/command.h"
#include "topologies/commands/templates.h"
#include "topologies/language/parse.h"

namespace anabranch {
namespace {

std::string Summary(const TopologyTemplate& found) {
  FaultSink faults(found.name);
  const std::unique_ptr<Topology> parsed = ParseTopology(found.name, found.text, faults);
  return parsed != nullptr ? std::string(parsed->root.Text("description")) : std::string();
}

std::filesystem::path FileToWrite(const std::string& path) {
  if (path.empty()) return "topology.json";
  if (path.ends_with(".json") || path.ends_with(".jsonc")) return path;
  return std::filesystem::path(path) / "topology.json";
}

// O_EXCL: an existing file is never touched.
int WriteNew(const std::filesystem::path& path, const std::string& text, CommandIo& io) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) {
    bool exists = errno == EEXIST;
    io.err << "anabranch init: " << path.string() << ": "
           << (exists ? "already exists and was not changed; choose another folder or file" : std::strerror(errno))
           << "\n";
    return exists ? kExitUsage : 1;
  }
  bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  written = close(file) == 0 && written;
  if (!written) io.err << "anabranch init: " << path.string() << ": " << std::strerror(errno) << "\n";
  return written ? kExitOk : 1;
}

}  // namespace

int CommandInit(const InitArgs& args, CommandIo& io) {
  const std::vector<TopologyTemplate>& templates = TopologyTemplates();
  if (args.list) {
    for (const TopologyTemplate& known : templates) io.out << known.name << ": " << Summary(known) << "\n";
    return kExitOk;
  }
  auto found = std::find_if(templates.begin(), templates.end(),
                            [&](const TopologyTemplate& known) { return known.name == args.name; });
  if (found == templates.end()) {
    std::vector<std::string> names;
    for (const TopologyTemplate& known : templates) names.push_back(known.name);
    io.err << "anabranch init: unknown template \"" << args.name << "\"; " << Suggest(args.name, names) << "\n";
    return kExitUsage;
  }
  std::filesystem::path path = FileToWrite(args.path);
  int code = WriteNew(path, found->text, io);
  if (code != kExitOk) return code;
  io.out << path.string() << "\n";
  io.err << Summary(*found) << "\nNext: anabranch check " << path.string() << "\n";
  return kExitOk;
}

}  // namespace anabranch

#include <chrono>
#include <filesystem>
#include <ostream>
#include <thread>

#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/operate/page.h"
#include "topologies/operate/page_listener.h"
#include "topologies/operate/pipeline_folders.h"

namespace anabranch {
namespace {

constexpr std::chrono::milliseconds kUiLook(100);  // how soon a signal is seen

NextCommands NextInFolder(const PipelineFolders::Owner& owner, const std::vector<std::string>& allow_paths) {
  StateArgs args;
  args.file = owner.file;
  args.instance = owner.instance;
  args.allow_paths = allow_paths;
  // Where the folder is not the usual one for its file.
  const std::filesystem::path dir = owner.state_dir;
  const bool usual = dir.parent_path().parent_path() == std::filesystem::path(owner.file).parent_path() / ".anabranch";
  if (!usual) args.state_dir = owner.state_dir;
  return NextOf(args);
}

}  // namespace

int CommandUi(const UiArgs& args, CommandIo& io) {
  std::vector<std::string> roots = args.folders;
  if (roots.empty()) roots.push_back(".");
  for (const std::string& root : roots) {
    std::error_code error;
    if (!std::filesystem::is_directory(root, error)) {
      io.err << "anabranch ui: " << Printable(root) << " is no folder\n";
      return kExitUsage;
    }
  }
  PipelineFolders folders(
      {.roots = std::move(roots),
       .registry = io.registry,
       .check = {.allow_paths = args.allow_paths, .env = {}},
       .next = [&args](const PipelineFolders::Owner& owner) { return NextInFolder(owner, args.allow_paths); }});
  const auto handle = [&](const HttpRequest& request, Access& access) {
    if (request.path.starts_with("/api/")) return folders.Answer(request, access);
    if (auto refused = access.RefuseName(request)) return *refused;
    return PageFile(request, args.serve.assets);
  };
  const auto page = PageListener::Start(args.serve, handle);
  if (!page.ok()) {
    io.err << "anabranch ui: --http: " << PrintableLines(page.status().message()) << "\n";
    return page.status().code() == Code::kInvalid ? kExitUsage : ExitCode(page.status().code());
  }
  io.err << (*page)->line() << "\n";
  io.err.flush();
  CancelToken cancel;
  const StopSignals stop(cancel);
  while (!cancel.draining()) std::this_thread::sleep_for(kUiLook);
  folders.End();
  return kExitOk;
}

}  // namespace anabranch

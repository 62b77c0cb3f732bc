#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/http/http_server.h"
#include "engine/registry.h"
#include "topologies/language/check_options.h"
#include "topologies/operate/access.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {

// The pipelines whose state lies in some folders, for `anabranch ui`: the API of those that a process runs is passed on
// to it; of the others the ledger and the history are shown, and nothing can be changed.
class PipelineFolders {
 public:
  // What a state folder belongs to.
  struct Owner {
    std::string file, state_dir, instance;
  };
  struct Parts {
    std::vector<std::string> roots;  // folders; state folders are searched in them
    const Registry& registry;
    CheckOptions check;
    std::function<NextCommands(const Owner&)> next;
  };
  explicit PipelineFolders(Parts parts);
  ~PipelineFolders();
  PipelineFolders(const PipelineFolders&) = delete;
  PipelineFolders& operator=(const PipelineFolders&) = delete;

  // Everything under /api/. Any thread.
  HttpResponse Answer(const HttpRequest& request, Access& access);
  // The process is about to end: requests that wait are answered soon.
  void End();

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace anabranch

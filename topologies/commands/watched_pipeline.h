#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/http/http_client.h"
#include "engine/status.h"
#include "topologies/commands/command.h"

namespace anabranch {

// A pipeline that another process may be running, as the commands that watch it find it: through the socket in its
// state folder.
struct WatchedPipeline {
  std::string name;
  std::string state_dir;
};

// From the topology's file, which may be faulty otherwise. kInvalid: it has no name.
Result<WatchedPipeline> FindPipeline(const StateArgs& args);
// The socket in a state folder, for HttpClient.
std::string ControlAddress(const std::string& state_dir);
// What to say when nobody answers there: with the command that starts the pipeline.
std::string NobodyRuns(const WatchedPipeline& pipeline, const StateArgs& args);

// What to say when a process is there and keeps silent (kTimedOut), or may not be asked: which one, and what to do.
std::string NoAnswer(const WatchedPipeline& pipeline, const Status& status);

// The JSON of an answer. Not Ok with its message and cure: kUnavailable where nobody is there (`*nobody`) or the server
// cannot now, kInvalid for what it refuses, kTimedOut where it keeps silent.
Result<nlohmann::ordered_json> AnswerOf(const Result<HttpReply>& reply, bool* nobody);

}  // namespace anabranch

#include "topologies/commands/watched_pipeline.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/fault.h"
#include "engine/run/ledger.h"
#include "topologies/commands/run_session.h"
#include "topologies/language/parse.h"

namespace anabranch {

Result<WatchedPipeline> FindPipeline(const StateArgs& args) {
  FaultSink faults(args.file);
  const std::unique_ptr<Topology> topology = LoadTopology(args.file, faults);
  if (topology == nullptr) {
    const std::string why = faults.faults().empty() ? "" : ": " + faults.faults().front().message;
    return Status(Code::kInvalid, args.file + " is no topology" + why);
  }
  WatchedPipeline pipeline;
  pipeline.name = topology->root.Text("name");
  if (pipeline.name.empty()) {
    return Status(Code::kInvalid, args.file + " has no \"name\": whose state to look at is not known");
  }
  pipeline.state_dir = StateDirOf(args, std::filesystem::absolute(args.file).string(), pipeline.name);
  return pipeline;
}

std::string ControlAddress(const std::string& state_dir) {
  return "unix:" + (std::filesystem::path(state_dir) / "control.sock").string();
}

std::string NobodyRuns(const WatchedPipeline& pipeline, const StateArgs& args) {
  return "no process runs " + pipeline.name + " (nobody answers in " + pipeline.state_dir + "). To start it:\n  " +
         NextOf(args).run + "\n";
}

std::string NoAnswer(const WatchedPipeline& pipeline, const Status& status) {
  if (status.code() != Code::kTimedOut) return status.message() + "\n";
  const Result<int64_t> owner = Ledger::Owner(pipeline.state_dir);
  const std::string which = owner.ok() && *owner > 0 ? "process " + std::to_string(*owner) : "the process";
  return which + " runs " + pipeline.name + " and does not answer: is it stopped, or is the machine overloaded?\n";
}

Result<nlohmann::ordered_json> AnswerOf(const Result<HttpReply>& reply, bool* nobody) {
  const Code code = reply.status().code();
  *nobody = !reply.ok() && (code == Code::kUnavailable || code == Code::kRetry);
  if (!reply.ok()) return reply.status();
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(reply->body, nullptr, false);
  const bool good = reply->code >= 200 && reply->code < 300;
  if (good && !json.is_discarded()) return json;
  std::string message = "the process answered " + std::to_string(reply->code);
  if (json.is_object() && json.contains("error")) {
    message = json["error"].value("message", message);
    const std::string cure = json["error"].value("cure", "");
    if (!cure.empty()) message += "; " + cure;
  }
  return Status(reply->code >= 500 || good ? Code::kUnavailable : Code::kInvalid, message);
}

}  // namespace anabranch

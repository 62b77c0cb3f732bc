#include <ostream>

#include "engine/printable.h"
#include "nodes/infer/gate.h"
#include "topologies/commands/command.h"
#include "topologies/commands/model_gates.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/operate/model_change.h"

namespace anabranch {

ModelAgent::Verdict GatesInChild(const std::string& place, const std::vector<std::string>& arguments, int timeout_ms,
                                 const CancelToken* cancel) {
  PackageVerdict checked = CheckInChild(place, arguments, timeout_ms, cancel);
  ModelAgent::Verdict verdict{{}, std::move(checked.measured)};
  for (const PackageFault& fault : checked.faults) {
    verdict.reasons.push_back(fault.code + ": " + (fault.file.empty() ? "" : fault.file + ": ") + fault.message);
  }
  return verdict;
}

namespace {

using ModelOrder = ModelChangeWish::Action;
using OrderEnd = ModelChangeResult::Kind;

int CodeOf(const ModelChangeResult& result) {
  switch (result.kind) {
    case OrderEnd::kActive:
    case OrderEnd::kAlready:
    case OrderEnd::kHeld: return kExitOk;
    case OrderEnd::kRefused: return ExitCode(Code::kStage);
    case OrderEnd::kWrong: return kExitUsage;
    case OrderEnd::kFailed: break;
  }
  return result.status.code() == Code::kInvalid ? ExitCode(Code::kStage) : ExitCode(result.status.code());
}

int Report(const std::string& command, const ModelChangeResult& result, bool json, CommandIo& io) {
  if (json && result.kind != OrderEnd::kWrong) {
    io.out << ModelChangeJson(result) << "\n";
    return CodeOf(result);
  }
  if (result.kind == OrderEnd::kFailed || result.kind == OrderEnd::kWrong) {
    io.err << "anabranch " << command << ": " << PrintableLines(result.text) << "\n";
    return CodeOf(result);
  }
  if (result.kind == OrderEnd::kRefused) {
    io.err << result.text << ":\n";
  } else {
    io.out << result.text << "\n";
  }
  for (const std::string& reason : result.reasons) io.err << "  " << PrintableLines(reason) << "\n";
  for (const std::string& remark : result.remarks) io.err << remark << "\n";
  return CodeOf(result);
}

int Change(ModelChangeWish wish, const ModelChangeArgs& args, CommandIo& io) {
  const std::string command = std::string("model ") + NameOf(wish.action);
  if (!CheckInstance(command, args, io)) return kExitUsage;
  const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  wish.by = args.by;
  wish.reason = args.reason;
  wish.approved_by = args.approved_by;
  wish.timeout_s = args.timeout_s;
  const bool json = args.format == "json";
  CancelToken cancel;
  const StopSignals signals(cancel);
  const ModelChangePlace place{.plan = *checked.plan,
                               .allow_paths = args.allow_paths,
                               .state_dir = StateDirOf(args, checked.plan->file, checked.plan->name),
                               .instance = args.instance,
                               .gates = GatesInChild,
                               .progress =
                                   [&](const std::string& text) {
                                     if (!json) io.err << text << "\n";
                                   },
                               .cancel = &cancel};
  return Report(command, ChangeModel(wish, place), json, io);
}

ModelChangeWish WishOf(ModelOrder action, const std::string& model) {
  ModelChangeWish wish;
  wish.action = action;
  wish.model = model;
  return wish;
}

}  // namespace

int CommandModelDeploy(const ModelChangeArgs& args, CommandIo& io) {
  const size_t at = args.model.find('@');
  if (at == 0 || at + 1 == args.model.size()) {
    io.err << "anabranch model deploy: \"" << Printable(args.model) << "\" is not NAME@VERSION\n";
    return kExitUsage;
  }
  ModelChangeWish wish = WishOf(ModelOrder::kDeploy, args.model.substr(0, at));
  if (at != std::string::npos) wish.version = args.model.substr(at + 1);
  wish.at = args.at;
  wish.now = args.now;
  wish.resume = args.resume;
  return Change(std::move(wish), args, io);
}

int CommandModelPromote(const ModelChangeArgs& args, CommandIo& io) {
  ModelChangeWish wish = WishOf(ModelOrder::kPromote, args.model);
  wish.to_end = args.to_end;
  return Change(std::move(wish), args, io);
}

int CommandModelHold(const ModelChangeArgs& args, CommandIo& io) {
  return Change(WishOf(ModelOrder::kHold, args.model), args, io);
}

int CommandModelRollback(const ModelChangeArgs& args, CommandIo& io) {
  ModelChangeWish wish = WishOf(ModelOrder::kRollBack, args.model);
  wish.version = args.to;
  return Change(std::move(wish), args, io);
}

}  // namespace anabranch

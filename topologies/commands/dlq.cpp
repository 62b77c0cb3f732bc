#include <ostream>

#include "engine/clock.h"
#include "engine/printable.h"
#include "engine/run/letter.h"
#include "engine/run/restart_outlook.h"
#include "topologies/commands/command.h"
#include "topologies/commands/run_session.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/operate/dlq_view.h"
#include "topologies/operate/letters.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

int Refuse(const std::string& command, const Status& status, CommandIo& io) {
  io.err << "anabranch " << command << ": " << status.message() << "\n";
  return ExitCode(status.code());
}

// False: `*code` tells, and io.err why.
bool OpenFor(const std::string& command, const DlqArgs& args, CommandIo& io, Letters* letters, int* code) {
  *code = kExitUsage;
  if (!CheckInstance(command, args, io)) return false;
  auto checked = std::make_shared<const CheckedTopology>(CheckForCommand(args.file, args.allow_paths, io));
  *code = kExitFaulty;
  if (!checked->ok()) return false;
  RunOptions options = OptionsOf(args, *checked->plan);
  auto opened = OpenLetters(std::move(checked), std::move(options), io.registry);
  if (!opened.ok()) {
    *code = Refuse(command, opened.status(), io);
    return false;
  }
  *letters = std::move(opened).value();
  return true;
}

Status Visit(const Letters& letters, const LetterVisit& visit) {
  CancelToken cancel;
  const StopSignals signals(cancel);
  return VisitLetters(letters, cancel, visit);
}

std::string OutlookText(const ReplayOutlook& outlook, const Plan& plan) {
  std::string text = outlook.letters == 0 ? "nothing to replay\n" : GroupsText(outlook.chosen);
  if (outlook.letters > 0) {
    text += Count(outlook.letters, "dead letter") +
            " to replay, each from the stage it failed in: " + std::to_string(outlook.with_results) +
            " with the results that travel with them, " + std::to_string(outlook.letters - outlook.with_results) +
            " computed again from their records\n";
  }
  if (outlook.letters > 0 && outlook.left > 0) {
    text += Count(outlook.left, "other letter") + " waiting in " +
            plan.targets[plan.dead_letters()].program->Describe() + " will be written again behind them, unchanged\n";
  }
  for (const auto& [why, count] : outlook.stuck) {
    text += Count(count, "letter") + " cannot be replayed: " + Printable(why) + "\n";
  }
  return text;
}

// As they are read: there may be many.
int ListRecords(const Letters& letters, bool json, CommandIo& io) {
  const int64_t now_ms = Clock::Real().WallMs();
  int64_t count = 0;
  const Status read = Visit(letters, [&](const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
    if (count++ == 0 && !json) io.out << RecordsHead();
    io.out << (json ? RecordJson(batch, row, letter, now_ms) + "\n" : RecordLine(batch, row, letter, now_ms));
  });
  if (!read.ok()) return Refuse("dlq ls", read, io);
  if (!json) io.out << (count == 0 ? "no dead letters wait\n" : Count(count, "dead letter") + "\n");
  return kExitOk;
}

}  // namespace

int CommandDlqLs(const DlqArgs& args, CommandIo& io) {
  Letters letters;
  int code = kExitOk;
  if (!OpenFor("dlq ls", args, io, &letters, &code)) return code;
  if (args.records) return ListRecords(letters, args.format == "json", io);
  LetterGroups groups;
  const Status read =
      Visit(letters, [&groups](const RecordBatch&, uint32_t, const DeadLetter& letter) { AddLetter(letter, &groups); });
  if (!read.ok()) return Refuse("dlq ls", read, io);
  io.out << (args.format == "json" ? GroupsJson(groups) + "\n" : GroupsText(groups));
  return kExitOk;
}

int CommandDlqShow(const DlqArgs& args, CommandIo& io) {
  Letters letters;
  int code = kExitOk;
  if (!OpenFor("dlq show", args, io, &letters, &code)) return code;
  const LetterFilter filter{.node = "", .code = "", .id = args.id};
  std::vector<std::string> found;
  bool masked = false;
  const Status read = Visit(letters, [&](const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
    if (!filter.Takes(letter)) return;
    const Plan& plan = letters.plan();
    found.push_back(args.format == "json" ? LetterJson(plan, batch, row, letter, !args.reveal) + "\n"
                                          : LetterText(plan, batch, row, letter, !args.reveal));
    masked = masked || (!args.reveal && QuotesHidden(plan, letter));
  });
  if (!read.ok()) return Refuse("dlq show", read, io);
  if (found.empty()) {
    io.err << "anabranch dlq show: no dead letter with the ID \"" << Printable(args.id)
           << "\" waits. An ID is TOPIC/PARTITION/OFFSET of the record that failed; of a file it is "
              "file:SOURCE/0/BYTE.\nThis lists them:\n  anabranch dlq ls "
           << args.file << " --records\n";
    return ExitCode(Code::kStage);
  }
  for (size_t i = 0; i < found.size(); ++i) io.out << (i > 0 && args.format != "json" ? "\n" : "") << found[i];
  if (masked) io.err << "what may be x-sensitive is \"***\"; --reveal shows it\n";
  return kExitOk;
}

int CommandDlqReplay(const DlqArgs& args, CommandIo& io) {
  Letters letters;
  int code = kExitOk;
  if (!OpenFor("dlq replay", args, io, &letters, &code)) return code;
  const LetterFilter filter{.node = args.node, .code = args.code, .id = args.id};
  ReplayOutlook outlook;
  CancelToken cancel;
  {
    const StopSignals signals(cancel);
    const Status read = LookAtReplay(letters, filter, cancel, &outlook);
    if (!read.ok()) return Refuse("dlq replay", read, io);
  }
  const std::string text = OutlookText(outlook, letters.plan());
  (args.dry_run ? io.out : io.err) << text;
  if (args.dry_run || outlook.letters == 0) return kExitOk;
  if (!args.yes && !Confirm("dlq replay", "Replay them?", "--yes", io, &code)) return code;
  return RunAndShow("dlq replay", letters.plan(), args, ReplayOptions(letters, filter), io).code;
}

int CommandDlqSkip(const DlqArgs& args, CommandIo& io) {
  if (!CheckInstance("dlq skip", args, io)) return kExitUsage;
  const CheckedTopology checked = CheckForCommand(args.file, args.allow_paths, io);
  if (!checked.ok()) return kExitFaulty;
  const Plan& plan = *checked.plan;
  RunOptions options = OptionsOf(args, plan);
  options.start = RunStart::kGiveUp;
  const Result<RestartOutlook> outlook = LookAtRestart(plan, options);
  if (!outlook.ok()) return Refuse("dlq skip", outlook.status(), io);
  if (outlook->already_running) {
    return Refuse("dlq skip",
                  {Code::kRetry, "a process is running with " + options.state_dir + ": no stage waits for its records"},
                  io);
  }
  if (outlook->nothing_failed) {
    io.err << "nothing failed: there are no records to give up\n";
    return kExitOk;
  }
  const Failure failure = Masked(plan, outlook->failure);
  io.err << "stage \"" << failure.stage << "\" stopped: " << failure.message << "\n"
         << Count(failure.kept_rows, "record") << " waiting for it will become dead letters (code \"given_up\") in "
         << plan.targets[plan.dead_letters()].program->Describe() << "\n";
  int code = kExitOk;
  if (!args.yes && !Confirm("dlq skip", "Give them up?", "--yes", io, &code)) return code;
  return RunAndShow("dlq skip", plan, args, options, io).code;
}

}  // namespace anabranch

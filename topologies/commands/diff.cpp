#include <charconv>
#include <ostream>

#include "engine/clock.h"
#include "engine/plan_graph.h"
#include "engine/printable.h"
#include "topologies/commands/command.h"
#include "topologies/commands/diff_records.h"
#include "topologies/commands/diff_view.h"
#include "topologies/commands/stop_signals.h"
#include "topologies/language/edit.h"
#include "topologies/language/secrets.h"
#include "topologies/trial/test_file.h"

namespace anabranch {
namespace {

constexpr const char* kTests = "tests";

int Refuse(const std::string& text, int code, CommandIo& io) {
  io.err << "anabranch diff: " << PrintableLines(text) << "\n";
  return code;
}

// A number of at least 0 at the beginning of `text`, which it is taken from.
std::optional<double> TakeNumber(std::string_view* text) {
  double number = 0;
  const auto [rest, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(rest - text->data()));
  return number;
}

DiffSide OpenSide(const std::string& file, const std::vector<std::string>& sets, const DiffArgs& args, CommandIo& io) {
  DiffSide side;
  side.name = file;
  std::vector<TopologyEdit> edits;
  for (const std::string& set : sets) {
    edits.push_back(*ParseEdit(set));
    const TopologyEdit& edit = edits.back();
    side.name += " --set " + edit.path + "=" + (NamesSecret(edit.path) ? "***" : edit.value);
  }
  side.checked = CheckForCommand(file, args.allow_paths, io, edits);
  if (side.checked.ok()) side.plan = *side.checked.plan;
  return side;
}

Status Stopped(const DiffSide& side, const TrialResult& result) {
  const std::string stage = result.failure ? "stage \"" + result.failure->stage + "\" stopped: " : "";
  std::string at;
  if (result.failure && !result.failure->records.empty()) at = ", at record " + result.failure->records.front();
  return {result.status.code(),
          side.name + ": " + stage + (result.failure ? result.failure->message : result.status.message()) + at};
}

// By source of `before`: the source of this id in `after`; kNoStage: it has none.
std::vector<StageId> SourcesIn(const Plan& after, const Plan& before) {
  std::vector<StageId> sources;
  for (const PlanSource& source : before.sources) {
    const StageId found = FindStage(after, source.id);
    sources.push_back(found < after.sources.size() ? found : kNoStage);
  }
  return sources;
}

// Runs the records through both plans, part by part.
Status CompareRecords(DiffRecords& records, const Tolerance& tolerance, const DiffSide& before, const DiffSide& after,
                      RowsReport* report) {
  CancelToken cancel;
  const StopSignals signals(cancel);
  Trials trials_before(before.plan), trials_after(after.plan);
  RowsComparison comparison(before.plan, after.plan, StagesBefore(before.plan, after.plan), tolerance);
  const std::vector<StageId> sources = SourcesIn(after.plan, before.plan);
  TrialOptions options;
  options.cells = false;
  const int64_t now_ms = Clock::Real().WallMs();
  const auto run = [&](DiffPart& part) {
    options.wall_ms = part.wall_ms.value_or(now_ms);  // both sides see the same clock
    const TrialResult old = trials_before.Run(part.records, options);
    if (!old.status.ok()) return Stopped(before, old);
    for (TrialRecord& record : part.records) {
      const std::string& id = before.plan.StageName(record.source);
      record.source = sources[record.source];
      if (record.source == kNoStage) return Status(Code::kInvalid, after.name + " has no source \"" + id + "\"");
    }
    const TrialResult now = trials_after.Run(part.records, options);
    if (!now.status.ok()) return Stopped(after, now);
    comparison.Add(part.records, old, now);
    return Status::Ok();
  };
  RETURN_IF_ERROR(records.ForEachPart(cancel, run));
  *report = comparison.Report();
  return Status::Ok();
}

bool HasTests(const DiffSide& side) {
  const ConfigValue* tests = side.checked.topology->root.Find("tests");
  return tests != nullptr && !tests->children.empty();
}

// What `--on` names; null: nothing, or it cannot be run; then `*code` is what to exit with.
std::unique_ptr<DiffRecords> OpenRecords(const DiffArgs& args, DiffSide& before, DiffSide& after, CommandIo& io,
                                         int* code) {
  *code = kExitOk;
  const bool of_tests = args.on == kTests || IsTestFile(args.on) || (args.on.empty() && HasTests(before));
  if (!of_tests && args.on.empty()) return nullptr;
  if (of_tests) {
    auto records = OpenTestRecords(IsTestFile(args.on) ? args.on : args.before, args, before, io);
    if (records == nullptr) *code = kExitFaulty;
    return records;
  }
  Result<std::unique_ptr<DiffRecords>> records = OpenSourceRecords(args, io.registry, &before, &after);
  if (records.ok()) return std::move(records).value();
  *code = Refuse(records.status().message(), kExitUsage, io);
  return nullptr;
}

// False: the records could not be compared; `*code` is what to exit with.
bool CompareResults(const DiffArgs& args, DiffRecords& records, const DiffSide& before, const DiffSide& after,
                    CommandIo& io, DiffReport* report, int* code) {
  for (const std::string& note : records.notes()) io.err << "note: " << note << "\n";
  RowsReport rows;
  const Tolerance tolerance = ParseTolerance(args.tolerance).value_or(Tolerance{});
  const Status status = CompareRecords(records, tolerance, before, after, &rows);
  if (status.code() == Code::kCancelled) {
    *code = Refuse("stopped before all records were compared", kExitInterrupted, io);
  } else if (!status.ok()) {
    *code = Refuse(status.message(), ExitCode(status.code()), io);
  }
  report->records_from = records.what();
  if (status.ok()) report->rows = std::move(rows);
  return status.ok();
}

}  // namespace

std::optional<Tolerance> ParseTolerance(const std::string& text) {
  std::string_view rest = text;
  Tolerance tolerance;
  const std::optional<double> rel = TakeNumber(&rest);
  if (!rel) return std::nullopt;
  tolerance.rel = *rel;
  if (rest.empty()) return tolerance;
  if (rest.front() != ',') return std::nullopt;
  rest.remove_prefix(1);
  const std::optional<double> abs = TakeNumber(&rest);
  if (!abs || !rest.empty()) return std::nullopt;
  tolerance.abs = *abs;
  return tolerance;
}

std::optional<double> ParseShare(const std::string& text) {
  std::string_view rest = text;
  const std::optional<double> number = TakeNumber(&rest);
  if (!number || !(rest.empty() || rest == "%")) return std::nullopt;
  const double share = rest.empty() ? *number : *number / 100;
  return share <= 1 ? std::optional(share) : std::nullopt;
}

int CommandDiff(const DiffArgs& args, CommandIo& io) {
  if (args.after.empty() && args.sets.empty()) {
    return Refuse("name the other version: a second file, or --set PATH=VALUE", kExitUsage, io);
  }
  DiffSide before = OpenSide(args.before, {}, args, io);
  DiffSide after = OpenSide(args.after.empty() ? args.before : args.after, args.sets, args, io);
  if (!before.checked.ok() || !after.checked.ok()) return kExitFaulty;
  DiffReport report;
  report.before = before.name;
  report.after = after.name;
  report.plans = ComparePlans(*before.checked.plan, *after.checked.plan);
  report.max_changed = ParseShare(args.max_changed).value_or(0);
  int code = kExitOk;
  const std::unique_ptr<DiffRecords> records = OpenRecords(args, before, after, io, &code);
  if (code != kExitOk) return code;
  if (records == nullptr && !args.max_changed.empty()) {
    return Refuse("--max-changed is a share of records: say which, --on tests, a source or a file", kExitUsage, io);
  }
  if (records != nullptr && !CompareResults(args, *records, before, after, io, &report, &code)) return code;
  io.out << (args.format == "json" ? DiffJson(report) + "\n" : DiffText(report));
  if (records == nullptr) {
    io.err << "only the plans were compared: --on SOURCE or --on FILE compares results too\n";
    return kExitOk;
  }
  return report.within() ? kExitOk : ExitCode(Code::kStage);
}

}  // namespace anabranch

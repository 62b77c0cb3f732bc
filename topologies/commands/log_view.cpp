#include "topologies/commands/log_view.h"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <ostream>

#include "engine/clock.h"
#include "engine/printable.h"
#include "engine/record_id.h"
#include "engine/text/instant.h"
#include "engine/text/json_object.h"
#include "topologies/commands/rates.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

constexpr int64_t kLogIntervalNs = 10'000'000'000;

// One line of the log as JSON, for collectors. What is not known is omitted.
std::string JsonLine(const char* level, const std::string& topology, const LogPlace& place, const std::string& text) {
  JsonObject line;
  line.AddText("ts", FormatInstant(Clock::Real().WallMs())).AddText("level", level);
  if (!place.code.empty()) line.AddText("code", place.code);
  line.AddText("msg", text).AddText("topology", topology);
  if (!place.node.empty()) line.AddText(place.source ? "source" : "node", place.node);
  if (const auto record = ParseRecordId(place.record)) {
    line.AddText("topic", Printable(record->from.topic)).AddNumber("partition", record->from.partition);
    line.AddNumber("offset", record->offset);
  }
  return line.text();
}

// Warnings name their place at their beginning: `node "gbt": …`.
LogPlace PlaceIn(const std::string& line) {
  for (const std::string word : {"node \"", "stage \"", "source \""}) {
    const size_t end = line.find('"', word.size());
    if (line.starts_with(word) && end != std::string::npos) {
      return {{}, line.substr(word.size(), end - word.size()), word.starts_with("source"), {}};
    }
  }
  return {};
}

class LogView : public RunView {
 public:
  LogView(CommandIo& io, const LogArgs& log, const std::string& topology)
      : log_("anabranch", std::make_shared<spdlog::sinks::ostream_sink_mt>(io.err, /*force_flush=*/true)),
        json_(log.format == "json"),
        topology_(topology) {
    log_.set_pattern(json_ ? "%v" : "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    log_.set_level(spdlog::level::from_str(log.level));
  }

  void Tick(const RunSnapshot& snapshot) override {
    if (snapshot.elapsed_ns - last_ns_ < kLogIntervalNs) return;
    last_ns_ = snapshot.elapsed_ns;
    rates_.Move(snapshot);
    std::string stages;
    for (size_t i = 0; i < snapshot.stages.size(); ++i) {
      const StageCounts& stage = snapshot.stages[i];
      stages += fmt::format(" {}={}/{}", stage.id, stage.rows_in, stage.rows_out);
      if (stage.failed > 0) stages += fmt::format("(failed {})", stage.failed);
    }
    Note(fmt::format("read={} committed={} rate={:.0f}/s in/out:{}", snapshot.rows_read, snapshot.rows_committed,
                     rates_.Read(), stages),
         {});
  }
  void Warn(const std::string& line) override { Say(spdlog::level::warn, "warning", line, PlaceIn(line)); }
  void Note(const std::string& line, const LogPlace& place) override { Say(spdlog::level::info, "info", line, place); }
  void Error(const std::string& line, const LogPlace& place) override { Say(spdlog::level::err, "error", line, place); }

 private:
  void Say(spdlog::level::level_enum level, const char* name, const std::string& line, const LogPlace& place) {
    const std::string safe = Printable(line);
    log_.log(level, "{}", json_ ? JsonLine(name, topology_, place, safe) : safe);
  }

  spdlog::logger log_;
  const bool json_;
  const std::string topology_;
  Rates rates_;
  int64_t last_ns_ = 0;
};

}  // namespace

std::unique_ptr<RunView> MakeLogView(CommandIo& io, const LogArgs& log, const std::string& topology) {
  return std::make_unique<LogView>(io, log, topology);
}

void Tell(const LogArgs& log, const std::string& topology, const std::string& text, const std::string& line,
          CommandIo& io, const LogPlace& place) {
  if (log.format == "json") {
    MakeLogView(io, log, topology)->Note(line, place);
  } else {
    io.err << text;
    io.err.flush();
  }
}

void TellRestart(const LogArgs& log, const Plan& plan, const RestartOutlook& outlook, CommandIo& io) {
  const LogPlace place{std::string(TextOf(outlook.failure.error_class)), outlook.failure.stage, false, {}};
  const std::string line =
      "a stage stopped; restart from \"" + outlook.plan.from + "\" with " + Count(outlook.plan.records, "record");
  Tell(log, plan.name, RestartPlanText(Masked(plan, outlook.failure), outlook.plan), line, io, place);
}

void LogSummary(const RunSummary& summary, RunView& view) {
  if (!summary.note.empty()) view.Note(summary.note, {});
  if (summary.already_done || summary.totals.stages.empty()) return;
  for (const StageCounts& stage : summary.totals.stages) {
    const bool source = stage.kind == "source";
    view.Note(fmt::format("in {}, out {}, filtered {}, skipped {}, failed {}, dead letters {}", stage.rows_in,
                          stage.rows_out, stage.filtered, stage.skipped, stage.failed, stage.dead_lettered),
              {{}, stage.id, source, {}});
    for (const auto& [code, reason] : stage.reasons) {
      view.Note(fmt::format("{} records failed with this code", reason.count), {code, stage.id, source, {}});
    }
  }
  view.Note(fmt::format("{} records read, {} committed in {:.2f} s ({:.0f} records/s)", summary.totals.rows_read,
                        summary.totals.rows_committed, static_cast<double>(summary.totals.elapsed_ns) / 1e9,
                        PerSecond(summary.totals.rows_committed, summary.totals.elapsed_ns)),
            {});
}

void LogFailure(const RunSummary& summary, const NextCommands& next, RunView& view) {
  if (!summary.failure) {
    view.Error(summary.status.message(), {});
    return;
  }
  const Failure& failure = *summary.failure;
  LogPlace place{std::string(TextOf(failure.error_class)), failure.stage, false, {}};
  if (!failure.records.empty()) place.record = failure.records.front();
  std::string text = "stage \"" + failure.stage + "\" stopped";
  text += TellsOfARecord(failure.error_class) ? " at what records hold; `anabranch status` and `anabranch dlq` show it"
                                              : ": " + failure.message;
  if (!summary.not_recorded.ok()) text += "; the failure could not be recorded: " + summary.not_recorded.message();
  view.Error(text + "; next: " + (summary.not_recorded.ok() ? next.restart + " --dry-run" : next.run), place);
}

}  // namespace anabranch

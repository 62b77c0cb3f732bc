#include "topologies/commands/run_view.h"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ostream>

#include "engine/clock.h"
#include "engine/mutex.h"
#include "engine/printable.h"
#include "engine/text/instant.h"
#include "engine/text/json_literals.h"

namespace anabranch {
namespace {

constexpr int64_t kLogIntervalNs = 10'000'000'000;

double PerSecond(int64_t rows, int64_t ns) {
  return ns > 0 ? static_cast<double>(rows) * 1e9 / static_cast<double>(ns) : 0;
}

// Rates between one look and the next.
class Rates {
 public:
  void Move(const RunSnapshot& snapshot) {
    span_ns_ = snapshot.elapsed_ns - last_.elapsed_ns;
    earlier_ = std::move(last_);
    last_ = snapshot;
  }
  double In(size_t stage) const { return PerSecond(last_.stages[stage].rows_in - Earlier(stage).rows_in, span_ns_); }
  double Out(size_t stage) const { return PerSecond(last_.stages[stage].rows_out - Earlier(stage).rows_out, span_ns_); }
  // Compute threads busy in the stage, in percent of one.
  double Busy(size_t stage) const {
    return span_ns_ > 0 ? 100.0 * static_cast<double>(last_.stages[stage].busy_ns - Earlier(stage).busy_ns) /
                              static_cast<double>(span_ns_)
                        : 0;
  }
  double Read() const { return PerSecond(last_.rows_read - earlier_.rows_read, span_ns_); }

 private:
  StageCounts Earlier(size_t stage) const {
    return stage < earlier_.stages.size() ? earlier_.stages[stage] : StageCounts{};
  }
  RunSnapshot earlier_, last_;
  int64_t span_ns_ = 0;
};

size_t NameWidth(const RunSnapshot& snapshot) {
  size_t width = 4;
  for (const StageCounts& stage : snapshot.stages) width = std::max(width, stage.id.size());
  return std::min<size_t>(width, 32);
}

class TerminalView : public RunView {
 public:
  explicit TerminalView(CommandIo& io) : io_(io) {}

  void Tick(const RunSnapshot& snapshot) override {
    const MutexLock lock(mutex_);
    rates_.Move(snapshot);
    size_t width = NameWidth(snapshot);
    block_.clear();
    for (size_t i = 0; i < snapshot.stages.size(); ++i) {
      const StageCounts& stage = snapshot.stages[i];
      std::string id = stage.id.substr(0, width);
      std::string line = fmt::format("{} {:<{}} {:<9} {:>10.0f} in/s {:>10.0f} out/s {:>4.0f} % busy", Glyph(stage, i),
                                     id, width, stage.kind, rates_.In(i), rates_.Out(i), rates_.Busy(i));
      if (stage.failed > 0) line += fmt::format("  {} failed", stage.failed);
      block_.push_back(std::move(line));
    }
    block_.push_back(fmt::format("{} read, {} committed, {:.0f} records/s", snapshot.rows_read, snapshot.rows_committed,
                                 rates_.Read()));
    Erase();
    Paint();
  }

  void Warn(const std::string& line) override {
    Above((io_.err_colour ? "\x1b[33mwarning:\x1b[0m " : "warning: ") + Printable(line));
  }
  void Note(const std::string& line) override { Above(Printable(line)); }
  void Error(const std::string& line) override { Above(Printable(line)); }

 private:
  std::string Glyph(const StageCounts& stage, size_t index) const REQUIRES(mutex_) {
    if (stage.failed > 0) return io_.err_colour ? "\x1b[31m!\x1b[0m" : "!";
    if (rates_.In(index) > 0) return io_.err_colour ? "\x1b[32m>\x1b[0m" : ">";
    return "-";
  }
  // A line of its own, above the block.
  void Above(const std::string& line) {
    const MutexLock lock(mutex_);
    Erase();
    io_.err << line << "\n";
    Paint();
  }
  void Erase() REQUIRES(mutex_) {
    if (painted_ > 0) io_.err << "\x1b[" << painted_ << "A\x1b[J";
    painted_ = 0;
  }
  void Paint() REQUIRES(mutex_) {
    for (const std::string& line : block_) io_.err << line << "\n";
    painted_ = block_.size();
    io_.err.flush();
  }

  CommandIo& io_;
  Mutex mutex_;
  Rates rates_ GUARDED_BY(mutex_);
  std::vector<std::string> block_ GUARDED_BY(mutex_);
  size_t painted_ GUARDED_BY(mutex_) = 0;
};

// One line of the log as JSON, for collectors.
std::string JsonLine(const char* level, const std::string& message) {
  std::string line =
      "{\"time\":\"" + FormatInstant(Clock::Real().WallMs()) + "\",\"level\":\"" + level + "\",\"message\":";
  AppendJsonString(&line, message);
  return line + "}";
}

class LogView : public RunView {
 public:
  LogView(CommandIo& io, const LogArgs& log)
      : log_("anabranch", std::make_shared<spdlog::sinks::ostream_sink_mt>(io.err, /*force_flush=*/true)),
        json_(log.format == "json") {
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
                     rates_.Read(), stages));
  }
  void Warn(const std::string& line) override { Say(spdlog::level::warn, "warning", line); }
  void Note(const std::string& line) override { Say(spdlog::level::info, "info", line); }
  void Error(const std::string& line) override { Say(spdlog::level::err, "error", line); }

 private:
  void Say(spdlog::level::level_enum level, const char* name, const std::string& line) {
    const std::string safe = Printable(line);
    log_.log(level, "{}", json_ ? JsonLine(name, safe) : safe);
  }

  spdlog::logger log_;
  const bool json_;
  Rates rates_;
  int64_t last_ns_ = 0;
};

}  // namespace

namespace {

// failed in "check": 38 × schema (field "id" is missing), 2 × key (…)
std::string ReasonsText(const RunSnapshot& totals) {
  constexpr size_t kMessageBytes = 160;
  std::string text;
  for (const StageCounts& stage : totals.stages) {
    std::string reasons;
    for (const auto& [code, reason] : stage.reasons) {
      reasons += fmt::format("{}{} × {} ({})", reasons.empty() ? "" : ", ", reason.count, Printable(code),
                             Printable(reason.example, kMessageBytes));
    }
    if (!reasons.empty()) text += fmt::format("failed in \"{}\": {}\n", stage.id, reasons);
  }
  return text;
}

}  // namespace

std::unique_ptr<RunView> MakeRunView(CommandIo& io, const LogArgs& log) {
  if (io.err_terminal && log.format.empty() && log.level == "info") return std::make_unique<TerminalView>(io);
  return std::make_unique<LogView>(io, log);
}

std::string SummaryText(const Plan& plan, const RunSummary& summary, const std::string& state_dir) {
  const RunSnapshot& totals = summary.totals;
  size_t width = NameWidth(totals);
  std::string text = fmt::format("{:<{}}  {:<9} {:>12} {:>12} {:>10} {:>10} {:>10}\n", "node", width, "kind", "in",
                                 "out", "filtered", "skipped", "failed");
  int64_t dead_lettered = 0;
  for (const StageCounts& stage : totals.stages) {
    dead_lettered += stage.dead_lettered;
    text += fmt::format("{:<{}}  {:<9} {:>12} {:>12} {:>10} {:>10} {:>10}\n", stage.id, width, stage.kind,
                        stage.rows_in, stage.rows_out, stage.filtered, stage.skipped, stage.failed);
  }
  text += ReasonsText(totals);
  text += fmt::format("{} records read, {} committed in {:.2f} s ({:.0f} records/s)\n", totals.rows_read,
                      totals.rows_committed, static_cast<double>(totals.elapsed_ns) / 1e9,
                      PerSecond(totals.rows_committed, totals.elapsed_ns));
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    const PlanTarget& target = plan.targets[i];
    if (target.program == nullptr) continue;
    bool dead = i == plan.dead_letters();
    if (dead && dead_lettered == 0) continue;
    const std::string place = Printable(target.program->DescribeIn(state_dir));
    text += fmt::format("{} -> {}{}\n", dead ? "dead letters" : target.id, place,
                        dead ? fmt::format(" ({} records)", dead_lettered) : "");
  }
  return text;
}

}  // namespace anabranch

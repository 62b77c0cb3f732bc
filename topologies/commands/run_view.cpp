#include "topologies/commands/run_view.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <ostream>

#include "engine/clock.h"
#include "engine/mutex.h"
#include "engine/printable.h"
#include "topologies/commands/log_view.h"
#include "topologies/commands/rates.h"
#include "topologies/commands/repeated_lines.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

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
  void Note(const std::string& line, const LogPlace&) override { Above(Printable(line)); }
  void Error(const std::string& line, const LogPlace&) override { Above(Printable(line)); }

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

// Says warnings that come again and again once a minute.
class FoldingView : public RunView {
 public:
  explicit FoldingView(std::unique_ptr<RunView> view) : view_(std::move(view)) {}
  ~FoldingView() override {
    const MutexLock lock(mutex_);
    for (const std::string& line : repeated_.TakeAll()) view_->Warn(line);
  }

  void Tick(const RunSnapshot& snapshot) override {
    std::vector<std::string> lines;
    {
      const MutexLock lock(mutex_);
      lines = repeated_.TakeOver(Clock::Real().NowNs());
    }
    for (const std::string& line : lines) view_->Warn(line);
    view_->Tick(snapshot);
  }
  void Warn(const std::string& line) override {
    {
      const MutexLock lock(mutex_);
      if (!repeated_.IsNew(line, Clock::Real().NowNs())) return;
    }
    view_->Warn(line);
  }
  void Note(const std::string& line, const LogPlace& place) override { view_->Note(line, place); }
  void Error(const std::string& line, const LogPlace& place) override { view_->Error(line, place); }

 private:
  const std::unique_ptr<RunView> view_;
  Mutex mutex_;
  RepeatedLines repeated_ GUARDED_BY(mutex_);
};

}  // namespace

namespace {

// failed in "check": 38 × schema (field "id" is missing), 2 × key (…)
std::string ReasonsText(const Plan& plan, const RunSnapshot& totals) {
  const bool hides = std::ranges::any_of(plan.sources, HidesMessages);
  constexpr size_t kMessageBytes = 160;
  std::string text;
  for (const StageCounts& stage : totals.stages) {
    std::string reasons;
    for (const auto& [code, reason] : stage.reasons) {
      reasons += fmt::format("{}{} × {} ({})", reasons.empty() ? "" : ", ", reason.count, Printable(code),
                             hides ? kMasked : Printable(reason.example, kMessageBytes));
    }
    if (!reasons.empty()) text += fmt::format("failed in \"{}\": {}\n", stage.id, reasons);
  }
  return text;
}

}  // namespace

std::unique_ptr<RunView> MakeRunView(CommandIo& io, const LogArgs& log, const std::string& topology) {
  const bool table = io.err_terminal && log.format == "auto" && log.level == "info";
  std::unique_ptr<RunView> view;
  if (table) {
    view = std::make_unique<TerminalView>(io);
  } else {
    view = MakeLogView(io, log, topology);
  }
  return std::make_unique<FoldingView>(std::move(view));
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
  text += ReasonsText(plan, totals);
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

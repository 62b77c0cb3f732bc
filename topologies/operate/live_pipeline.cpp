#include "topologies/operate/live_pipeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "engine/clock.h"
#include "topologies/operate/failure_view.h"

namespace anabranch {
namespace {

constexpr std::chrono::seconds kTick{1};
constexpr int64_t kAliveNs = 10'000'000'000;
constexpr size_t kWindow = 11;  // samples: 10 s between the first and the last
constexpr size_t kMinute = 61;  // samples of latency
constexpr size_t kMostWarnings = 20;

struct Sample {
  RunSnapshot run;
  MeasureSnapshot measures;
};

using Latencies = std::map<std::string, HistogramCounts>;

Latencies LatenciesOf(const MeasureSnapshot& measures) {
  Latencies latencies;
  for (const TargetMeasures& target : measures.targets) latencies[target.id] = target.intake_seconds;
  return latencies;
}

template <typename T>
void KeepLast(size_t most, T value, std::deque<T>* values) {
  values->push_back(std::move(value));
  if (values->size() > most) values->pop_front();
}

double PerSecond(int64_t before, int64_t now, double seconds) {
  return seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

// What the lanes' time went to since `before`.
std::vector<LaneMeasures> LanesSince(const MeasureSnapshot& before, const MeasureSnapshot& now) {
  std::vector<LaneMeasures> lanes = now.lanes;
  for (LaneMeasures& lane : lanes) {
    const auto earlier = std::ranges::find(before.lanes, lane.lane, &LaneMeasures::lane);
    if (earlier == before.lanes.end()) continue;
    lane.wall_ns -= earlier->wall_ns;
    for (LaneShare& share : lane.shares) {
      for (const LaneShare& past : earlier->shares) {
        if (past.state == share.state && past.by == share.by) share.ns -= past.ns;
      }
    }
  }
  return lanes;
}

int CoresHere() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace

const char* NameOf(LivePipeline::State state) {
  switch (state) {
    case LivePipeline::State::kStarting: return "starting";
    case LivePipeline::State::kRunning: return "running";
    case LivePipeline::State::kDraining: return "draining";
    case LivePipeline::State::kFailed: return "failed";
    case LivePipeline::State::kStopped: return "stopped";
  }
  return "";
}

class LivePipeline::Core {
 public:
  Core() : ticker_([this] { TickOn(); }) {}
  ~Core() {
    {
      const MutexLock lock(mutex_);
      ends_ = true;
    }
    changed_.NotifyAll();
    ticker_.join();
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void Starting(std::shared_ptr<const CheckedTopology> checked, const RunOptions& options);
  void Running(const Pipeline& pipeline, const ModelAgent* models);
  void Leaving();
  void Ended(const RunSummary& summary);
  void Ticked() { run_tick_ns_ = Clock::Real().NowNs(); }
  void Warn(const std::string& line);
  std::optional<RestartOrder> TakeRestart();
  Look Now() const;
  bool LookAtModels(const std::function<void(const ControlState&)>& look) const;
  CountsByNode ModelCounts(const std::string& model) const;
  bool OrderRestart(RestartOrder order, std::string* why);
  bool alive() const;
  bool started() const { return started_.load(); }
  void OnTick(std::function<void(const Look&)> tick);

 private:
  void TickOn();
  Look WithWarnings(Look look) const;
  void TakeSample() REQUIRES(mutex_);
  void SetState(State state) REQUIRES(mutex_);
  void SetRates() REQUIRES(mutex_);
  void SetReadiness() REQUIRES(mutex_);

  mutable Mutex mutex_;
  Condition changed_;
  bool ends_ GUARDED_BY(mutex_) = false;
  const Pipeline* pipeline_ GUARDED_BY(mutex_) = nullptr;
  const ModelAgent* models_ GUARDED_BY(mutex_) = nullptr;
  Look look_ GUARDED_BY(mutex_);
  std::deque<Sample> window_ GUARDED_BY(mutex_);
  std::deque<Latencies> minute_ GUARDED_BY(mutex_);
  std::optional<RestartOrder> order_ GUARDED_BY(mutex_);
  mutable Mutex warn_mutex_;
  std::vector<Warning> warnings_ GUARDED_BY(warn_mutex_);
  std::function<void(const Look&)> on_tick_ GUARDED_BY(mutex_);
  std::atomic<int64_t> tick_ns_{Clock::Real().NowNs()};
  std::atomic<int64_t> run_tick_ns_{0};  // 0: no run is at work
  std::atomic<bool> started_{false};
  std::thread ticker_;  // last: it uses the members above
};

void LivePipeline::Core::Starting(std::shared_ptr<const CheckedTopology> checked, const RunOptions& options) {
  const MutexLock lock(mutex_);
  const bool first = look_.started_ms == 0;
  look_.checked = std::move(checked);
  look_.options = options;
  look_.failure.reset();
  look_.run = {};
  look_.measures = {};
  look_.models.clear();
  look_.rollouts.clear();
  look_.restarts += !first && options.start == RunStart::kRestart ? 1 : 0;
  if (first) look_.started_ms = Clock::Real().WallMs();
  window_.clear();
  minute_.clear();
  order_.reset();
  SetState(State::kStarting);
  SetRates();
}

void LivePipeline::Core::Running(const Pipeline& pipeline, const ModelAgent* models) {
  const MutexLock lock(mutex_);
  pipeline_ = &pipeline;
  models_ = models;
  Ticked();
  SetState(State::kRunning);
  TakeSample();
}

void LivePipeline::Core::Leaving() {
  const MutexLock lock(mutex_);
  if (pipeline_ != nullptr) TakeSample();
  pipeline_ = nullptr;
  models_ = nullptr;
  run_tick_ns_ = 0;
}

void LivePipeline::Core::Ended(const RunSummary& summary) {
  const MutexLock lock(mutex_);
  if (!summary.totals.stages.empty()) look_.run = summary.totals;
  look_.failure = summary.failure;
  SetState(summary.failure ? State::kFailed : State::kStopped);
}

// Under a mutex of its own: whoever warns may hold what a sample asks for.
void LivePipeline::Core::Warn(const std::string& line) {
  const MutexLock lock(warn_mutex_);
  Warning warning{.at_ms = Clock::Real().WallMs(), .text = line};
  if (const auto same = std::ranges::find(warnings_, line, &Warning::text); same != warnings_.end()) {
    warning.times = same->times + 1;
    warnings_.erase(same);
  }
  warnings_.push_back(std::move(warning));
  if (warnings_.size() > kMostWarnings) warnings_.erase(warnings_.begin());
}

LivePipeline::Look LivePipeline::Core::WithWarnings(Look look) const {
  const MutexLock lock(warn_mutex_);
  look.warnings = warnings_;
  return look;
}

std::optional<LivePipeline::RestartOrder> LivePipeline::Core::TakeRestart() {
  const MutexLock lock(mutex_);
  return std::exchange(order_, std::nullopt);
}

LivePipeline::Look LivePipeline::Core::Now() const {
  Look look;
  {
    const MutexLock lock(mutex_);
    look = look_;
  }
  return WithWarnings(std::move(look));
}

bool LivePipeline::Core::LookAtModels(const std::function<void(const ControlState&)>& look) const {
  const MutexLock lock(mutex_);
  if (models_ == nullptr) return false;
  models_->Look(look);
  return true;
}

CountsByNode LivePipeline::Core::ModelCounts(const std::string& model) const {
  const MutexLock lock(mutex_);
  return models_ == nullptr ? CountsByNode() : models_->CountsOf(model);
}

bool LivePipeline::Core::OrderRestart(RestartOrder order, std::string* why) {
  const MutexLock lock(mutex_);
  if (look_.state != State::kFailed) *why = "no stage of this process has stopped";
  if (order_) *why = "a restart was ordered already";
  if (!why->empty()) return false;
  order_ = std::move(order);
  return true;
}

bool LivePipeline::Core::alive() const {
  const int64_t now = Clock::Real().NowNs();
  const int64_t run = run_tick_ns_.load();
  return now - tick_ns_.load() < kAliveNs && (run == 0 || now - run < kAliveNs);
}

void LivePipeline::Core::OnTick(std::function<void(const Look&)> tick) {
  const MutexLock lock(mutex_);
  on_tick_ = std::move(tick);
}

void LivePipeline::Core::TickOn() {
  auto next = std::chrono::steady_clock::now() + kTick;
  const MutexLock lock(mutex_);
  while (!ends_) {
    if (changed_.WaitUntil(mutex_, next, [this]() REQUIRES(mutex_) { return ends_; })) return;
    next = std::max(next + kTick, std::chrono::steady_clock::now());
    tick_ns_ = Clock::Real().NowNs();
    if (pipeline_ != nullptr) TakeSample();
    if (!on_tick_ || look_.started_ms == 0) continue;
    const auto tick = on_tick_;
    Look look = look_;
    const MutexUnlock unlock(mutex_);
    tick(WithWarnings(std::move(look)));
  }
}

void LivePipeline::Core::TakeSample() {
  look_.run = pipeline_->Snapshot();
  look_.measures = pipeline_->Measures();
  if (models_ != nullptr) {
    look_.models = models_->Now();
    look_.rollouts = models_->Rollouts();
  }
  KeepLast(kWindow, Sample{look_.run, look_.measures}, &window_);
  KeepLast(kMinute, LatenciesOf(look_.measures), &minute_);
  if (pipeline_->draining() && look_.state == State::kRunning) SetState(State::kDraining);
  SetRates();
  SetReadiness();
}

void LivePipeline::Core::SetState(State state) {
  look_.state = state;
  look_.since_ms = Clock::Real().WallMs();
  SetReadiness();
}

void LivePipeline::Core::SetRates() {
  look_.stage_rows_per_s.clear();
  look_.record_seconds.clear();
  look_.read_per_s = look_.committed_per_s = 0;
  look_.load = {};
  look_.before = {};
  look_.lanes.clear();
  if (window_.empty()) return;
  const Sample& before = window_.front();
  const Sample& now = window_.back();
  const double seconds = static_cast<double>(now.run.elapsed_ns - before.run.elapsed_ns) / 1e9;
  look_.read_per_s = PerSecond(before.run.rows_read, now.run.rows_read, seconds);
  look_.committed_per_s = PerSecond(before.run.rows_committed, now.run.rows_committed, seconds);
  for (size_t i = 0; i < now.run.stages.size(); ++i) {
    const StageCounts& stage = now.run.stages[i];
    const int64_t earlier = i < before.run.stages.size() ? before.run.stages[i].rows_out : 0;
    look_.stage_rows_per_s[stage.id] = PerSecond(earlier, stage.rows_out, seconds);
  }
  look_.before = before.measures;
  look_.lanes = LanesSince(before.measures, now.measures);
  const int workers = look_.options.workers > 0 ? look_.options.workers : CoresHere();
  look_.load = Judge(before.measures, now.measures, {.workers = workers, .cores = CoresHere()});
  for (const auto& [target, latest] : minute_.back()) {
    const auto earlier = minute_.front().find(target);
    look_.record_seconds[target] = earlier == minute_.front().end() ? latest : latest.Since(earlier->second);
  }
}

void LivePipeline::Core::SetReadiness() {
  look_.not_ready.clear();
  switch (look_.state) {
    case State::kStarting:
      look_.not_ready.push_back({"run", "starting: models and connections are being opened"});
      break;
    case State::kDraining: look_.not_ready.push_back({"run", "draining: it reads no more"}); break;
    case State::kStopped: look_.not_ready.push_back({"run", "stopped"}); break;
    case State::kFailed:
      look_.not_ready.push_back({"stage:" + look_.failure->stage, "stopped: " + ClassText(look_.failure->error_class)});
      break;
    case State::kRunning:
      for (AwayPart& part : pipeline_ == nullptr ? std::vector<AwayPart>() : pipeline_->Away()) {
        look_.not_ready.push_back({(part.kind == AwayPart::Kind::kSource ? "source:" : "target:") + part.id, part.why});
      }
      if (look_.not_ready.empty()) started_ = true;
      break;
  }
}

LivePipeline::LivePipeline(Identity identity) : identity_(std::move(identity)), core_(std::make_unique<Core>()) {}
LivePipeline::~LivePipeline() = default;

void LivePipeline::Starting(std::shared_ptr<const CheckedTopology> checked, const RunOptions& options) {
  core_->Starting(std::move(checked), options);
}
void LivePipeline::Running(const Pipeline& pipeline, const ModelAgent* models) { core_->Running(pipeline, models); }
void LivePipeline::Leaving() { core_->Leaving(); }
void LivePipeline::Ended(const RunSummary& summary) { core_->Ended(summary); }
void LivePipeline::Ticked() { core_->Ticked(); }
void LivePipeline::Warn(const std::string& line) { core_->Warn(line); }
std::optional<LivePipeline::RestartOrder> LivePipeline::TakeRestart() { return core_->TakeRestart(); }
LivePipeline::Look LivePipeline::Now() const { return core_->Now(); }
bool LivePipeline::LookAtModels(const std::function<void(const ControlState&)>& look) const {
  return core_->LookAtModels(look);
}
CountsByNode LivePipeline::ModelCounts(const std::string& model) const { return core_->ModelCounts(model); }
bool LivePipeline::OrderRestart(RestartOrder order, std::string* why) {
  return core_->OrderRestart(std::move(order), why);
}
bool LivePipeline::alive() const { return core_->alive(); }
bool LivePipeline::started() const { return core_->started(); }
void LivePipeline::OnTick(std::function<void(const Look&)> tick) { core_->OnTick(std::move(tick)); }

}  // namespace anabranch

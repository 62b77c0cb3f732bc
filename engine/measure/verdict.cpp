#include "engine/measure/verdict.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/durations.h"

namespace anabranch {
namespace {

constexpr double kHalf = 0.5;              // waits that make somebody the limit
constexpr double kMostly = 0.8;            // busy
constexpr double kLow = 0.1;               // levels of a node
constexpr int64_t kLeastNs = 500'000'000;  // a shorter window tells nothing
constexpr double kWorthIt = 0.8;           // larger calls are advised where a row takes so much less
constexpr uint32_t kMoreRows = 4;

std::string Percent(double share) { return std::to_string(std::lround(share * 100)) + " %"; }
std::string Quoted(const std::string& id) { return "\"" + id + "\""; }
// To two digits: it lies between two edges of a histogram.
std::string Milliseconds(double seconds) {
  const double step = std::pow(10, std::floor(std::log10(std::max(seconds, 1e-6))) - 1);
  return MillisecondsText(std::llround(std::round(seconds / step) * step * 1e9));
}

// The lanes' time in a window, as shares of all of it.
struct Shares {
  std::map<std::string, double> busy, waits, paused, starved;  // by culprit
  double all_busy = 0, all_waits = 0, all_paused = 0, all_starved = 0;

  // What lanes wait for it, to write, to commit, or to try again.
  std::map<std::string, double> Held() const {
    std::map<std::string, double> held = waits;
    for (const auto& [by, share] : paused) held[by] += share;
    return held;
  }
  double all_held() const { return all_waits + all_paused; }

  void Add(LaneState state, const std::string& by, double share) {
    switch (state) {
      case LaneState::kBusy:
      case LaneState::kCrew: busy[by] += share, all_busy += share; break;
      case LaneState::kBlocked:
      case LaneState::kCommitting: waits[by] += share, all_waits += share; break;
      case LaneState::kPaused: paused[by] += share, all_paused += share; break;
      case LaneState::kStarved: starved[by] += share, all_starved += share; break;
    }
  }
};

std::string Most(const std::map<std::string, double>& shares) {
  const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
  return shares.empty() ? "" : std::ranges::max_element(shares, less)->first;
}

double ShareOf(const std::map<std::string, double>& shares, const std::string& by) {
  const auto at = shares.find(by);
  return at == shares.end() ? 0 : at->second;
}

template <typename T>
const T* Find(const std::vector<T>& all, const std::string& id) {
  const auto at = std::ranges::find(all, id, &T::id);
  return at == all.end() ? nullptr : &*at;
}

// False: the window is too short.
bool TakeShares(const MeasureSnapshot& before, const MeasureSnapshot& now, Shares* shares) {
  std::map<std::pair<LaneState, std::string>, int64_t> ns;
  int64_t wall = 0;
  const auto add = [&](const MeasureSnapshot& snapshot, int64_t sign) {
    for (const LaneMeasures& lane : snapshot.lanes) {
      wall += sign * lane.wall_ns;
      for (const LaneShare& share : lane.shares) ns[{share.state, share.by}] += sign * share.ns;
    }
  };
  add(now, 1);
  add(before, -1);
  const auto lanes = static_cast<int64_t>(now.lanes.size());
  if (lanes == 0 || wall < kLeastNs * lanes) return false;
  for (const auto& [key, part] : ns) {
    if (part > 0) shares->Add(key.first, key.second, static_cast<double>(part) / static_cast<double>(wall));
  }
  return true;
}

bool IsBehind(const SourceMeasures& source) {
  return std::ranges::any_of(source.partitions, [](const PartitionMeasures& each) {
    return each.lag_records > 0 || (each.end != kUnknown && each.next != kUnknown && each.next < each.end);
  });
}

// What waits to be read and to be committed.
struct Backlog {
  int64_t came = 0;     // records in the window
  int64_t records = 0;  // that wait, where it is known
  bool waits = false;   // more than a second's work
  bool unknown = false;
};

Backlog TakeBacklog(const MeasureSnapshot& before, const MeasureSnapshot& now) {
  Backlog backlog;
  bool behind = false;
  for (const SourceMeasures& source : now.sources) {
    const SourceMeasures* was = Find(before.sources, source.id);
    backlog.came += source.records - (was != nullptr ? was->records : 0);
    for (const PartitionMeasures& partition : source.partitions) {
      if (partition.end == kUnknown || partition.next == kUnknown) {
        backlog.unknown = true;
      } else if (partition.lag_records != kUnknown) {
        backlog.records += partition.lag_records;
      } else {
        behind = behind || partition.next < partition.end;
      }
    }
  }
  const double seconds = std::max(1e-3, static_cast<double>(now.elapsed_ns - before.elapsed_ns) * 1e-9);
  const double per_second = static_cast<double>(backlog.came) / seconds;
  backlog.waits = behind || static_cast<double>(backlog.records) > per_second;
  return backlog;
}

Verdict OfTarget(const MeasureSnapshot& before, const MeasureSnapshot& now, const std::string& by, double share) {
  Verdict verdict{Verdict::Kind::kTarget, by, "", ""};
  const TargetMeasures* target = Find(now.targets, verdict.by);
  const TargetMeasures* was = Find(before.targets, verdict.by);
  verdict.text = "target " + Quoted(verdict.by) + (target != nullptr ? " (" + target->connector + ")" : "") +
                 " is the limit: lanes wait " + Percent(share) + " of the time for it";
  if (target == nullptr) return verdict;
  const HistogramCounts commits =
      was != nullptr ? target->commit_seconds.Since(was->commit_seconds) : target->commit_seconds;
  if (commits.count() > 0) verdict.text += "; commit p50 " + Milliseconds(commits.Quantile(0.5));
  const double window = static_cast<double>(now.elapsed_ns - before.elapsed_ns) * 1e-9;
  const bool commits_take_long = commits.sum >= kHalf * window * static_cast<double>(now.lanes.size());
  verdict.advice = commits_take_long ? "fewer, larger commits cost less: raise \"commit_ms\" of \"epoch\""
                                     : "it takes rows more slowly than they are made: look at its load and its network";
  return verdict;
}

Verdict OfPause(const std::string& by, double share) {
  Verdict verdict{Verdict::Kind::kPaused, by, "", ""};
  verdict.text = Quoted(by) + " is in trouble: lanes wait " + Percent(share) + " of the time to try it again";
  verdict.advice = "the log says what it answers";
  return verdict;
}

// Whom the lanes wait for most, and for that alone.
Verdict OfHeld(const MeasureSnapshot& before, const MeasureSnapshot& now, const Shares& shares) {
  const std::map<std::string, double> held = shares.Held();
  const std::string by = Most(held);
  const double paused = ShareOf(shares.paused, by);
  if (paused >= ShareOf(shares.waits, by)) return OfPause(by, paused);
  return OfTarget(before, now, by, held.at(by));
}

// A call with more rows, where that takes less time per row.
std::string LargerCalls(const NodeMeasures& node, double rows) {
  const NodeMeasures::CurvePoint *here = nullptr, *more = nullptr;
  for (const NodeMeasures::CurvePoint& point : node.curve) {
    if (point.rows <= std::max(1.0, rows)) here = &point;
    if (more == nullptr && point.rows >= rows * kMoreRows) more = &point;
  }
  if (here == nullptr || more == nullptr) return "";
  const double cost = (more->seconds / more->rows) / (here->seconds / here->rows);
  if (cost > kWorthIt) return "";
  return "calls of " + std::to_string(more->rows) + " rows take " + Percent(1 - cost) +
         " less time per row: raise \"max_rows\" of \"batch\"";
}

Verdict OfNode(const MeasureSnapshot& before, const MeasureSnapshot& now, const Shares& shares,
               const JudgeOptions& options) {
  Verdict verdict{Verdict::Kind::kNode, Most(shares.busy), "", ""};
  const std::string share = Percent(shares.busy.at(verdict.by) / shares.all_busy) + " of busy time";
  const bool idle_cores = options.workers < options.cores;
  const std::string workers = "cores are idle: --workers " + std::to_string(options.cores);
  const NodeMeasures* node = Find(now.nodes, verdict.by);
  if (node == nullptr) {
    verdict.kind = Verdict::Kind::kReading;
    verdict.text = "source " + Quoted(verdict.by) + " is the limit: " + share + " goes into reading and decoding";
    verdict.advice = idle_cores ? workers : "";
    return verdict;
  }
  const NodeMeasures* was = Find(before.nodes, verdict.by);
  const auto since = [&](HistogramCounts NodeMeasures::* rows) {
    return was != nullptr ? (node->*rows).Since(was->*rows) : node->*rows;
  };
  const bool calls = !node->call_rows.edges.empty();
  const HistogramCounts counts = since(calls ? &NodeMeasures::call_rows : &NodeMeasures::batch_rows);
  const double rows = counts.count() > 0 ? counts.sum / static_cast<double>(counts.count()) : 0;
  verdict.text = "node " + Quoted(verdict.by) + " is the limit: " + share;
  if (rows > 0) verdict.text += ", " + std::to_string(std::lround(rows)) + " rows per " + (calls ? "call" : "batch");
  verdict.advice = rows > 0 ? LargerCalls(*node, rows) : "";
  if (verdict.advice.empty() && idle_cores) verdict.advice = workers;
  return verdict;
}

// Lanes may starve for a source that has nothing to give while another one is behind.
Verdict OfReading(const MeasureSnapshot& now, const Shares& shares) {
  std::map<std::string, double> starved;
  for (const auto& [by, share] : shares.starved) {
    const SourceMeasures* source = Find(now.sources, by);
    if (source != nullptr && IsBehind(*source)) starved[by] = share;
  }
  const std::string by = Most(starved.empty() ? shares.starved : starved);
  Verdict verdict{Verdict::Kind::kReading, by, "", ""};
  verdict.text = "reading is the limit: records wait, and lanes starve " + Percent(ShareOf(shares.starved, by)) +
                 " of the time for source " + Quoted(by);
  verdict.advice =
      "look at the load of its brokers and at the network; a transaction that is still open also holds records back";
  return verdict;
}

Verdict Decide(const MeasureSnapshot& before, const MeasureSnapshot& now, const Shares& shares,
               const JudgeOptions& options) {
  const Backlog backlog = TakeBacklog(before, now);
  if (shares.all_held() >= kHalf) return OfHeld(before, now, shares);
  if (shares.all_busy >= kMostly && (backlog.waits || backlog.unknown)) return OfNode(before, now, shares, options);
  if (backlog.waits && shares.all_starved >= kHalf) return OfReading(now, shares);
  if (backlog.waits) {  // no single one holds the lanes for most of the time: the one that does it most
    const bool by_held = shares.all_held() >= std::max(shares.all_busy, shares.all_starved);
    const bool by_node = shares.all_busy >= shares.all_starved;
    return by_held   ? OfHeld(before, now, shares)
           : by_node ? OfNode(before, now, shares, options)
                     : OfReading(now, shares);
  }
  if (backlog.came == 0) return {Verdict::Kind::kIdle, "", "nothing comes: everything is read and committed", ""};
  return {Verdict::Kind::kKeepingUp, "", "keeping up: lanes are busy " + Percent(shares.all_busy) + " of the time", ""};
}

}  // namespace

const char* NameOf(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kStarting: return "starting";
    case Verdict::Kind::kTarget: return "target";
    case Verdict::Kind::kPaused: return "paused";
    case Verdict::Kind::kNode: return "node";
    case Verdict::Kind::kReading: return "reading";
    case Verdict::Kind::kIdle: return "idle";
    case Verdict::Kind::kKeepingUp: return "keeping_up";
  }
  return "";
}

LoadReport Judge(const MeasureSnapshot& before, const MeasureSnapshot& now, const JudgeOptions& options) {
  LoadReport report;
  Shares shares;
  const bool enough = TakeShares(before, now, &shares);
  for (const NodeMeasures& node : now.nodes) {
    NodeLoad& load = report.nodes.emplace_back();
    load.id = node.id;
    const auto at = shares.busy.find(node.id);
    if (at == shares.busy.end()) continue;
    load.share = at->second / shares.all_busy;
    load.level = at->second > kHalf ? "HIGH" : at->second > kLow ? "LOW" : "OK";
  }
  report.verdict = enough ? Decide(before, now, shares, options)
                          : Verdict{Verdict::Kind::kStarting, "", "starting: nothing can be said yet", ""};
  return report;
}

}  // namespace anabranch

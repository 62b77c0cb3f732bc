#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "engine/mutex.h"
#include "engine/plan_graph.h"
#include "engine/record_id.h"
#include "engine/text/json_object.h"
#include "topologies/operate/failure_view.h"
#include "topologies/operate/history.h"
#include "topologies/operate/history_store.h"

namespace anabranch {
namespace {

// Now, and what a series of minutes is made from.
struct Marks {
  int64_t minute = 0;  // that is not over, since 1970
  int64_t elapsed_ns = 0;
  std::map<std::string, StageCounts> stages;
  std::map<std::string, HistogramCounts> seconds;  // of batches; of a target from the intake of a record
};

std::map<std::string, HistogramCounts> SecondsOf(const MeasureSnapshot& measures) {
  std::map<std::string, HistogramCounts> seconds;
  for (const NodeMeasures& node : measures.nodes) seconds[node.id] = node.batch_seconds;
  for (const TargetMeasures& target : measures.targets) seconds[target.id] = target.intake_seconds;
  return seconds;
}

Marks MarksOf(const LivePipeline::Look& look, int64_t now_ms) {
  Marks marks;
  marks.minute = now_ms / kMinuteMs;
  marks.elapsed_ns = look.run.elapsed_ns;
  for (const StageCounts& stage : look.run.stages) marks.stages[stage.id] = stage;
  marks.seconds = SecondsOf(look.measures);
  return marks;
}

std::string NewRunId(int64_t now_ms) {
  static thread_local std::mt19937_64 random{std::random_device()()};
  char id[40];
  std::snprintf(id, sizeof id, "%013llx%04x", static_cast<unsigned long long>(now_ms),
                static_cast<unsigned>(random() & 0xFFFF));
  return id;
}

std::string PositionsJson(const LivePipeline::Look& look) {
  JsonObject sources;
  for (const SourceMeasures& source : look.measures.sources) {
    JsonObject positions;
    for (const PartitionMeasures& partition : source.partitions) {
      if (partition.next == kUnknown) continue;
      positions.AddNumber(partition.topic + "/" + std::to_string(partition.partition), partition.next);
    }
    sources.AddJson(source.id, positions.text());
  }
  return sources.text();
}

std::vector<std::string> StageNames(const LivePipeline::Look& look) {
  std::vector<std::string> names;
  for (const StageCounts& stage : look.run.stages) names.push_back(stage.id);
  return names;
}

// The run that is written.
struct OpenRun {
  std::string id, parent, root;
  std::string parents_stage;  // where the parent failed
  int64_t started_ms = 0;
};

// A letter per stage: see docs/reference/api.md.
std::string CellsOf(const LivePipeline::Look& look, const OpenRun& run) {
  const bool planned = look.checked != nullptr && look.checked->plan != nullptr;
  std::vector<bool> below_failed, below_parents;
  if (planned) {
    const Plan& plan = *look.checked->plan;
    if (look.failure) below_failed = StageAndBelow(plan, FindStage(plan, look.failure->stage));
    if (!run.parents_stage.empty()) below_parents = StageAndBelow(plan, FindStage(plan, run.parents_stage));
  }
  const auto is = [](const std::vector<bool>& all, size_t stage) { return stage < all.size() && all[stage]; };
  std::string cells;
  for (size_t i = 0; i < look.run.stages.size(); ++i) {
    const StageCounts& stage = look.run.stages[i];
    if (look.failure && look.failure->stage == stage.id) {
      cells += 'f';
    } else if (stage.dead_lettered > 0) {
      cells += 'd';
    } else if (stage.rows_in == 0) {
      cells += is(below_failed, i) ? 's' : !run.parents_stage.empty() && !is(below_parents, i) ? 'r' : '.';
    } else {
      cells += is(below_parents, i) ? 'c' : 'o';
    }
  }
  return cells;
}

void BindOrNull(SqliteStatement& statement, int parameter, const std::string& text) {
  text.empty() ? statement.BindNull(parameter) : statement.BindText(parameter, text);
}

}  // namespace

class HistoryWriter::Core {
 public:
  Core(std::string state_dir, const Clock& clock) : state_dir_(std::move(state_dir)), clock_(clock) {}

  Status Begin(const LivePipeline::Look& look) {
    const MutexLock lock(mutex_);
    db_.reset();  // `run --fresh` has moved the folder's content away
    run_ = {};
    marks_ = {};  // its counts begin at zero
    marks_.minute = clock_.WallMs() / kMinuteMs;
    return Once(StartRun(look));
  }

  Status Note(const LivePipeline::Look& look) {
    const MutexLock lock(mutex_);
    if (run_.id.empty() || clock_.WallMs() / kMinuteMs == marks_.minute) return {};
    return Once(WriteMinute(look, "running", "", ""));
  }

  Status End(const LivePipeline::Look& look, const RunSummary& summary, bool input_ended) {
    const MutexLock lock(mutex_);
    if (run_.id.empty()) return {};
    std::string state = input_ended ? "done" : "stopped", cause, stage;
    if (summary.failure) {
      state = "failed";
      cause = ClassText(summary.failure->error_class);
      stage = summary.failure->stage;
    } else if (!summary.status.ok() && summary.status.code() != Code::kCancelled) {
      state = "failed";  // the message may quote what a target said of a record
      cause = "a source or target could not be used any more";
    }
    const Status written = WriteMinute(look, state, cause, stage);
    run_ = {};
    db_.reset();
    return Once(written);
  }

 private:
  // Tells a trouble once, and again when it came after things went well.
  Status Once(const Status& status) REQUIRES(mutex_) {
    if (status.ok()) {
      told_.clear();
      if (!moved_) return status;
      moved_ = false;
      return {Code::kInternal,
              "the history was damaged: it is kept as " + HistoryPath(state_dir_) + ".damaged, and a new one begins"};
    }
    db_.reset();  // opened again the next time
    if (!told_.insert(static_cast<int>(status.code())).second) return {};
    return status.WithContext("the history is not written, the run goes on");
  }

  Status Opened() REQUIRES(mutex_) {
    if (db_ != nullptr) return {};
    bool moved = false;
    ASSIGN_OR_RETURN(db_, OpenHistory(state_dir_, &moved));
    moved_ = moved_ || moved;
    return {};
  }

  Status StartRun(const LivePipeline::Look& look) REQUIRES(mutex_) {
    const int64_t now_ms = clock_.WallMs();
    run_.id = NewRunId(now_ms);
    run_.root = run_.id;
    run_.started_ms = now_ms;
    RETURN_IF_ERROR(Opened());
    SqliteTransaction transaction(*db_);
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(CloseLost());
    if (look.options.start == RunStart::kRestart) RETURN_IF_ERROR(FindParent());
    RETURN_IF_ERROR(PutRun(look, "running", "", ""));
    RETURN_IF_ERROR(TrimHistory(*db_, now_ms));
    return transaction.Commit();
  }

  // Runs whose process ended without a word.
  Status CloseLost() REQUIRES(mutex_) {
    return db_->Execute(
        "UPDATE run SET state = 'failed', ended = seen, cause = 'its process was killed, or crashed' "
        "WHERE state = 'running'");
  }

  Status FindParent() REQUIRES(mutex_) {
    ASSIGN_OR_RETURN(SqliteStatement newest,
                     db_->Prepare("SELECT id, root, stage FROM run ORDER BY started DESC, id DESC LIMIT 1"));
    ASSIGN_OR_RETURN(const bool found, newest.Step());
    if (!found) return {};
    run_.parent = newest.Text(0);
    run_.root = newest.Text(1);
    run_.parents_stage = newest.Text(2);
    return {};
  }

  Result<int64_t> IdOf(const char* table, const char* column, const std::string& text) REQUIRES(mutex_) {
    const std::string name(table);
    ASSIGN_OR_RETURN(SqliteStatement add, db_->Prepare("INSERT OR IGNORE INTO " + name + "(" + column + ") VALUES(?)"));
    add.BindText(1, text);
    RETURN_IF_ERROR(add.Run());
    ASSIGN_OR_RETURN(SqliteStatement find, db_->Prepare("SELECT id FROM " + name + " WHERE " + column + " = ?"));
    find.BindText(1, text);
    RETURN_IF_ERROR(find.Step().status());
    return find.Integer(0);
  }

  Status PutRun(const LivePipeline::Look& look, const std::string& state, const std::string& cause,
                const std::string& stage) REQUIRES(mutex_) {
    ASSIGN_OR_RETURN(const int64_t layout, IdOf("layout", "stages", JsonStrings(StageNames(look))));
    ASSIGN_OR_RETURN(SqliteStatement put,
                     db_->Prepare("INSERT OR REPLACE INTO run(id, parent, root, started, seen, ended, state, cause, "
                                  "stage, hash, version, records, layout, cells, positions) "
                                  "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    const int64_t now_ms = clock_.WallMs();
    const std::string hash = look.checked != nullptr && look.checked->plan ? look.checked->plan->hash : "";
    const std::string cells = CellsOf(look, run_), positions = PositionsJson(look);
    put.BindText(1, run_.id);
    BindOrNull(put, 2, run_.parent);
    put.BindText(3, run_.root);
    put.Bind(4, run_.started_ms);
    put.Bind(5, now_ms);
    state == "running" ? put.BindNull(6) : put.Bind(6, now_ms);
    put.BindText(7, state);
    BindOrNull(put, 8, cause);
    BindOrNull(put, 9, stage);
    put.BindText(10, hash);
    put.BindText(11, ANABRANCH_VERSION);
    put.Bind(12, look.run.rows_committed);
    put.Bind(13, layout);
    put.BindText(14, cells);
    put.BindText(15, positions);
    return put.Run();
  }

  Status PutStages(const LivePipeline::Look& look) REQUIRES(mutex_) {
    ASSIGN_OR_RETURN(SqliteStatement put,
                     db_->Prepare("INSERT OR REPLACE INTO run_stage(run, position, stage, rows_in, rows_out, failed, "
                                  "skipped, dead_lettered, seconds) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    for (size_t i = 0; i < look.run.stages.size(); ++i) {
      const StageCounts& stage = look.run.stages[i];
      put.BindText(1, run_.id);
      put.Bind(2, static_cast<int64_t>(i));
      put.BindText(3, stage.id);
      put.Bind(4, stage.rows_in);
      put.Bind(5, stage.rows_out);
      put.Bind(6, stage.failed);
      put.Bind(7, stage.skipped);
      put.Bind(8, stage.dead_lettered);
      put.BindReal(9, static_cast<double>(stage.busy_ns) / 1e9);
      RETURN_IF_ERROR(put.Run());
    }
    return {};
  }

  // What the stages did since the marks, under the minute of the marks.
  Status PutMinute(const Marks& now) REQUIRES(mutex_) {
    ASSIGN_OR_RETURN(
        SqliteStatement put,
        db_->Prepare("INSERT INTO minute(stage, t, rows, failed, busy, p50, p99) VALUES(?, ?, ?, ?, ?, ?, ?) "
                     "ON CONFLICT(stage, t) DO UPDATE SET rows = rows + excluded.rows, failed = failed + "
                     "excluded.failed, busy = max(busy, excluded.busy), p50 = coalesce(excluded.p50, p50), "
                     "p99 = max(coalesce(p99, 0), coalesce(excluded.p99, 0))"));
    const double span_ns = static_cast<double>(std::max<int64_t>(1, now.elapsed_ns - marks_.elapsed_ns));
    for (const auto& [name, counts] : now.stages) {
      const auto known = marks_.stages.find(name);
      const StageCounts before = known == marks_.stages.end() ? StageCounts{} : known->second;
      ASSIGN_OR_RETURN(const int64_t stage, IdOf("stage", "name", name));
      put.Bind(1, stage);
      put.Bind(2, marks_.minute * kMinuteMs);
      put.Bind(3, counts.rows_in - before.rows_in);
      put.Bind(4, counts.failed - before.failed);
      put.BindReal(5, static_cast<double>(counts.busy_ns - before.busy_ns) / span_ns);
      put.BindNull(6);
      put.BindNull(7);
      const auto seconds = now.seconds.find(name);
      const auto earlier = marks_.seconds.find(name);
      if (seconds != now.seconds.end()) {
        const bool first = earlier == marks_.seconds.end() || earlier->second.edges.empty();
        const HistogramCounts since = first ? seconds->second : seconds->second.Since(earlier->second);
        if (since.count() > 0) put.BindReal(6, since.Quantile(0.5)), put.BindReal(7, since.Quantile(0.99));
      }
      RETURN_IF_ERROR(put.Run());
    }
    return {};
  }

  Status WriteMinute(const LivePipeline::Look& look, const std::string& state, const std::string& cause,
                     const std::string& stage) REQUIRES(mutex_) {
    const int64_t now_ms = clock_.WallMs();
    const Marks now = MarksOf(look, now_ms);
    RETURN_IF_ERROR(Opened());
    SqliteTransaction transaction(*db_);
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(PutRun(look, state, cause, stage));
    RETURN_IF_ERROR(PutStages(look));
    if (now.elapsed_ns > marks_.elapsed_ns) RETURN_IF_ERROR(PutMinute(now));
    RETURN_IF_ERROR(TrimHistory(*db_, now_ms));
    RETURN_IF_ERROR(transaction.Commit());
    marks_ = now;  // what could not be written is written with the next minute
    return {};
  }

  const std::string state_dir_;
  const Clock& clock_;
  Mutex mutex_;
  std::unique_ptr<SqliteDatabase> db_ GUARDED_BY(mutex_);
  OpenRun run_ GUARDED_BY(mutex_);
  Marks marks_ GUARDED_BY(mutex_);
  std::set<int> told_ GUARDED_BY(mutex_);
  bool moved_ GUARDED_BY(mutex_) = false;
};

HistoryWriter::HistoryWriter(const std::string& state_dir, const Clock& clock)
    : core_(std::make_unique<Core>(state_dir, clock)) {}
HistoryWriter::~HistoryWriter() = default;

Status HistoryWriter::Begin(const LivePipeline::Look& look) { return core_->Begin(look); }
Status HistoryWriter::Note(const LivePipeline::Look& look) { return core_->Note(look); }
Status HistoryWriter::End(const LivePipeline::Look& look, const RunSummary& summary, bool input_ended) {
  return core_->End(look, summary, input_ended);
}

}  // namespace anabranch

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "engine/text/instant.h"
#include "engine/text/json_literals.h"
#include "engine/text/json_object.h"
#include "topologies/operate/history.h"
#include "topologies/operate/history_store.h"

namespace anabranch {
namespace {

constexpr int64_t kSlotMs = 15 * kMinuteMs;
constexpr int64_t kMostSlots = 4 * 24 * 7;  // of one run: a week
constexpr char kRunColumns[] =
    "SELECT r.id, parent, root, started, seen, ended, state, cause, r.stage, hash, version, records, cells, l.stages, "
    "positions FROM run r JOIN layout l ON l.id = layout ";

struct Metric {
  const char* name;
  const char* unit;
};
constexpr std::array kMetrics = {Metric{"rows", "rows"}, Metric{"failed", "rows"}, Metric{"busy", "share"},
                                 Metric{"p50", "seconds"}, Metric{"p99", "seconds"}};

std::string Moment(int64_t ms) { return "\"" + FormatInstant(ms) + "\""; }

// A row of kRunColumns.
struct RunRow {
  explicit RunRow(const SqliteStatement& row)
      : started(row.Integer(3)), until(row.IsNull(5) ? row.Integer(4) : row.Integer(5)), cells(row.Text(12)) {
    const auto list = nlohmann::json::parse(row.Text(13), nullptr, false);
    if (list.is_array()) {
      for (const auto& name : list) stages.push_back(name.get<std::string>());
    }
    const auto text = [&](int column) {
      return row.IsNull(column) ? std::string("null") : JsonBytes(row.Text(column));
    };
    json.AddText("id", row.Text(0)).AddJson("parent", text(1)).AddText("root", row.Text(2));
    json.AddJson("started", Moment(started)).AddJson("ended", row.IsNull(5) ? "null" : Moment(row.Integer(5)));
    json.AddText("state", row.Text(6)).AddJson("cause", text(7)).AddJson("stage", text(8));
    json.AddText("hash", row.Text(9)).AddText("version", row.Text(10)).AddNumber("records", row.Integer(11));
    json.AddReal("seconds", static_cast<double>(until - started) / 1000);
    positions = row.Text(14);
  }
  std::string With(const std::string& letters) { return json.AddText("cells", letters).text(); }

  int64_t started, until;
  std::string cells, positions;
  std::vector<std::string> stages;
  JsonObject json;
};

// The run's letters in the order of `names`.
std::string CellsIn(const RunRow& run, const std::vector<std::string>& names) {
  if (run.stages == names) return run.cells;
  std::string letters;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(run.stages, name);
    const auto at = static_cast<size_t>(found - run.stages.begin());
    letters += found == run.stages.end() || at >= run.cells.size() ? '.' : run.cells[at];
  }
  return letters;
}

}  // namespace

class HistoryReader::Core {
 public:
  Core(std::unique_ptr<SqliteDatabase> db, const Clock& clock) : db_(std::move(db)), clock_(clock) {}

  Result<std::string> Runs(int64_t before_ms, int limit) {
    ASSIGN_OR_RETURN(
        SqliteStatement select,
        db_->Prepare(std::string(kRunColumns) + "WHERE started < ? ORDER BY started DESC, r.id DESC LIMIT ?"));
    select.Bind(1, before_ms > 0 ? before_ms : INT64_MAX);
    select.Bind(2, limit);
    std::vector<RunRow> runs;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, select.Step());
      if (!more) break;
      runs.emplace_back(select);
    }
    // The stages of the newest run, then those that only older ones have.
    std::vector<std::string> names;
    const std::vector<std::string>* last = nullptr;
    for (const RunRow& run : runs) {
      if (last != nullptr && *last == run.stages) continue;
      last = &run.stages;
      for (const std::string& stage : run.stages) {
        if (std::ranges::find(names, stage) == names.end()) names.push_back(stage);
      }
    }
    std::vector<std::string> texts;
    for (RunRow& run : runs) {
      const std::string letters = CellsIn(run, names);
      texts.push_back(run.With(letters));
    }
    ASSIGN_OR_RETURN(SqliteStatement count, db_->Prepare("SELECT count(*) FROM run"));
    RETURN_IF_ERROR(count.Step().status());
    JsonObject json;
    json.AddJson("stages", JsonStrings(names)).AddJson("runs", JsonList(texts));
    return json.AddNumber("total", count.Integer(0)).text();
  }

  Result<std::string> Run(const std::string& id) {
    ASSIGN_OR_RETURN(SqliteStatement select, db_->Prepare(std::string(kRunColumns) + "WHERE r.id = ?"));
    select.BindText(1, id);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return Status(Code::kInvalid, "the history has no run \"" + id + "\"");
    RunRow run(select);
    JsonObject json;
    json.AddJson("run", run.With(run.cells));
    ASSIGN_OR_RETURN(const std::string stages, StagesOf(id));
    ASSIGN_OR_RETURN(const std::string slots, SlotsOf(run));
    return json.AddJson("stages", stages).AddJson("positions", run.positions).AddJson("minutes", slots).text();
  }

  Result<std::string> Series(const std::string& stage, const std::string& metric, int64_t from_ms) {
    const auto known = std::ranges::find(kMetrics, metric, [](const Metric& each) { return std::string(each.name); });
    if (known == kMetrics.end()) {
      return Status(Code::kInvalid, "\"" + metric + "\" is no metric; known: rows, failed, busy, p50, p99");
    }
    const bool hours = from_ms < clock_.WallMs() - kKeptMinutesMs;
    const int64_t step_ms = hours ? kHourMs : kMinuteMs;
    ASSIGN_OR_RETURN(SqliteStatement select,
                     db_->Prepare(std::string("SELECT t, ") + known->name + " FROM " + (hours ? "hour" : "minute") +
                                  " WHERE stage = (SELECT id FROM stage WHERE name = ?) AND t >= ? ORDER BY t"));
    select.BindText(1, stage);
    select.Bind(2, from_ms);
    std::vector<std::string> points;
    int64_t last = 0;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, select.Step());
      if (!more) break;
      const int64_t t = select.Integer(0);
      if (last != 0 && t > last + step_ms) points.push_back("[" + std::to_string(last + step_ms) + ", null]");
      std::string point = "[" + std::to_string(t) + ", ";
      if (select.IsNull(1)) {
        point += "null";
      } else {
        AppendJsonNumber(&point, select.Real(1));
      }
      points.push_back(point + "]");
      last = t;
    }
    JsonObject json;
    json.AddText("stage", stage).AddText("metric", metric).AddText("unit", known->unit);
    return json.AddNumber("step", step_ms / 1000).AddJson("points", JsonList(points)).text();
  }

 private:
  Result<std::string> StagesOf(const std::string& id) {
    ASSIGN_OR_RETURN(SqliteStatement select,
                     db_->Prepare("SELECT stage, rows_in, rows_out, failed, skipped, dead_lettered, seconds FROM "
                                  "run_stage WHERE run = ? ORDER BY position"));
    select.BindText(1, id);
    JsonObject stages;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, select.Step());
      if (!more) return stages.text();
      JsonObject one;
      one.AddNumber("rows_in", select.Integer(1)).AddNumber("rows_out", select.Integer(2));
      one.AddNumber("failed", select.Integer(3)).AddNumber("skipped", select.Integer(4));
      one.AddNumber("dead_lettered", select.Integer(5)).AddReal("seconds", select.Real(6));
      stages.AddJson(select.Text(0), one.text());
    }
  }

  // Quarters of an hour in which the run did something: rows of its busiest stage, and failures of all.
  Result<std::string> SlotsOf(const RunRow& run) {
    ASSIGN_OR_RETURN(SqliteStatement select,
                     db_->Prepare("SELECT slot, max(rows), sum(failed) FROM (SELECT t / ?1 * ?1 AS slot, sum(rows) AS "
                                  "rows, sum(failed) AS failed FROM minute WHERE stage IN (SELECT id FROM stage WHERE "
                                  "name IN (SELECT value FROM json_each(?4))) AND t >= ?2 AND t <= ?3 GROUP BY slot, "
                                  "stage) GROUP BY slot ORDER BY slot"));
    select.Bind(1, kSlotMs);
    select.Bind(2, std::max(run.started - kMinuteMs, run.until - kMostSlots * kSlotMs));
    select.Bind(3, run.until);
    const std::string names = JsonStrings(run.stages);
    select.BindText(4, names);
    std::vector<std::string> slots;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, select.Step());
      if (!more) return JsonList(slots);
      JsonObject slot;
      slot.AddJson("from", Moment(select.Integer(0))).AddNumber("rows", select.Integer(1));
      slots.push_back(slot.AddNumber("failed", select.Integer(2)).text());
    }
  }

  const std::unique_ptr<SqliteDatabase> db_;
  const Clock& clock_;
};

HistoryReader::HistoryReader(std::unique_ptr<Core> core) : core_(std::move(core)) {}
HistoryReader::~HistoryReader() = default;

Result<std::unique_ptr<HistoryReader>> HistoryReader::Open(const std::string& state_dir, const Clock& clock) {
  ASSIGN_OR_RETURN(auto db, ReadHistory(state_dir));
  return std::unique_ptr<HistoryReader>(new HistoryReader(std::make_unique<Core>(std::move(db), clock)));
}

Result<std::string> HistoryReader::Runs(int64_t before_ms, int limit) { return core_->Runs(before_ms, limit); }
Result<std::string> HistoryReader::Run(const std::string& id) { return core_->Run(id); }
Result<std::string> HistoryReader::Series(const std::string& stage, const std::string& metric, int64_t from_ms) {
  return core_->Series(stage, metric, from_ms);
}

}  // namespace anabranch

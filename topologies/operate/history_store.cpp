#include "topologies/operate/history_store.h"

#include <filesystem>

namespace anabranch {
namespace {

constexpr int kFormat = 1;
constexpr int kBusyMs = 250;
// The file has some room beyond what is kept, for what is written before the next look at the bounds.
constexpr int64_t kTrimmedBytes = kMostHistoryBytes - (int64_t{8} << 20);

// Times are milliseconds since 1970. `cells` has a letter per stage of `layout`; `seen` is the last time that the run
// was known to be at work. `minute` and `hour` are by stage first: a series reads one stretch of them.
constexpr char kTables[] = R"(
CREATE TABLE layout(id INTEGER PRIMARY KEY, stages TEXT NOT NULL UNIQUE);
CREATE TABLE run(id TEXT PRIMARY KEY, parent TEXT, root TEXT NOT NULL, started INTEGER NOT NULL, seen INTEGER NOT NULL,
  ended INTEGER, state TEXT NOT NULL, cause TEXT, stage TEXT, hash TEXT NOT NULL, version TEXT NOT NULL,
  records INTEGER NOT NULL, layout INTEGER NOT NULL, cells TEXT NOT NULL, positions TEXT NOT NULL);
CREATE INDEX run_started ON run(started);
CREATE TABLE run_stage(run TEXT NOT NULL, position INTEGER NOT NULL, stage TEXT NOT NULL, rows_in INTEGER NOT NULL,
  rows_out INTEGER NOT NULL, failed INTEGER NOT NULL, skipped INTEGER NOT NULL, dead_lettered INTEGER NOT NULL,
  seconds REAL NOT NULL, PRIMARY KEY(run, position)) WITHOUT ROWID;
CREATE TABLE stage(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE minute(stage INTEGER NOT NULL, t INTEGER NOT NULL, rows INTEGER NOT NULL, failed INTEGER NOT NULL,
  busy REAL NOT NULL, p50 REAL, p99 REAL, PRIMARY KEY(stage, t)) WITHOUT ROWID;
CREATE TABLE hour(stage INTEGER NOT NULL, t INTEGER NOT NULL, rows INTEGER NOT NULL, failed INTEGER NOT NULL,
  busy REAL NOT NULL, p50 REAL, p99 REAL, PRIMARY KEY(stage, t)) WITHOUT ROWID;
CREATE TABLE summed(t INTEGER NOT NULL);
INSERT INTO summed VALUES(0);
PRAGMA user_version = 1;
)";

Result<int64_t> NumberOf(SqliteDatabase& db, const std::string& sql) {
  ASSIGN_OR_RETURN(SqliteStatement statement, db.Prepare(sql));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  return found ? statement.Integer(0) : 0;
}

Status Prepare(SqliteDatabase& db) {
  // Losing the last minutes to a power loss is no harm.
  RETURN_IF_ERROR(db.Execute("PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=1048576"));
  ASSIGN_OR_RETURN(const int64_t page, NumberOf(db, "PRAGMA page_size"));
  RETURN_IF_ERROR(db.Execute("PRAGMA max_page_count=" + std::to_string(kMostHistoryBytes / page)));
  ASSIGN_OR_RETURN(const int64_t format, NumberOf(db, "PRAGMA user_version"));
  if (format == kFormat) {
    // Reads the tables' roots: a file cut short shows here.
    return NumberOf(db, "SELECT (SELECT count(*) FROM layout) + (SELECT max(rowid) FROM run)").status();
  }
  if (format != 0) return {Code::kInternal, db.path() + " has the format " + std::to_string(format)};
  SqliteTransaction transaction(db);
  RETURN_IF_ERROR(transaction.Begin());
  RETURN_IF_ERROR(db.Execute(kTables));
  return transaction.Commit();
}

Result<std::unique_ptr<SqliteDatabase>> OpenOnce(const std::string& path) {
  ASSIGN_OR_RETURN(auto db, SqliteDatabase::Open(path, SqliteDatabase::Mode::kReadWrite, kBusyMs));
  RETURN_IF_ERROR(Prepare(*db));
  return db;
}

Status SumHours(SqliteDatabase& db, int64_t now_ms) {
  const std::string hour = std::to_string(now_ms / kHourMs * kHourMs);
  ASSIGN_OR_RETURN(const int64_t summed, NumberOf(db, "SELECT t FROM summed"));
  if (summed >= now_ms / kHourMs * kHourMs) return {};
  const std::string length = std::to_string(kHourMs);
  return db.Execute("INSERT OR REPLACE INTO hour SELECT stage, t / " + length + " * " + length +
                    " AS h, sum(rows), sum(failed), avg(busy), avg(p50), max(p99) FROM minute WHERE t >= " +
                    std::to_string(summed) + " AND t < " + hour + " GROUP BY stage, h; UPDATE summed SET t = " + hour);
}

Status DeleteOlder(SqliteDatabase& db, const std::string& table, int64_t than_ms) {
  return db.Execute("DELETE FROM " + table + " WHERE t < " + std::to_string(than_ms) +
                    " AND stage IN (SELECT id FROM stage)");
}

Status DeleteRuns(SqliteDatabase& db, int64_t keep) {
  ASSIGN_OR_RETURN(const int64_t runs, NumberOf(db, "SELECT count(*) FROM run"));
  if (runs <= keep) return {};
  const std::string oldest = "(SELECT id FROM run ORDER BY started LIMIT " + std::to_string(runs - keep) + ")";
  return db.Execute("DELETE FROM run_stage WHERE run IN " + oldest + "; DELETE FROM run WHERE id IN " + oldest);
}

Result<int64_t> BytesInUse(SqliteDatabase& db) {
  ASSIGN_OR_RETURN(const int64_t page, NumberOf(db, "PRAGMA page_size"));
  ASSIGN_OR_RETURN(const int64_t pages, NumberOf(db, "PRAGMA page_count"));
  ASSIGN_OR_RETURN(const int64_t unused, NumberOf(db, "PRAGMA freelist_count"));
  return (pages - unused) * page;
}

// Halves what takes the room: minutes first, then runs.
Status Shrink(SqliteDatabase& db) {
  ASSIGN_OR_RETURN(const int64_t oldest, NumberOf(db, "SELECT min(t) FROM minute"));
  ASSIGN_OR_RETURN(const int64_t newest, NumberOf(db, "SELECT max(t) FROM minute"));
  if (newest - oldest > kHourMs) return DeleteOlder(db, "minute", oldest + (newest - oldest) / 2);
  ASSIGN_OR_RETURN(const int64_t runs, NumberOf(db, "SELECT count(*) FROM run"));
  if (runs > 1) return DeleteRuns(db, runs / 2);
  return db.Execute("DELETE FROM minute; DELETE FROM hour");
}

}  // namespace

std::string HistoryPath(const std::string& state_dir) {
  return (std::filesystem::path(state_dir) / "history.db").string();
}

Result<std::unique_ptr<SqliteDatabase>> OpenHistory(const std::string& state_dir, bool* moved) {
  *moved = false;
  const std::string path = HistoryPath(state_dir);
  auto db = OpenOnce(path);
  if (db.ok() || db.status().code() != Code::kInternal) return db;
  std::error_code error;
  std::filesystem::rename(path, path + ".damaged", error);
  if (error) return Status(Code::kUnavailable, "cannot move " + path + " aside: " + error.message());
  for (const char* tail : {"-wal", "-shm"}) std::filesystem::remove(path + tail, error);
  *moved = true;
  return OpenOnce(path);
}

Result<std::unique_ptr<SqliteDatabase>> ReadHistory(const std::string& state_dir) {
  const std::string path = HistoryPath(state_dir);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Status(Code::kUnavailable, "there is no history in " + state_dir + " yet");
  }
  ASSIGN_OR_RETURN(auto db, SqliteDatabase::Open(path, SqliteDatabase::Mode::kReadOnly, kBusyMs));
  ASSIGN_OR_RETURN(const int64_t format, NumberOf(*db, "PRAGMA user_version"));
  if (format == 0) return Status(Code::kUnavailable, "there is no history in " + state_dir + " yet");
  if (format != kFormat) return Status(Code::kInternal, path + " has the format " + std::to_string(format));
  return db;
}

Status TrimHistory(SqliteDatabase& db, int64_t now_ms) {
  RETURN_IF_ERROR(SumHours(db, now_ms));
  RETURN_IF_ERROR(DeleteOlder(db, "minute", now_ms - kKeptMinutesMs));
  RETURN_IF_ERROR(DeleteOlder(db, "hour", now_ms - kKeptHoursMs));
  RETURN_IF_ERROR(DeleteRuns(db, kMostRuns));
  for (int attempt = 0; attempt < 32; ++attempt) {
    ASSIGN_OR_RETURN(const int64_t bytes, BytesInUse(db));
    if (bytes <= kTrimmedBytes) break;
    RETURN_IF_ERROR(Shrink(db));
  }
  return {};
}

}  // namespace anabranch

#include "engine/sqlite/sqlite.h"

#include <sqlite3.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "engine/disk.h"

namespace anabranch {
namespace {

// Until SQLite writes its log back into the database, at 1000 pages.
constexpr uint64_t kLogBytes = uint64_t{4} << 20;

Code CodeOf(int error) {
  switch (error & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::kRetry;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_NOMEM:
    case SQLITE_MISUSE: return Code::kInternal;
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE: return Code::kStage;
    default: return Code::kUnavailable;
  }
}

Status ErrorOf(sqlite3* db, int error) {
  const char* file = db == nullptr ? nullptr : sqlite3_db_filename(db, "main");
  std::string message = file == nullptr ? std::string() : std::string(file) + ": ";
  message += db == nullptr ? sqlite3_errstr(error) : sqlite3_errmsg(db);
  if ((error & 0xff) == SQLITE_NOTADB) message += "; the file is no SQLite database: move it away";
  // The system's own error is behind some of SQLite's ("disk I/O error"); SQLITE_FULL always means the disk.
  const int cause = (error & 0xff) == SQLITE_FULL ? ENOSPC : db == nullptr ? 0 : sqlite3_system_errno(db);
  if (file != nullptr) message += FullDiskText(file, cause, kLogBytes);
  return {CodeOf(error), std::move(message)};
}

}  // namespace

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)), bind_error_(other.bind_error_) {}

SqliteStatement& SqliteStatement::operator=(SqliteStatement&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(statement_, other.statement_);
  std::swap(bind_error_, other.bind_error_);
  return *this;
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

void SqliteStatement::Bind(int parameter, int64_t value) {
  bind_error_ |= sqlite3_bind_int64(statement_, parameter, value);
}

void SqliteStatement::BindReal(int parameter, double value) {
  if (!std::isfinite(value)) return BindNull(parameter);
  bind_error_ |= sqlite3_bind_double(statement_, parameter, value);
}

void SqliteStatement::BindText(int parameter, std::string_view text) {
  const char* data = text.data() == nullptr ? "" : text.data();
  bind_error_ |= sqlite3_bind_text64(statement_, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

void SqliteStatement::BindBlob(int parameter, std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  bind_error_ |= sqlite3_bind_blob64(statement_, parameter, data, bytes.size(), SQLITE_STATIC);
}

void SqliteStatement::BindNull(int parameter) { bind_error_ |= sqlite3_bind_null(statement_, parameter); }

Result<bool> SqliteStatement::Step() {
  if (bind_error_ != 0) {
    bind_error_ = 0;
    return Status(Code::kStage, std::string("a value cannot be stored: ") + sqlite3_errmsg(db_));
  }
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  const Status status = ErrorOf(db_, result);
  sqlite3_reset(statement_);
  return status;
}

Status SqliteStatement::Run() {
  const Result<bool> step = Step();
  Reset();
  return step.ok() ? Status::Ok() : step.status();
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  bind_error_ = 0;
}

int64_t SqliteStatement::Integer(int column) const { return sqlite3_column_int64(statement_, column); }
double SqliteStatement::Real(int column) const { return sqlite3_column_double(statement_, column); }
bool SqliteStatement::IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
bool SqliteStatement::IsBlob(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_BLOB; }

std::string SqliteStatement::Text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<size_t>(size));
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path, Mode mode, int busy_ms) {
  sqlite3* handle = nullptr;
  const int flags = mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int result = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<SqliteDatabase> db(new SqliteDatabase(path, handle));
  if (result != SQLITE_OK) {
    const std::string full = FullDiskText(path, handle == nullptr ? 0 : sqlite3_system_errno(handle), kLogBytes);
    return Status(CodeOf(result), "cannot open " + path + ": " + sqlite3_errstr(result) +
                                      (full.empty() ? "; the folder must exist and be writable" : full));
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, busy_ms);
  if (mode == Mode::kReadWrite) RETURN_IF_ERROR(db->Configure());
  return db;
}

// Switching to WAL does not wait for other connections by itself.
Status SqliteDatabase::Configure() {
  Status status;
  for (int attempt = 0; attempt < 100; ++attempt) {
    status = Execute("PRAGMA journal_mode=WAL");
    if (status.code() != Code::kRetry) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  RETURN_IF_ERROR(status);
  return Execute("PRAGMA synchronous=FULL");
}

SqliteDatabase::~SqliteDatabase() { sqlite3_close_v2(db_); }

Status SqliteDatabase::Execute(const std::string& sql) {
  const int result = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  return result == SQLITE_OK ? Status::Ok() : ErrorOf(db_, result);
}

Result<SqliteStatement> SqliteDatabase::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return ErrorOf(db_, result);
  return SqliteStatement(db_, statement);
}

int64_t SqliteDatabase::changes() const { return sqlite3_changes(db_); }

SqliteTransaction::~SqliteTransaction() {
  if (open_) (void)db_.Execute("ROLLBACK");
}

Status SqliteTransaction::Begin() {
  RETURN_IF_ERROR(db_.Execute("BEGIN IMMEDIATE"));
  open_ = true;
  return {};
}

Status SqliteTransaction::Commit() {
  RETURN_IF_ERROR(db_.Execute("COMMIT"));
  open_ = false;
  return {};
}

std::string QuoteSqlName(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace anabranch

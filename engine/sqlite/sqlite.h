#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace anabranch {

// A compiled SQL statement; parameters and columns count from 1 and 0 as SQLite counts them. Texts that are bound
// stay where they are until Reset(). Must not outlive its database.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  SqliteStatement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement& operator=(SqliteStatement&& other) noexcept;
  ~SqliteStatement();

  void Bind(int parameter, int64_t value);
  void BindReal(int parameter, double value);  // not finite: null
  void BindText(int parameter, std::string_view text);
  void BindBlob(int parameter, std::string_view bytes);
  void BindNull(int parameter);

  // True: a row is there. False: done. Errors as SqliteDatabase says; a failed Bind shows here.
  Result<bool> Step();
  // Step to the end of a statement that gives no rows, then Reset.
  Status Run();
  void Reset();

  int64_t Integer(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;  // blobs too
  bool IsNull(int column) const;
  bool IsBlob(int column) const;

 private:
  sqlite3* db_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
  int bind_error_ = 0;
};

// One connection in WAL mode with synchronous FULL: what was committed survives a power loss. Not thread-safe.
// Errors: kRetry (busy for longer than `busy_ms`), kUnavailable (cannot open, full, I/O), kInternal (damaged),
// kStage (a constraint or the SQL itself); the message holds path and SQLite's text.
class SqliteDatabase {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  // Creates the file when absent (kReadWrite).
  static Result<std::unique_ptr<SqliteDatabase>> Open(const std::string& path, Mode mode, int busy_ms);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  Status Execute(const std::string& sql);
  Result<SqliteStatement> Prepare(std::string_view sql);
  int64_t changes() const;  // rows that the last statement changed
  const std::string& path() const { return path_; }

 private:
  SqliteDatabase(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  Status Configure();

  std::string path_;
  sqlite3* db_;
};

// BEGIN IMMEDIATE … COMMIT; rolls back when it goes out of scope uncommitted.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteDatabase& db) : db_(db) {}
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;
  Status Begin();
  Status Commit();

 private:
  SqliteDatabase& db_;
  bool open_ = false;
};

// "a""b": a name that stands in SQL as it is, whatever it holds.
std::string QuoteSqlName(std::string_view name);

}  // namespace anabranch

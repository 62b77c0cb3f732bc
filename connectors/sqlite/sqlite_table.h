#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "connectors/sqlite/sqlite_target.h"
#include "engine/sqlite/sqlite.h"

namespace anabranch {

// One table on one open connection: its upsert and its progress. Every call stands in the caller's transaction,
// except Progress. Errors as SqliteDatabase says, and where noted.
class SqliteTable {
 public:
  // What is stored for one partition: the next position, kNoPosition when none is, and how rows from there are scored.
  struct Stored {
    int64_t next = kNoPosition;
    Scoring scoring;  // without `before`
  };

  SqliteTable(const SqliteTargetProgram& program, std::string topology, SqliteDatabase& db)
      : program_(program), topology_(std::move(topology)), db_(db) {}

  // Creates the table when absent, adds columns that it lacks. kInvalid, with the cure, when it is not this topology's.
  Status Claim();
  Status Prepare();
  Result<Stored> Progress(const SourcePartition& from);
  // kFenced when what is stored is not `expected`: another writer moved it.
  Status Advance(const SourcePartition& from, const Stored& expected, const Stored& now);
  Status Upsert(const EncodedRows& rows, const EncodedRows::Row& row);
  // Of a replayed row: whether it may take the place of the row that has its key. It may where there is none, and where
  // that one comes from an earlier position of the same source partition: of what another partition wrote, nobody knows
  // whether it is older. Rows of a table that upserts by id always may.
  Result<bool> IsNewest(const EncodedRows& rows, const EncodedRows::Row& row);

 private:
  Status CheckOwner(bool exists);
  Status AddColumns();
  Status Create();
  Status Invalid(const std::string& text) const;
  static void BindStored(SqliteStatement& statement, int first, const Stored& stored);
  static void BindKey(SqliteStatement& statement, int parameter, std::string_view key);

  const SqliteTargetProgram& program_;
  const std::string topology_;
  SqliteDatabase& db_;
  SqliteStatement upsert_, find_, progress_, insert_, update_;
};

// The bookkeeping tables; inside the caller's transaction.
Status CreateSqliteBooks(SqliteDatabase& db);

}  // namespace anabranch

#include "connectors/sqlite/sqlite_table.h"

#include <charconv>
#include <set>

#include "connectors/sqlite/row_codec.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr const char* kBooks =
    "CREATE TABLE IF NOT EXISTS anabranch_targets(table_name TEXT PRIMARY KEY COLLATE NOCASE, topology TEXT NOT NULL,"
    " upsert TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS anabranch_progress(topology TEXT NOT NULL, target TEXT NOT NULL COLLATE NOCASE,"
    " topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,"
    " generation INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL DEFAULT 0,"
    " generation_check INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(topology, target, topic, partition)) WITHOUT ROWID;";
// Columns that came later.
constexpr const char* kLaterColumns[] = {"generation", "since", "generation_check"};
constexpr const char* kCure = "rename it, or choose another \"table\" or \"path\"";

// A topology under a new identity (NAME.gN) goes on owning its tables.
std::string_view NameOf(std::string_view identity) { return identity.substr(0, identity.find('.')); }

// Of the id "topic/partition/offset/node".
struct IdParts {
  std::string_view partition;  // "topic/partition"
  int64_t offset = -1;
};

IdParts SplitId(std::string_view id) {
  IdParts parts;
  id = id.substr(0, id.rfind('/'));
  const size_t slash = id.rfind('/');
  if (slash == std::string_view::npos) return parts;
  parts.partition = id.substr(0, slash);
  std::from_chars(id.data() + slash + 1, id.data() + id.size(), parts.offset);
  return parts;
}

Status Damaged() { return {Code::kInternal, "an encoded database row cannot be read"}; }

}  // namespace

// A database of before there were generations gets their columns: all of its rows are of generation 0.
Status CreateSqliteBooks(SqliteDatabase& db) {
  RETURN_IF_ERROR(db.Execute(kBooks));
  for (const std::string column : kLaterColumns) {
    ASSIGN_OR_RETURN(SqliteStatement find,
                     db.Prepare("SELECT 1 FROM pragma_table_info('anabranch_progress') WHERE name = ?"));
    find.BindText(1, column);
    ASSIGN_OR_RETURN(const bool there, find.Step());
    find.Reset();
    if (there) continue;
    RETURN_IF_ERROR(db.Execute("ALTER TABLE anabranch_progress ADD COLUMN " + column + " INTEGER NOT NULL DEFAULT 0"));
  }
  return {};
}

Status SqliteTable::Invalid(const std::string& text) const {
  return {Code::kInvalid, "table \"" + program_.table() + "\" in " + program_.path() + " " + text};
}

Status SqliteTable::Claim() {
  bool exists = false;
  {
    ASSIGN_OR_RETURN(
        SqliteStatement find,
        db_.Prepare("SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')"));
    find.BindText(1, program_.table());
    ASSIGN_OR_RETURN(exists, find.Step());
  }
  RETURN_IF_ERROR(CheckOwner(exists));
  return exists ? AddColumns() : Create();
}

Status SqliteTable::CheckOwner(bool exists) {
  ASSIGN_OR_RETURN(SqliteStatement find,
                   db_.Prepare("SELECT topology, upsert FROM anabranch_targets WHERE table_name = ?"));
  find.BindText(1, program_.table());
  ASSIGN_OR_RETURN(const bool marked, find.Step());
  if (!exists) return {};
  if (!marked) return Invalid(std::string("exists and was not made by this pipeline: ") + kCure);
  if (NameOf(find.Text(0)) != NameOf(topology_))
    return Invalid("belongs to the topology \"" + find.Text(0) + "\": " + kCure);
  if (find.Text(1) == program_.upsert_column()) return {};
  return Invalid("upserts by \"" + find.Text(1) + "\", the topology says \"" + program_.upsert_column() +
                 "\": change it back, or choose another \"table\"");
}

// Rows that are there already have no value in a column that came later.
Status SqliteTable::AddColumns() {
  ASSIGN_OR_RETURN(SqliteStatement list, db_.Prepare("SELECT lower(name) FROM pragma_table_info(?)"));
  list.BindText(1, program_.table());
  std::set<std::string> present;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, list.Step());
    if (!more) break;
    present.insert(list.Text(0));
  }
  for (const TargetFields::Field& field : program_.fields()) {
    std::string name = field.name;
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (present.contains(name)) continue;
    RETURN_IF_ERROR(db_.Execute("ALTER TABLE " + QuoteSqlName(program_.table()) + " ADD COLUMN " +
                                QuoteSqlName(field.name) + " " + SqlType(field.type)));
  }
  return {};
}

Status SqliteTable::Create() {
  const bool by_id = program_.upsert() == SqliteTargetProgram::Upsert::kId;
  std::string sql = "CREATE TABLE " + QuoteSqlName(program_.table()) + "(\"id\" TEXT NOT NULL" +
                    (by_id ? " PRIMARY KEY" : "") + ", \"key\" TEXT" + (by_id ? "" : " NOT NULL PRIMARY KEY");
  for (const TargetFields::Field& field : program_.fields()) {
    sql += ", " + QuoteSqlName(field.name) + " " + SqlType(field.type);
  }
  RETURN_IF_ERROR(db_.Execute(sql + ")"));
  // The table is new: progress of one that was dropped by hand would lose its rows.
  for (const char* statement :
       {"DELETE FROM anabranch_progress WHERE target = ?", "DELETE FROM anabranch_targets WHERE table_name = ?"}) {
    ASSIGN_OR_RETURN(SqliteStatement forget, db_.Prepare(statement));
    forget.BindText(1, program_.table());
    RETURN_IF_ERROR(forget.Run());
  }
  ASSIGN_OR_RETURN(SqliteStatement mark, db_.Prepare("INSERT INTO anabranch_targets VALUES(?, ?, ?)"));
  mark.BindText(1, program_.table());
  mark.BindText(2, topology_);
  mark.BindText(3, program_.upsert_column());
  return mark.Run();
}

Status SqliteTable::Prepare() {
  const std::string key = program_.upsert_column();
  std::string names = "\"id\", \"key\"", values = "?1, ?2";
  std::string changes = key == "id" ? "\"key\" = excluded.\"key\"" : "\"id\" = excluded.\"id\"";
  for (size_t i = 0; i < program_.fields().size(); ++i) {
    const std::string name = QuoteSqlName(program_.fields()[i].name);
    names += ", " + name;
    values += ", ?" + std::to_string(i + 3);
    changes += ", " + name + " = excluded." + name;
  }
  ASSIGN_OR_RETURN(upsert_, db_.Prepare("INSERT INTO " + QuoteSqlName(program_.table()) + "(" + names + ") VALUES(" +
                                        values + ") ON CONFLICT(\"" + key + "\") DO UPDATE SET " + changes));
  ASSIGN_OR_RETURN(find_, db_.Prepare("SELECT \"id\" FROM " + QuoteSqlName(program_.table()) + " WHERE \"key\" = ?"));
  ASSIGN_OR_RETURN(progress_,
                   db_.Prepare("SELECT next_offset, generation, since, generation_check FROM anabranch_progress"
                               " WHERE topology = ? AND target = ? AND topic = ? AND partition = ?"));
  ASSIGN_OR_RETURN(insert_, db_.Prepare("INSERT INTO anabranch_progress(topology, target, topic, partition,"
                                        " next_offset, generation, since, generation_check)"
                                        " VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
                                        " ON CONFLICT DO NOTHING"));
  ASSIGN_OR_RETURN(update_, db_.Prepare("UPDATE anabranch_progress SET next_offset = ?5, generation = ?6, since = ?7,"
                                        " generation_check = ?8"
                                        " WHERE topology = ?1 AND target = ?2 AND topic = ?3 AND partition = ?4 AND"
                                        " next_offset = ?9 AND generation = ?10 AND since = ?11 AND"
                                        " generation_check = ?12"));
  return {};
}

void SqliteTable::BindStored(SqliteStatement& statement, int first, const Stored& stored) {
  statement.Bind(first, stored.next);
  statement.Bind(first + 1, int64_t{stored.scoring.generation});
  statement.Bind(first + 2, stored.scoring.since);
  statement.Bind(first + 3, int64_t{stored.scoring.check});
}

Result<SqliteTable::Stored> SqliteTable::Progress(const SourcePartition& from) {
  progress_.BindText(1, topology_);
  progress_.BindText(2, program_.table());
  progress_.BindText(3, from.topic);
  progress_.Bind(4, from.partition);
  const Result<bool> row = progress_.Step();
  if (!row.ok()) return row.status();
  Stored stored;
  if (*row) {
    stored.next = progress_.Integer(0);
    stored.scoring.generation = GenerationId(static_cast<uint32_t>(progress_.Integer(1)));
    stored.scoring.since = progress_.Integer(2);
    stored.scoring.check = static_cast<uint32_t>(progress_.Integer(3));
  }
  progress_.Reset();
  return stored;
}

Status SqliteTable::Advance(const SourcePartition& from, const Stored& expected, const Stored& now) {
  SqliteStatement& statement = expected.next == kNoPosition ? insert_ : update_;
  statement.BindText(1, topology_);
  statement.BindText(2, program_.table());
  statement.BindText(3, from.topic);
  statement.Bind(4, from.partition);
  BindStored(statement, 5, now);
  if (expected.next != kNoPosition) BindStored(statement, 9, expected);
  RETURN_IF_ERROR(statement.Run());
  if (db_.changes() == 1) return {};
  return {Code::kFenced, "another writer moved the progress of " + program_.Describe() + " for " + from.topic + "/" +
                             std::to_string(from.partition) + " from " + std::to_string(expected.next) +
                             ": stop the other process that runs topology \"" + topology_ + "\""};
}

void SqliteTable::BindKey(SqliteStatement& statement, int parameter, std::string_view key) {
  IsUtf8(key) ? statement.BindText(parameter, key) : statement.BindBlob(parameter, key);
}

Result<bool> SqliteTable::IsNewest(const EncodedRows& rows, const EncodedRows::Row& row) {
  if (program_.upsert() == SqliteTargetProgram::Upsert::kId) return true;
  std::string_view bytes = rows.value(row);
  StoredCell id;
  if (row.key_size == EncodedRows::kNone || !TakeCell(&bytes, &id)) return Damaged();
  BindKey(find_, 1, rows.key(row));
  const Result<bool> found = find_.Step();
  const std::string there = found.ok() && *found ? find_.Text(0) : std::string();
  find_.Reset();
  if (!found.ok() || !*found) return found.ok() ? Result<bool>(true) : found;
  const IdParts older = SplitId(there), mine = SplitId(id.text);
  return older.partition == mine.partition && older.offset <= mine.offset;
}

Status SqliteTable::Upsert(const EncodedRows& rows, const EncodedRows::Row& row) {
  if (row.key_size != EncodedRows::kNone) BindKey(upsert_, 2, rows.key(row));
  std::string_view bytes = rows.value(row);
  StoredCell cell;
  for (int cells = 0; !bytes.empty(); ++cells) {
    if (!TakeCell(&bytes, &cell)) return Damaged();
    const int parameter = cells == 0 ? 1 : cells + 2;
    switch (cell.tag) {
      case CellTag::kNull: upsert_.BindNull(parameter); break;
      case CellTag::kInteger: upsert_.Bind(parameter, cell.integer); break;
      case CellTag::kReal: upsert_.BindReal(parameter, cell.real); break;
      case CellTag::kText: upsert_.BindText(parameter, cell.text); break;
    }
  }
  return upsert_.Run().WithContext(program_.Describe());
}

}  // namespace anabranch

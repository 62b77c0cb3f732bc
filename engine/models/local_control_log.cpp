#include <chrono>
#include <filesystem>
#include <thread>

#include "engine/models/control_log.h"
#include "engine/mutex.h"
#include "engine/run/ledger_lock.h"
#include "engine/sqlite/sqlite.h"

namespace anabranch {
namespace {

constexpr int kBusyMs = 5000;
constexpr std::chrono::milliseconds kLook{50};

class LocalControlLog : public ControlLog {
 public:
  LocalControlLog(std::unique_ptr<SqliteDatabase> db, std::string path) : db_(std::move(db)), path_(std::move(path)) {}

  Result<uint32_t> Append(const ControlEntry& entry) override {
    const std::string text = PrintControlEntry(entry);
    const MutexLock lock(mutex_);
    const std::string key = ReplacedBy(entry);
    if (key.empty()) return Insert(text);
    SqliteTransaction transaction(*db_);
    RETURN_IF_ERROR(transaction.Begin());
    RETURN_IF_ERROR(DropReplaced(key));
    ASSIGN_OR_RETURN(const uint32_t number, Insert(text));
    RETURN_IF_ERROR(NoteNewest(key, number));
    RETURN_IF_ERROR(transaction.Commit());
    return number;
  }

  Result<std::vector<ControlEntry>> Read(uint32_t after, int wait_ms) override {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
    while (true) {
      ASSIGN_OR_RETURN(std::vector<ControlEntry> entries, ReadNow(after));
      const auto now = std::chrono::steady_clock::now();
      if (!entries.empty() || now >= end) return entries;
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(kLook, end - now));
    }
  }

  Result<std::optional<std::vector<std::string>>> Members() override {
    return std::optional<std::vector<std::string>>();
  }
  bool shared() const override { return false; }
  std::string Describe() const override { return path_; }

 private:
  Result<uint32_t> Insert(const std::string& text) REQUIRES(mutex_) {
    ASSIGN_OR_RETURN(SqliteStatement insert, db_->Prepare("INSERT INTO entries(entry) VALUES(?1) RETURNING number"));
    insert.BindText(1, text);
    ASSIGN_OR_RETURN(const bool row, insert.Step());
    if (!row) return Status(Code::kInternal, path_ + " gives no number to an entry");
    const auto number = static_cast<uint32_t>(insert.Integer(0));
    RETURN_IF_ERROR(insert.Step().status());  // to its end: only then it is committed
    return number;
  }

  Status DropReplaced(const std::string& key) REQUIRES(mutex_) {
    ASSIGN_OR_RETURN(
        SqliteStatement drop,
        db_->Prepare("DELETE FROM entries WHERE number IN (SELECT number FROM newest WHERE replaced_by = ?1)"));
    drop.BindText(1, key);
    return drop.Step().status();
  }

  Status NoteNewest(const std::string& key, uint32_t number) REQUIRES(mutex_) {
    ASSIGN_OR_RETURN(SqliteStatement note,
                     db_->Prepare("INSERT OR REPLACE INTO newest(replaced_by, number) VALUES(?1, ?2)"));
    note.BindText(1, key);
    note.Bind(2, number);
    return note.Step().status();
  }

  Result<std::vector<ControlEntry>> ReadNow(uint32_t after) {
    const MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(SqliteStatement select,
                     db_->Prepare("SELECT number, entry FROM entries WHERE number > ?1 ORDER BY number"));
    select.Bind(1, after);
    std::vector<ControlEntry> entries;
    while (true) {
      ASSIGN_OR_RETURN(const bool row, select.Step());
      if (!row) return entries;
      const auto number = static_cast<uint32_t>(select.Integer(0));
      ASSIGN_OR_RETURN(ControlEntry entry,
                       ReadControlEntry(select.Text(1), path_ + ", entry " + std::to_string(number)));
      entry.number = number;
      entries.push_back(std::move(entry));
    }
  }

  Mutex mutex_;
  const std::unique_ptr<SqliteDatabase> db_ GUARDED_BY(mutex_);
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<ControlLog>> OpenLocalControlLog(const std::string& state_dir) {
  RETURN_IF_ERROR(MakePrivateFolder(state_dir));
  const std::string path = (std::filesystem::path(state_dir) / "models.db").string();
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> db,
                   SqliteDatabase::Open(path, SqliteDatabase::Mode::kReadWrite, kBusyMs));
  RETURN_IF_ERROR(
      db->Execute("CREATE TABLE IF NOT EXISTS entries(number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL)"));
  // Where the newest of the entries that replace each other is: the ones before go.
  RETURN_IF_ERROR(
      db->Execute("CREATE TABLE IF NOT EXISTS newest(replaced_by TEXT PRIMARY KEY, number INTEGER NOT NULL) "
                  "WITHOUT ROWID"));
  return std::unique_ptr<ControlLog>(std::make_unique<LocalControlLog>(std::move(db), path));
}

}  // namespace anabranch

#include "engine/run/ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <filesystem>
#include <sstream>

#include "engine/disk.h"
#include "engine/mutex.h"
#include "engine/run/ledger_lock.h"
#include "engine/run/ledger_progress.h"
#include "engine/sqlite/sqlite.h"

namespace anabranch {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFormat = 1;
constexpr int kBusyMs = 10'000;
constexpr const char* kTables =
    "CREATE TABLE fact(name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE target(name TEXT PRIMARY KEY, length INTEGER NOT NULL, next TEXT NOT NULL,"
    " checksum INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE counter(node TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL, PRIMARY KEY(node, name)) WITHOUT ROWID;"
    "PRAGMA user_version=1;";
// The topology's file, absolute and as seen from the state folder (both move together).
constexpr const char* kClaim = "topology_path";
constexpr const char* kCrashes = "crashes";
constexpr const char* kActions = "actions";
constexpr size_t kActionBytes = 64 << 10;  // older lines are dropped
constexpr const char* kClaimFromState = "topology_path_from_state";

// XXH3 over the table's name and the row's parts, each with its length.
int64_t Checksum(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(std::to_string(part.size())).append(":").append(part);
  return static_cast<int64_t>(XXH3_64bits(text.data(), text.size()));
}

Status Unusable(const std::string& state_dir, const std::string& why) {
  return {
      Code::kInternal,
      state_dir + "/ledger.db " + why +
          ". Put a sound copy back, or run `anabranch run FILE --new-ledger`: it sets the state folder aside and goes "
          "on where the source's group and the tables say. Records that were kept for a restart are computed again. "
          "Result files are known to the ledger alone: move them away first"};
}

// A run makes results/ when its ledger stands: a first start that ended before that left nothing to be missed.
Status CheckNotGone(const std::string& state_dir) {
  std::error_code ignored;
  if (fs::exists(state_dir + "/ledger.db", ignored) || !fs::exists(state_dir + "/results", ignored)) return {};
  return Unusable(state_dir, "is gone, though this folder was in use");
}

class SqliteLedger : public Ledger {
 public:
  SqliteLedger(std::string state_dir, std::unique_ptr<StateLock> lock, std::unique_ptr<SqliteDatabase> db)
      : state_dir_(std::move(state_dir)), lock_(std::move(lock)), db_(std::move(db)) {}

  Status Prepare();
  Status Claim(const std::string& topology_path);

  Result<std::optional<std::string>> Get(const std::string& name) override;
  Status Put(const std::map<std::string, std::string>& facts) override;
  Result<std::map<std::string, std::string>> Facts(const std::string& prefix) override;
  Result<std::optional<StoredProgress>> GetTarget(const std::string& target) override;
  Status PutTarget(const std::string& target, const StoredProgress& progress) override;
  Result<std::vector<std::string>> Targets() override;
  Status PutCounters(const std::map<std::string, std::map<std::string, int64_t>>& by_node) override;
  Result<std::map<std::string, std::map<std::string, int64_t>>> GetCounters() override;
  Status ResetCounters() override;
  Result<std::vector<Crashes>> GetCrashes() override;
  Status PutCrashes(const std::vector<Crashes>& crashes) override;
  Status AddAction(const std::string& line) override;
  Result<std::vector<std::string>> Actions() override;

 private:
  Result<std::optional<std::string>> GetLocked(const std::string& name) REQUIRES(mutex_);
  Status PutLocked(const std::map<std::string, std::string>& facts) REQUIRES(mutex_);
  Result<int64_t> CounterLocked(SqliteStatement& read, const std::string& node, const std::string& name)
      REQUIRES(mutex_);

  Status Damaged(const std::string& what) const { return Unusable(state_dir_, "is damaged (" + what + ")"); }
  // Tells what a damaged file means; other errors as they are.
  Status Explain(const Status& status) const {
    return status.code() == Code::kInternal || status.code() == Code::kStage ? Damaged(status.message()) : status;
  }
  Status Writable() const {
    if (lock_ != nullptr) return {};
    return {Code::kInternal, state_dir_ + "/ledger.db was opened for reading only"};
  }

  const std::string state_dir_;
  const std::unique_ptr<StateLock> lock_;  // null: read only
  Mutex mutex_;
  const std::unique_ptr<SqliteDatabase> db_ GUARDED_BY(mutex_);
};

Status SqliteLedger::Prepare() {
  const MutexLock guard(mutex_);
  auto statement = db_->Prepare("PRAGMA user_version");
  if (!statement.ok()) return Explain(statement.status());
  const Result<bool> row = statement->Step();
  if (!row.ok()) return Explain(row.status());
  const int64_t format = statement->Integer(0);
  statement->Reset();
  if (format > kFormat) {
    return {Code::kInvalid, state_dir_ + "/ledger.db has format " + std::to_string(format) + ", this program knows " +
                                std::to_string(kFormat) + ": use the newer program, or another --state-dir"};
  }
  if (format == kFormat) return {};
  if (lock_ == nullptr) return {Code::kInvalid, state_dir_ + " holds no ledger yet: nothing was run"};
  SqliteTransaction transaction(*db_);
  RETURN_IF_ERROR(transaction.Begin());
  if (const Status made = db_->Execute(kTables); !made.ok()) return Explain(made);
  return transaction.Commit();
}

Status SqliteLedger::Claim(const std::string& topology_path) {
  const MutexLock guard(mutex_);
  std::error_code ignored;
  const fs::path topology = fs::weakly_canonical(topology_path, ignored);
  const std::string from_state = topology.lexically_relative(fs::weakly_canonical(state_dir_, ignored)).string();
  ASSIGN_OR_RETURN(const std::optional<std::string> claim, GetLocked(kClaim));
  ASSIGN_OR_RETURN(const std::optional<std::string> claim_from_state, GetLocked(kClaimFromState));
  if (claim && *claim != topology.string() && claim_from_state != from_state) {
    return {Code::kInvalid,
            state_dir_ + " holds the state of " + *claim + ", not of " + topology.string() +
                ": give this topology another \"name\", or run it with its own --instance or --state-dir"};
  }
  if (claim == topology.string() && claim_from_state == from_state) return {};
  return PutLocked({{kClaim, topology.string()}, {kClaimFromState, from_state}});
}

Result<std::optional<std::string>> SqliteLedger::Get(const std::string& name) {
  const MutexLock guard(mutex_);
  return GetLocked(name);
}

Result<std::optional<std::string>> SqliteLedger::GetLocked(const std::string& name) {
  auto read = db_->Prepare("SELECT value, checksum FROM fact WHERE name = ?");
  if (!read.ok()) return Explain(read.status());
  read->BindText(1, name);
  const Result<bool> row = read->Step();
  if (!row.ok()) return Explain(row.status());
  if (!*row) return std::optional<std::string>();
  std::optional<std::string> value = read->Text(0);
  if (read->Integer(1) != Checksum({"fact", name, *value})) return Damaged("fact \"" + name + "\"");
  return value;
}

Status SqliteLedger::Put(const std::map<std::string, std::string>& facts) {
  RETURN_IF_ERROR(Writable());
  const MutexLock guard(mutex_);
  return PutLocked(facts);
}

Status SqliteLedger::PutLocked(const std::map<std::string, std::string>& facts) {
  SqliteTransaction transaction(*db_);
  RETURN_IF_ERROR(transaction.Begin());
  auto write = db_->Prepare("INSERT OR REPLACE INTO fact VALUES(?, ?, ?)");
  if (!write.ok()) return Explain(write.status());
  for (const auto& [name, value] : facts) {
    write->BindText(1, name);
    write->BindText(2, value);
    write->Bind(3, Checksum({"fact", name, value}));
    if (const Status done = write->Run(); !done.ok()) return Explain(done);
  }
  return transaction.Commit();
}

Result<std::map<std::string, std::string>> SqliteLedger::Facts(const std::string& prefix) {
  const MutexLock guard(mutex_);
  auto read = db_->Prepare("SELECT name, value, checksum FROM fact WHERE substr(name, 1, ?) = ?");
  if (!read.ok()) return Explain(read.status());
  read->Bind(1, static_cast<int64_t>(prefix.size()));
  read->BindText(2, prefix);
  std::map<std::string, std::string> facts;
  while (true) {
    const Result<bool> row = read->Step();
    if (!row.ok()) return Explain(row.status());
    if (!*row) return facts;
    const std::string name = read->Text(0), value = read->Text(1);
    if (read->Integer(2) != Checksum({"fact", name, value})) return Damaged("fact \"" + name + "\"");
    facts[name] = value;
  }
}

Result<std::vector<std::string>> SqliteLedger::Targets() {
  const MutexLock guard(mutex_);
  auto read = db_->Prepare("SELECT name FROM target ORDER BY name");
  if (!read.ok()) return Explain(read.status());
  std::vector<std::string> names;
  while (true) {
    const Result<bool> row = read->Step();
    if (!row.ok()) return Explain(row.status());
    if (!*row) return names;
    names.push_back(read->Text(0));
  }
}

Result<std::optional<StoredProgress>> SqliteLedger::GetTarget(const std::string& target) {
  const MutexLock guard(mutex_);
  auto read = db_->Prepare("SELECT length, next, checksum FROM target WHERE name = ?");
  if (!read.ok()) return Explain(read.status());
  read->BindText(1, target);
  const Result<bool> row = read->Step();
  if (!row.ok()) return Explain(row.status());
  if (!*row) return std::optional<StoredProgress>();
  const std::string next = read->Text(1);
  const int64_t length = read->Integer(0);
  const bool sound = read->Integer(2) == Checksum({"target", target, std::to_string(length), next});
  std::optional<StoredProgress> progress = ParseProgress(next);
  if (!sound || !progress || length < 0) return Damaged("target \"" + target + "\"");
  progress->length = length;
  return progress;
}

Status SqliteLedger::PutTarget(const std::string& target, const StoredProgress& progress) {
  RETURN_IF_ERROR(Writable());
  const MutexLock guard(mutex_);
  const std::string next = PrintProgress(progress);
  SqliteTransaction transaction(*db_);
  RETURN_IF_ERROR(transaction.Begin());
  auto write = db_->Prepare("INSERT OR REPLACE INTO target VALUES(?, ?, ?, ?)");
  if (!write.ok()) return Explain(write.status());
  write->BindText(1, target);
  write->Bind(2, progress.length);
  write->BindText(3, next);
  write->Bind(4, Checksum({"target", target, std::to_string(progress.length), next}));
  if (const Status done = write->Run(); !done.ok()) return Explain(done);
  return transaction.Commit();
}

Result<int64_t> SqliteLedger::CounterLocked(SqliteStatement& read, const std::string& node, const std::string& name) {
  read.BindText(1, node);
  read.BindText(2, name);
  const Result<bool> row = read.Step();
  if (!row.ok()) return Explain(row.status());
  int64_t value = 0;
  bool sound = true;
  if (*row) {
    value = read.Integer(0);
    sound = read.Integer(1) == Checksum({"counter", node, name, std::to_string(value)});
  }
  read.Reset();
  if (!sound) return Damaged("counter \"" + name + "\" of \"" + node + "\"");
  return value;
}

Status SqliteLedger::PutCounters(const std::map<std::string, std::map<std::string, int64_t>>& by_node) {
  RETURN_IF_ERROR(Writable());
  const MutexLock guard(mutex_);
  SqliteTransaction transaction(*db_);
  RETURN_IF_ERROR(transaction.Begin());
  auto read = db_->Prepare("SELECT value, checksum FROM counter WHERE node = ? AND name = ?");
  if (!read.ok()) return Explain(read.status());
  auto write = db_->Prepare("INSERT OR REPLACE INTO counter VALUES(?, ?, ?, ?)");
  if (!write.ok()) return Explain(write.status());
  for (const auto& [node, counters] : by_node) {
    for (const auto& [name, added] : counters) {
      ASSIGN_OR_RETURN(const int64_t before, CounterLocked(*read, node, name));
      write->BindText(1, node);
      write->BindText(2, name);
      write->Bind(3, before + added);
      write->Bind(4, Checksum({"counter", node, name, std::to_string(before + added)}));
      if (const Status done = write->Run(); !done.ok()) return Explain(done);
    }
  }
  return transaction.Commit();
}

Result<std::map<std::string, std::map<std::string, int64_t>>> SqliteLedger::GetCounters() {
  const MutexLock guard(mutex_);
  std::map<std::string, std::map<std::string, int64_t>> by_node;
  auto read = db_->Prepare("SELECT node, name, value, checksum FROM counter");
  if (!read.ok()) return Explain(read.status());
  while (true) {
    const Result<bool> row = read->Step();
    if (!row.ok()) return Explain(row.status());
    if (!*row) return by_node;
    const std::string node = read->Text(0), name = read->Text(1);
    const int64_t value = read->Integer(2);
    if (read->Integer(3) != Checksum({"counter", node, name, std::to_string(value)})) {
      return Damaged("counter \"" + name + "\" of \"" + node + "\"");
    }
    by_node[node][name] = value;
  }
}

Status SqliteLedger::ResetCounters() {
  RETURN_IF_ERROR(Writable());
  const MutexLock guard(mutex_);
  return Explain(db_->Execute("DELETE FROM counter"));
}

Result<std::vector<Ledger::Crashes>> SqliteLedger::GetCrashes() {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, Get(kCrashes));
  std::optional<std::vector<Crashes>> crashes = ParseCrashes(text.value_or(""));
  if (!crashes) return Damaged("crash counts");
  return std::move(*crashes);
}

Status SqliteLedger::PutCrashes(const std::vector<Crashes>& crashes) {
  return Put({{kCrashes, PrintCrashes(crashes)}});
}

Status SqliteLedger::AddAction(const std::string& line) {
  RETURN_IF_ERROR(Writable());
  const MutexLock guard(mutex_);
  ASSIGN_OR_RETURN(const std::optional<std::string> before, GetLocked(kActions));
  std::string text = before.value_or("") + line + "\n";
  while (text.size() > kActionBytes && text.find('\n') + 1 < text.size()) text.erase(0, text.find('\n') + 1);
  return PutLocked({{kActions, text}});
}

Result<std::vector<std::string>> SqliteLedger::Actions() {
  ASSIGN_OR_RETURN(const std::optional<std::string> text, Get(kActions));
  std::vector<std::string> actions;
  std::istringstream lines(text.value_or(""));
  for (std::string line; std::getline(lines, line);) actions.push_back(line);
  return actions;
}

// Before SQLite makes it, so that ledger, log and index are the owner's alone whatever the umask says.
Status MakePrivateFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return DiskFailure("open", path, errno);
  close(fd);
  return {};
}

Result<std::unique_ptr<SqliteDatabase>> OpenDatabase(const std::string& path, SqliteDatabase::Mode mode) {
  auto db = SqliteDatabase::Open(path, mode, kBusyMs);
  if (!db.ok() && db.status().code() == Code::kInternal) {
    return Unusable(fs::path(path).parent_path().string(), "is damaged (" + db.status().message() + ")");
  }
  return db;
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::Open(const std::string& state_dir, const std::string& topology_path) {
  RETURN_IF_ERROR(MakePrivateFolder(state_dir));
  const Status there = CheckNotGone(state_dir);
  ASSIGN_OR_RETURN(auto lock, StateLock::Take(state_dir));
  RETURN_IF_ERROR(there);
  const std::string path = state_dir + "/ledger.db";
  RETURN_IF_ERROR(MakePrivateFile(path));
  ASSIGN_OR_RETURN(auto db, OpenDatabase(path, SqliteDatabase::Mode::kReadWrite));
  auto ledger = std::make_unique<SqliteLedger>(state_dir, std::move(lock), std::move(db));
  RETURN_IF_ERROR(ledger->Prepare());
  RETURN_IF_ERROR(ledger->Claim(topology_path));
  return std::unique_ptr<Ledger>(std::move(ledger));
}

Result<std::unique_ptr<Ledger>> Ledger::OpenReadOnly(const std::string& state_dir) {
  RETURN_IF_ERROR(CheckNotGone(state_dir));
  const std::string path = state_dir + "/ledger.db";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return Status(Code::kInvalid, state_dir + " holds no ledger yet: nothing was run");
  ASSIGN_OR_RETURN(auto db, OpenDatabase(path, SqliteDatabase::Mode::kReadOnly));
  auto ledger = std::make_unique<SqliteLedger>(state_dir, nullptr, std::move(db));
  RETURN_IF_ERROR(ledger->Prepare());
  return std::unique_ptr<Ledger>(std::move(ledger));
}

Result<std::unique_ptr<StateStore>> StateStore::OpenReadOnly(const std::string& state_dir) {
  std::error_code ignored;
  if (!fs::exists(state_dir + "/ledger.db", ignored)) return std::unique_ptr<StateStore>();
  ASSIGN_OR_RETURN(std::unique_ptr<Ledger> ledger, Ledger::OpenReadOnly(state_dir));
  return std::unique_ptr<StateStore>(std::move(ledger));
}

Status Ledger::Check(const std::string& state_dir) {
  RETURN_IF_ERROR(CheckNotGone(state_dir));
  std::error_code ignored;
  if (!fs::exists(state_dir + "/ledger.db", ignored)) return {};
  ASSIGN_OR_RETURN(const std::unique_ptr<Ledger> ledger, OpenReadOnly(state_dir));
  RETURN_IF_ERROR(ledger->Facts("").status());
  ASSIGN_OR_RETURN(const std::vector<std::string> targets, ledger->Targets());
  for (const std::string& target : targets) RETURN_IF_ERROR(ledger->GetTarget(target).status());
  RETURN_IF_ERROR(ledger->GetCounters().status());
  return ledger->GetCrashes().status();
}

Result<int64_t> Ledger::Owner(const std::string& state_dir) { return StateLock::Owner(state_dir); }

namespace {

// Which versions of models scored, and their packages, outlive what they scored.
constexpr const char* kOutlivesState[] = {"models.db", "models.db-wal", "models.db-shm", "models"};

void BringBack(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (const char* name : kOutlivesState) {
    if (!fs::exists(from / name, error)) continue;
    if (fs::create_directories(to, error)) fs::permissions(to, fs::perms::owner_all, error);
    fs::rename(from / name, to / name, error);
  }
}

}  // namespace

Status Ledger::Archive(const std::string& state_dir) {
  std::error_code error;
  if (!fs::exists(state_dir, error)) return {};
  ASSIGN_OR_RETURN(const auto lock, StateLock::Take(state_dir));
  fs::path from(state_dir);
  if (!from.has_filename()) from = from.parent_path();
  for (int n = 1;; ++n) {
    const fs::path to = from.string() + ".archived-" + std::to_string(n);
    if (fs::exists(to, error)) continue;
    fs::rename(from, to, error);
    if (error) {
      return {Code::kUnavailable, "cannot move " + from.string() + " to " + to.string() + ": " + error.message()};
    }
    BringBack(to, from);
    (void)SyncFolderOf(fs::absolute(from).string());
    return {};
  }
}

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/ids.h"
#include "engine/state_store.h"
#include "engine/status.h"

namespace anabranch {

// What ran: the durable record of one instance of one topology, in STATE_DIR/ledger.db (SQLite, WAL,
// synchronous FULL; rows carry checksums). One owner at a time: Open takes an exclusive lock that ends
// with the process. Thread-safe; every method is one transaction.
// Errors: kRetry (another process owns it: message names its pid), kInvalid (another topology file
// claims the name, newer format), kUnavailable (disk), kInternal (damaged, or gone from a folder that was in use: names
// the cure).
class Ledger : public StateStore {
 public:
  // Creates the folder (0700) and file when absent. `topology_path` claims the name for that file.
  static Result<std::unique_ptr<Ledger>> Open(const std::string& state_dir, const std::string& topology_path);
  // For `status`: reads without owning. kInvalid when there is none.
  static Result<std::unique_ptr<Ledger>> OpenReadOnly(const std::string& state_dir);

  // The facts ("topology_hash", "state", "finished_at", "source:payments") whose names begin with `prefix`.
  virtual Result<std::map<std::string, std::string>> Facts(const std::string& prefix) = 0;

  virtual Result<std::vector<std::string>> Targets() = 0;  // all that have progress here

  // Named counters per node, added to (`run --once` twice keeps adding; --fresh starts anew).
  virtual Status PutCounters(const std::map<std::string, std::map<std::string, int64_t>>& by_node) = 0;
  virtual Result<std::map<std::string, std::map<std::string, int64_t>>> GetCounters() = 0;
  virtual Status ResetCounters() = 0;

  // Crashes in a row while a stage worked on rows from this position; those that the last process that died left.
  struct Crashes {
    std::string stage;  // as its call is named: engine/run/call_name.h
    SourcePartition partition;
    int64_t first = 0;
    int count = 0;
  };
  virtual Result<std::vector<Crashes>> GetCrashes() = 0;
  virtual Status PutCrashes(const std::vector<Crashes>& crashes) = 0;  // replaces all

  // What operators did, oldest first: one line each with its time ("2026-11-21T03:12:00Z restart from score, …").
  virtual Status AddAction(const std::string& line) = 0;
  virtual Result<std::vector<std::string>> Actions() = 0;

  // Reads every row: kInternal when the ledger of this folder is damaged or gone. Ok also where nothing was ever run.
  static Status Check(const std::string& state_dir);

  // The pid of the process that owns the state; 0: none does. For readers.
  static Result<int64_t> Owner(const std::string& state_dir);

  // Moves the state folder's content aside (STATE_DIR.archived-N) for `run --fresh` and `--new-ledger`, but for the
  // models and their history. Not while open.
  static Status Archive(const std::string& state_dir);
};

}  // namespace anabranch

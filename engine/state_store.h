#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/ids.h"
#include "engine/status.h"

namespace anabranch {

// Progress of one target that stores none of its own, with the committed length of its output in bytes.
struct StoredProgress {
  int64_t length = 0;
  std::map<SourcePartition, int64_t> next;
  std::map<SourcePartition, Scoring> scoring = {};  // of positions in `next`; not there: generation 0
};

// What connectors may store in the state folder of a run. The run's ledger is one. Thread-safe; each call is one
// transaction, durable when it returns. Errors: kUnavailable (disk), kInternal (damaged: the message names the cure).
class StateStore {
 public:
  virtual ~StateStore() = default;

  // Small named facts. A name belongs to the connector that stores it.
  virtual Result<std::optional<std::string>> Get(const std::string& name) = 0;
  virtual Status Put(const std::map<std::string, std::string>& facts) = 0;

  // `target` is the commit unit of the target. Nothing is stored before its first commit.
  virtual Result<std::optional<StoredProgress>> GetTarget(const std::string& target) = 0;
  virtual Status PutTarget(const std::string& target, const StoredProgress& progress) = 0;

  // The store of a folder that a running process may own, to read from. Null: there is none yet.
  static Result<std::unique_ptr<StateStore>> OpenReadOnly(const std::string& state_dir);
};

}  // namespace anabranch

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/file/output_file.h"
#include "engine/ids.h"
#include "engine/mutex.h"
#include "engine/state_store.h"
#include "engine/status.h"

namespace anabranch {

// The one writer of an output file, shared by the lanes of a process. The ledger's row for the file is the truth: its
// length, and the source positions that are in it. Thread-safe.
//
// What stands behind that length is the rest of a write that did not commit, if the last writer did not end cleanly
// (the ledger notes that one is at work): Open cuts it off and says so. After a clean end it is somebody else's: Open
// refuses. A file that the ledger does not own (it has no row, and the file is not empty) is never touched.
class AppendFile : public OutputFile {
 public:
  // `unit` names the ledger's row; `ledger` outlives the file; `warn` is called in Open only; `mode`: of a file
  // that is made.
  // Errors: kInvalid (not owned, shorter or longer than committed, not a regular file), kRetry (another process writes
  // it), kUnavailable (folder missing, I/O); each names the cure.
  static Result<std::shared_ptr<AppendFile>> Open(const std::string& path, const std::string& unit, StateStore* store,
                                                  const std::function<void(const std::string&)>& warn,
                                                  mode_t mode = 0644);
  // Whether what the ledger says is committed is still there, without writing anything. Errors as Open.
  static Status CheckThere(const std::string& path, const std::string& unit, StateStore& store);
  // Empties the file when the ledger owns it; the ledger's row stays. One that is gone already is no error.
  static Status Empty(const std::string& path, const std::string& unit, StateStore* store);
  ~AppendFile() override;
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Next position of each partition; kNoPosition where none is stored.
  std::vector<Position> Progress(const std::vector<SourcePartition>& partitions) override;
  Status MoveProgress(const std::vector<Position>& next) override;
  // Appends `bytes` and makes them and `next` durable; positions never go back. After an error the file takes
  // nothing more: open it again. kInvalid: the file was deleted or replaced since Open.
  Status Append(std::string_view header, std::string_view bytes, const std::vector<Position>& next,
                const std::vector<int64_t>& seen) override;

 private:
  AppendFile(std::string path, std::string unit, StateStore* store, mode_t mode)
      : path_(std::move(path)), unit_(std::move(unit)), store_(store), mode_(mode) {}
  Status OpenOrCreate() REQUIRES(mutex_);
  Status Claim(int64_t* size) REQUIRES(mutex_);
  Status TakeOver(const std::function<void(const std::string&)>& warn) REQUIRES(mutex_);
  Status CheckCommitted(int64_t size) const REQUIRES(mutex_);
  Status CheckForeign(int64_t size) const REQUIRES(mutex_);
  Status CheckInPlace() const REQUIRES(mutex_);
  Status Gone() const REQUIRES(mutex_);
  Status NoteWriting(bool writing) const;
  Status CutTo(int64_t length);
  Status Write(std::string_view bytes) REQUIRES(mutex_);
  Status Failed(const std::string& what, uint64_t needed = 0) const;

  const std::string path_;
  const std::string unit_;
  StateStore* const store_;
  const mode_t mode_;
  int fd_ = -1;

  Mutex mutex_;
  StoredProgress committed_ GUARDED_BY(mutex_);
  bool owned_ GUARDED_BY(mutex_) = false;  // the ledger has a row
  bool broken_ GUARDED_BY(mutex_) = false;
  bool writing_ GUARDED_BY(mutex_) = false;  // noted in the ledger, and to be taken back
};

}  // namespace anabranch

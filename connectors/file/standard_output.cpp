#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "connectors/file/output_file.h"
#include "engine/mutex.h"

namespace anabranch {
namespace {

constexpr int kLookMs = 200;
constexpr int kDrainLooks = 50;      // of a stop that was asked for: 10 s
constexpr size_t kPipeBytes = 4096;  // a pipe that is ready takes as many without blocking

class StandardOutput : public OutputFile {
 public:
  StandardOutput(std::string unit, StateStore* store, const CancelToken* cancel)
      : unit_(std::move(unit)), store_(store), cancel_(cancel) {}

  std::vector<Position> Progress(const std::vector<SourcePartition>& partitions) override {
    const MutexLock guard(mutex_);
    const auto row = store_->GetTarget(unit_);
    return PositionsIn(row.ok() ? row->value_or(StoredProgress()) : StoredProgress(), partitions);
  }

  Status MoveProgress(const std::vector<Position>& next) override {
    const MutexLock guard(mutex_);
    ASSIGN_OR_RETURN(std::optional<StoredProgress> row, store_->GetTarget(unit_));
    if (!row) return {};
    MoveTo(next, &*row);
    return store_->PutTarget(unit_, *row);
  }

  Status Append(std::string_view header, std::string_view bytes, const std::vector<Position>& next,
                const std::vector<int64_t>& /*seen*/) override {
    const MutexLock guard(mutex_);
    if (!begun_ && !bytes.empty()) RETURN_IF_ERROR(Write(header));
    begun_ = begun_ || !bytes.empty();
    RETURN_IF_ERROR(Write(bytes));
    ASSIGN_OR_RETURN(std::optional<StoredProgress> row, store_->GetTarget(unit_));
    StoredProgress progress = row.value_or(StoredProgress());
    MoveOn(next, &progress);
    return store_->PutTarget(unit_, progress);
  }

 private:
  Status Write(std::string_view bytes) {
    int looks = 0;
    while (!bytes.empty()) {
      pollfd ready = {STDOUT_FILENO, POLLOUT, 0};
      const int found = poll(&ready, 1, kLookMs);
      if (found < 0 && errno != EINTR) return Failed();
      if (found <= 0) {
        if (cancel_ != nullptr && cancel_->draining()) ++looks;
        if (looks > kDrainLooks || (cancel_ != nullptr && cancel_->now())) {
          return {Code::kRetry, "nobody reads standard output; what is missing is written by the next run"};
        }
        continue;
      }
      const ssize_t count = write(STDOUT_FILENO, bytes.data(), std::min(bytes.size(), kPipeBytes));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Failed();
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return {};
  }

  static Status Failed() {
    return {Code::kUnavailable, std::string("cannot write to standard output: ") + std::strerror(errno)};
  }

  const std::string unit_;
  StateStore* const store_;
  const CancelToken* const cancel_;
  Mutex mutex_;
  bool begun_ GUARDED_BY(mutex_) = false;
};

}  // namespace

std::shared_ptr<OutputFile> MakeStandardOutput(std::string unit, StateStore* store, const CancelToken* cancel) {
  return std::make_shared<StandardOutput>(std::move(unit), store, cancel);
}

}  // namespace anabranch

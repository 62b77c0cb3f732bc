#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/cancel.h"
#include "engine/committer.h"
#include "engine/encoded.h"
#include "engine/mutex.h"
#include "engine/run/backoff.h"
#include "engine/run/epoch_meter.h"
#include "engine/run/written_rows.h"
#include "engine/status.h"

namespace anabranch {

// One lane's road out: takes encoded batches in order, writes them to every committer as they come,
// and commits at each epoch's end, on a thread of its own, so that the lane computes meanwhile.
// The epoch stays pinned (its encoded bytes are kept) until its commit is resolved; an abort writes
// the same bytes again, for as long as it takes: a target in trouble holds the lane back, it does not end it.
// Push waits while more than `max_bytes` are held, CloseEpoch while two closed epochs wait; they and WaitIdle wait half
// a second at most, then they answer kRetry, having done nothing: see to the source, then call again.
//
// A target may refuse rows for good. Then nothing more is written, every call that waits answers kAborted, refused()
// says which rows; AbandonOpen() goes on.
//
// Used by one lane thread. After a failure nothing more is committed; status() tells why, ForEachUncommitted() gives
// what was pushed.
class EpochWriter {
 public:
  struct Callbacks {
    // Writer thread.
    std::function<void()> before_commit;
    std::function<void(const EpochEnd&, int64_t rows)> committed;
    EpochMeter* meter = nullptr;  // outlives the writer
  };
  // `committers` in commit order, opened; they and `cancel` outlive the writer.
  EpochWriter(std::vector<Committer*> committers, size_t max_bytes, const CancelToken& cancel, Callbacks callbacks);
  ~EpochWriter();

  // What committer `i` still wants of `partitions` (LeastOf its targets). From now on Push drops, per target, the rows
  // that the target has. At an assignment, while the writer is idle.
  Result<std::vector<int64_t>> Progress(size_t i, std::span<const PartitionId> partitions);
  // Committer::MoveProgress; rows from `next` on are written again. While the writer is idle.
  Status MoveProgress(size_t i, std::span<const PartitionId> partitions, std::span<const int64_t> next);
  size_t committers() const { return committers_.size(); }
  // Lane thread.
  const WrittenRows& written() const { return written_; }
  // What committer `i` answered when Progress() was called last.
  const std::vector<TargetProgress>& progress(size_t i) const { return progress_[i]; }

  // Hands one batch over (its content is moved). `rows` = source rows it completes.
  Status Push(EncodedBatch&& batch, int64_t rows);
  // Ends the open epoch: what was pushed since the last end is committed together.
  Status CloseEpoch();
  // Nothing more is available: what was pushed need not wait for company. Does not wait.
  void SendNow();
  // Waits until everything pushed is committed (or failed).
  Status WaitIdle();
  // Drops the open epoch and everything not committed (a lost assignment, refused rows); interrupts what a committer is
  // at. The next owner of the partitions writes those rows.
  Status AbandonOpen();
  // Rows that targets refuse: until AbandonOpen(). Empty: none.
  std::vector<RefusedRow> refused() const;
  bool refuses() const { return refuses_.load(std::memory_order_relaxed); }
  // Ends the writer's thread, dropping what was not committed: after this nobody uses the committers. Call
  // WaitIdle() first to lose nothing. Idempotent.
  void Stop();
  // After Stop(): visit(batch, rows) for what was pushed and is not committed, in order, with the rows that some
  // targets have already. It stays here: committers may refer to its bytes until they are closed.
  template <typename Visit>
  void ForEachUncommitted(Visit visit) const NO_THREAD_SAFETY_ANALYSIS;  // no other thread is left
  // Whose commit failed: an index into `committers`, or their number when none did.
  size_t failed_committer() const { return failed_; }
  // Nothing is queued and no commit is running.
  bool idle() const;
  Status status() const;
  // What is tried again for a while already; any thread. Empty: nothing.
  struct Trouble {
    size_t committer = 0;  // index
    std::string why;
  };
  std::optional<Trouble> trouble() const;
  // An empty batch whose memory was used before.
  EncodedBatch TakeSpare();

 private:
  struct Item {
    EncodedBatch batch;
    int64_t rows = 0;
    bool end = false;
    size_t bytes = 0;
    std::vector<std::vector<EncodedRows::Row>> whole;  // WrittenRows::Drop
  };

  void Loop();
  Status TakeNext() REQUIRES(mutex_);  // releases it while it works, as Abandon() does
  Status WriteBatch(const EncodedBatch& batch);
  Status CommitEpoch();
  void Abandon() REQUIRES(mutex_);
  Status Rewrite(Committer& committer);
  // While `status` is kAborted: waits, writes the pinned rows again and does `then`. kRetry when the epoch is abandoned
  // meanwhile, or when a stop was asked for and some time to drain did not help; kAborted when rows were refused.
  using Step = std::function<Status(Committer&)>;
  Status UntilResolved(size_t committer, Status status, const Step& then);
  Status OnEach(size_t first, bool commits, const Step& step);
  bool TakeRefused(Committer& committer);
  void NoteTrouble(size_t committer, const Status& status);
  // False when there is no point in another attempt.
  bool WaitToRetry(Backoff::Duration pause);
  // Until `ready`; kRetry after half a second. `state`: of the lane meanwhile.
  template <typename Ready>
  Status WaitFor(LaneState state, Ready ready) REQUIRES(mutex_);
  void TellMeter() const;

  const std::vector<Committer*> committers_;
  const size_t max_bytes_;
  const CancelToken& cancel_;
  const Callbacks callbacks_;
  EpochMeter no_meter_;
  EpochMeter& meter_;
  WrittenRows written_;                                // lane thread
  std::vector<std::vector<TargetProgress>> progress_;  // lane thread: by committer, as last asked

  // Writer thread only, until it ended.
  std::deque<Item> pinned_;
  uint64_t epoch_ = 0;
  size_t failed_;

  mutable Mutex mutex_;
  Condition changed_;
  std::deque<Item> queue_ GUARDED_BY(mutex_);
  std::vector<EncodedBatch> spare_ GUARDED_BY(mutex_);
  size_t closed_ GUARDED_BY(mutex_) = 0;      // epochs closed and not resolved
  size_t held_bytes_ GUARDED_BY(mutex_) = 0;  // queued and pinned
  bool busy_ GUARDED_BY(mutex_) = false;
  bool send_now_ GUARDED_BY(mutex_) = false;
  bool abandon_ GUARDED_BY(mutex_) = false;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<RefusedRow> refused_ GUARDED_BY(mutex_);
  std::atomic<bool> refuses_{false};  // refused_ has rows
  Status status_ GUARDED_BY(mutex_);
  std::optional<Trouble> trouble_ GUARDED_BY(mutex_);
  std::thread thread_;
};

template <typename Visit>
void EpochWriter::ForEachUncommitted(Visit visit) const {
  for (const std::deque<Item>* items : {&pinned_, &queue_}) {
    for (const Item& item : *items) {
      if (item.end) continue;
      if (item.whole.empty()) {
        visit(item.batch, item.rows);
        continue;
      }
      EncodedBatch batch = item.batch;
      for (size_t target = 0; target < item.whole.size(); ++target) {
        if (!item.whole[target].empty()) batch.targets[target].rows = item.whole[target];
      }
      visit(batch, item.rows);
    }
  }
}

}  // namespace anabranch

#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/cancel.h"
#include "engine/connector.h"
#include "engine/encoded.h"
#include "engine/status.h"

namespace anabranch {

// One lane's road out: takes encoded batches in order, writes them to every committer as they come,
// and commits at each epoch's end, on a thread of its own, so that the lane computes meanwhile.
// The epoch stays pinned (its encoded bytes are kept) until its commit is resolved; an abort writes
// the same bytes again. Push and CloseEpoch block while more than `max_bytes` are held.
//
// Used by one lane thread. After a failure everything pushed is dropped; status() tells why.
class EpochWriter {
 public:
  struct Callbacks {
    std::function<void(const EpochEnd&, int64_t rows)> committed;  // writer thread
  };
  // `committers` in rank order, opened; they and `cancel` outlive the writer.
  EpochWriter(std::vector<Committer*> committers, size_t max_bytes, const CancelToken& cancel, Callbacks callbacks);
  ~EpochWriter();

  // Hands one batch over (its content is moved). `rows` = source rows it completes.
  Status Push(EncodedBatch&& batch, int64_t rows);
  // Ends the open epoch: what was pushed since the last end is committed together. Does not wait.
  Status CloseEpoch();
  // Waits until everything pushed is committed (or failed). Bounded by the committers' own deadlines.
  Status WaitIdle();
  // Drops the open epoch and everything not committed (a lost assignment); waits for a commit in progress.
  Status AbandonOpen();
  // Nothing is queued and no commit is running.
  bool idle() const;
  Status status() const;
  // An empty batch whose memory was used before.
  EncodedBatch TakeSpare();

 private:
  struct Item {
    EncodedBatch batch;
    int64_t rows = 0;
    bool end = false;
  };

  void Loop();
  Status WriteBatch(const EncodedBatch& batch);
  Status CommitEpoch();
  Status CommitOne(Committer& committer, const EpochEnd& end);
  Status Rewrite(Committer& committer);

  const std::vector<Committer*> committers_;
  const size_t max_bytes_;
  const CancelToken& cancel_;
  const Callbacks callbacks_;

  // Writer thread only.
  std::deque<Item> pinned_;
  uint64_t epoch_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;           // guarded
  std::vector<EncodedBatch> spare_;  // guarded
  size_t held_bytes_ = 0;            // guarded: queued and pinned
  bool busy_ = false;                // guarded
  bool abandon_ = false;             // guarded
  bool stop_ = false;                // guarded
  Status status_;                    // guarded
  std::thread thread_;
};

}  // namespace anabranch

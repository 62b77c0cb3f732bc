#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ids.h"
#include "engine/status.h"

namespace anabranch {

// Records which stage each thread is in, where it survives a SIGKILL: STATE_DIR/attempts, mapped and shared, one fixed
// slot per thread. The next process reads there which calls the dead one was in; a watchdog of this process reads which
// call is late. It does not survive a power loss: nothing is synced, and a file that cannot be read counts as empty.
class AttemptSlots {
 public:
  static constexpr size_t kStageBytes = 128;
  static constexpr size_t kTopicBytes = 256;
  static constexpr int64_t kNoDeadline = INT64_MAX;

  // A call of a stage: its batch begins at row `first` of `partition`. Names longer than a slot holds are cut.
  struct Call {
    std::string stage;
    SourcePartition partition;
    int64_t first = 0;
    int64_t since_ns = 0;  // Clock::NowNs() when it began; means nothing in another process
    int64_t deadline_ns = kNoDeadline;
  };

  // One thread's slot. Belongs to the AttemptSlots.
  class alignas(64) Slot {
   public:
    void Enter(std::string_view stage, const SourcePartition& partition, int64_t first, int64_t since_ns,
               int64_t deadline_ns);
    void Leave();
    // When the call must be back at the latest; its thread may move it while it is in the call.
    std::atomic<int64_t>* due_ns() { return &deadline_ns_; }

   private:
    friend class AttemptSlots;
    bool Read(Call* call) const;

    std::atomic<uint64_t> call_;  // 0: idle; else the number of the call, so that a reader sees when it changed
    std::atomic<uint64_t> calls_;
    std::atomic<int64_t> first_;
    std::atomic<int64_t> since_ns_;
    std::atomic<int64_t> deadline_ns_;
    std::atomic<int64_t> partition_;
    std::atomic<uint64_t> stage_[kStageBytes / 8];
    std::atomic<uint64_t> topic_[kTopicBytes / 8];
  };

  // Reads what a dead process left in the file, then makes it anew with `slots` empty ones. For the owner of the
  // folder. kUnavailable names the file and the reason.
  static Result<std::unique_ptr<AttemptSlots>> Open(const std::string& state_dir, size_t slots);
  // For the watchdog of this process only: in memory, so that what a dead process left in the file stays there. kStage.
  static Result<std::unique_ptr<AttemptSlots>> OpenInMemory(size_t slots);
  ~AttemptSlots();

  // The calls that a dead process never came back from; empty after an orderly end.
  const std::vector<Call>& left() const { return left_; }
  // A free slot; null when all are taken. Thread-safe.
  Slot* Take();
  // The calls that are more than `grace_ns` past their deadline. Thread-safe.
  std::vector<Call> Overdue(int64_t now_ns, int64_t grace_ns) const;
  // Empties every slot, so that the next process does not blame a call that was reported already.
  void Clear();

 private:
  AttemptSlots(void* memory, size_t slots, std::vector<Call> left);

  void* const memory_;
  const size_t slots_count_;
  Slot* const slots_;
  std::atomic<size_t> taken_{0};
  const std::vector<Call> left_;
};

// Keeps a slot busy while a call runs. `slot` may be null.
class AttemptScope {
 public:
  AttemptScope(AttemptSlots::Slot* slot, std::string_view stage, const SourcePartition& partition, int64_t first,
               int64_t since_ns, int64_t deadline_ns)
      : slot_(slot) {
    if (slot_ != nullptr) slot_->Enter(stage, partition, first, since_ns, deadline_ns);
  }
  ~AttemptScope() {
    if (slot_ != nullptr) slot_->Leave();
  }
  AttemptScope(const AttemptScope&) = delete;
  AttemptScope& operator=(const AttemptScope&) = delete;

 private:
  AttemptSlots::Slot* const slot_;
};

}  // namespace anabranch

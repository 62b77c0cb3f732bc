#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "engine/state/rolling/rolling_entry.h"

namespace anabranch {

inline constexpr uint64_t kSeed = 0xC0FFEE;

// One entry in memory of its own, and the log of its cells as a compacted topic would hold it.
class KeyUnderTest {
 public:
  explicit KeyUnderTest(const RollingProgram& program) : program_(&program) {
    Create(RollingEntry::FirstCapacity(program));
  }

  RollingEntry entry() const { return {*program_, reinterpret_cast<std::byte*>(memory_.get())}; }
  const std::map<uint16_t, std::vector<std::byte>>& log() const { return log_; }
  uint64_t digest() const { return digest_; }
  // Cells of the last update, as bytes.
  const std::vector<std::byte>& written() const { return written_; }
  std::vector<std::byte> bytes() const {
    const auto* begin = reinterpret_cast<const std::byte*>(memory_.get());
    return {begin, begin + RollingEntry::Bytes(*program_, entry().capacity())};
  }

  RollingOutcome Update(const RollingRow& row, int64_t horizon_us, std::span<RollingValue> values) {
    output_.Clear();
    RollingOutcome outcome = entry().Update(row, horizon_us, kSeed, values, &output_);
    if (outcome.fault == RollingFault::kGrow) {
      Relocate(outcome.capacity);
      outcome = entry().Update(row, horizon_us, kSeed, values, &output_);
    }
    Log(outcome);
    return outcome;
  }
  void Trim(int64_t horizon_us) {
    output_.Clear();
    Log(entry().Trim(horizon_us, kSeed, &output_));
  }
  void Drop() {
    output_.Clear();
    Log(entry().Drop(kSeed, &output_));
  }
  void Relocate(uint32_t capacity) {
    const auto old = std::move(memory_);
    const RollingEntry from(*program_, reinterpret_cast<std::byte*>(old.get()));
    Allocate(capacity);
    from.Relocate(reinterpret_cast<std::byte*>(memory_.get()), capacity);
  }

  void Apply(uint16_t slot, std::span<const std::byte> bytes, RollingEntry::Order order) {
    RollingOutcome outcome = entry().Restore(slot, bytes, order);
    if (outcome.fault == RollingFault::kGrow) {
      Relocate(outcome.capacity);
      outcome = entry().Restore(slot, bytes, order);
    }
    if (outcome.fault != RollingFault::kNone) throw std::runtime_error("a cell of the log was refused");
  }
  void ApplyTombstone(uint16_t slot) { entry().RestoreTombstone(slot); }
  // The key as another process restores it from the log, in an order of `random`.
  KeyUnderTest Restored(std::mt19937_64* random) const {
    KeyUnderTest restored(*program_);
    std::vector<uint16_t> slots;
    for (const auto& [slot, cell] : log_) slots.push_back(slot);
    std::shuffle(slots.begin(), slots.end(), *random);
    for (const uint16_t slot : slots) restored.Apply(slot, log_.at(slot), RollingEntry::Order::kAny);
    restored.log_ = log_;
    restored.digest_ = restored.entry().Digest(kSeed);
    return restored;
  }
  // All cells ever written, as a topic that was never compacted: an empty one is a tombstone.
  struct Logged {
    uint16_t slot;
    bool tombstone;
    std::vector<std::byte> bytes;
  };
  const std::vector<Logged>& history() const { return history_; }

 private:
  void Allocate(uint32_t capacity) {
    memory_ = std::make_unique<uint64_t[]>((RollingEntry::Bytes(*program_, capacity) + 7) / 8);
  }
  void Create(uint32_t capacity) {
    Allocate(capacity);
    RollingEntry::Create(*program_, reinterpret_cast<std::byte*>(memory_.get()), capacity);
  }
  void Log(const RollingOutcome& outcome) {
    digest_ += outcome.digest;
    written_.clear();
    for (const RollingCell& cell : output_.cells) {
      const auto bytes = output_.BytesOf(cell);
      history_.push_back({cell.slot, cell.tombstone, {bytes.begin(), bytes.end()}});
      written_.insert(written_.end(), bytes.begin(), bytes.end());
      written_.push_back(static_cast<std::byte>(cell.slot));
      written_.push_back(static_cast<std::byte>(cell.tombstone));
      if (cell.tombstone) {
        if (log_.erase(cell.slot) == 0) throw std::runtime_error("a tombstone for a slot that has no cell");
      } else {
        log_[cell.slot] = {bytes.begin(), bytes.end()};
      }
    }
  }

  const RollingProgram* program_;
  std::unique_ptr<uint64_t[]> memory_;
  RollingOutput output_;
  std::map<uint16_t, std::vector<std::byte>> log_;
  std::vector<Logged> history_;
  std::vector<std::byte> written_;
  uint64_t digest_ = 0;
};

}  // namespace anabranch

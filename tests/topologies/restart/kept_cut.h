#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/keep/kept_store.h"
#include "engine/plan.h"

namespace anabranch {

// What an engine that runs a plan keeps when a stage fails: batches of the first source, partition 0, one after
// another.
class KeptCut {
 public:
  explicit KeptCut(const Plan& plan) : plan_(plan) { (void)partitions_.Find({"payments", 0}); }

  // A batch whose stages `done` were finished. `again`: the next frame is of the same batch.
  void Batch(const std::vector<std::string>& done, uint32_t rows, bool log = false, bool again = false);
  // A batch that had left its last node when its commit failed.
  void Outputs(uint32_t rows);

  const std::vector<KeptStore::Entry>& entries() const { return entries_; }
  const std::vector<std::shared_ptr<const std::string>>& frames() const { return frames_; }
  int64_t rows() const { return next_; }

 private:
  void Keep(std::string frame, bool log);
  EncodedBatch Encoded(uint32_t rows) const;

  const Plan& plan_;
  SourceTable partitions_;
  int64_t next_ = 0;
  std::vector<KeptStore::Entry> entries_;
  std::vector<std::shared_ptr<const std::string>> frames_;
};

}  // namespace anabranch

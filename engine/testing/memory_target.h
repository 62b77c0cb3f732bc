#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/connector.h"
#include "engine/mutex.h"

namespace anabranch {

// An output in memory with the faults that a test asks for. Thread-safe; outlives its committers.
class MemoryOutput {
 public:
  struct Row {
    int64_t offset;
    std::string key;
    std::string value;
    bool operator==(const Row&) const = default;
  };

  // While corked, Commit blocks: nothing leaves, and back-pressure reaches the source.
  void Cork();
  void Uncork();
  // The next Commit answers with this instead of committing.
  void FailNextCommit(Status status);

  std::vector<Row> committed();
  std::vector<Row> aborted();  // rows that were written and then dropped
  size_t commits();
  size_t sent();  // rows that had left when a lane last asked for it

  std::chrono::nanoseconds write_takes{0}, commit_takes{0};  // per batch, per epoch; set before the run
  bool shows_at_commit = true;                               // else its readers see rows as they leave
  std::set<int64_t> refuses;                                 // offsets whose rows it refuses for good
  bool refuses_timestamps = false;                           // refuses rows that bear one
  bool bytes_gone = false;  // what a committer may refer to until it is closed was no longer there

  Mutex mutex;
  Condition changed;
  bool corked = false;
  std::deque<Status> failures;
  std::vector<Row> rows, open, dropped;
  size_t commit_count = 0;
  size_t sent_count = 0;
  int64_t next = kNoPosition;
};

// A target program over a MemoryOutput; its encoder writes the row's payload as value.
class MemoryTargetProgram : public TargetProgram {
 public:
  explicit MemoryTargetProgram(std::shared_ptr<MemoryOutput> output, std::string unit = "memory")
      : output_(std::move(output)), unit_(std::move(unit)) {}
  std::string commit_unit() const override { return unit_; }
  std::string connector() const override { return "memory"; }
  bool ExactlyOnce(const SourceProgram&, std::string*) const override { return true; }
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& identity) const override;
  std::string Describe() const override { return "memory target " + unit_; }
  bool CanDiscard() const override { return true; }
  Status Discard(StateStore&) const override { return Status::Ok(); }
  const std::shared_ptr<MemoryOutput>& output() const { return output_; }

 private:
  std::shared_ptr<MemoryOutput> output_;
  std::string unit_;
};

// The connector that opens committers for MemoryTargetPrograms. Binds nothing: tests build plans by hand.
std::unique_ptr<Connector> MakeMemoryConnector();

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/cancel.h"
#include "engine/ids.h"
#include "engine/lane_context.h"
#include "engine/record_batch.h"
#include "engine/source.h"
#include "engine/status.h"

namespace anabranch {

// Reads records of a source by their position, beside a pipeline that may be running: it joins no group, stores no
// position and writes nothing. Used by one thread. Every wait is bounded.
//
// A record is handed over as the source hands it to a run: key, value, headers, timestamp; one that could not be read
// (an envelope that is none) has an entry in RecordBatch::source_errors. Nothing is decoded.
class RecordReader {
 public:
  struct Options {
    std::string topology;  // owner of stored positions, as in LaneContext
    std::string instance = "0";
    std::string state_dir;     // where a default of a target lies; may be empty
    std::string make_command;  // RunOptions::make_command
    std::string source_id;
    // Records without a value (tombstones), which a run passes over, are visited too: payload.data() is null.
    bool tombstones = false;
    CancelToken* cancel = nullptr;                 // a raised token ends each call with kCancelled; outlives the reader
    std::function<void(const std::string&)> warn;  // one line for the operator; may be empty
  };
  // One record: a row of `batch`, which is valid during the call. False: no further one is wanted.
  using Visit = std::function<bool(const RecordBatch& batch, uint32_t row)>;

  // What can be read of one partition: positions [first, next). `next` is INT64_MAX where only reading tells.
  struct Range {
    SourcePartition partition;
    int64_t first = 0;
    int64_t next = 0;
  };

  // `program`: SourceProgram::Reader(), or another program whose lanes read all partitions without a group (dead
  // letters). kUnavailable: the outside does not answer, or has no such topic or file. It outlives the reader.
  static Result<std::unique_ptr<RecordReader>> Open(const SourceProgram& program, Options options);
  ~RecordReader();
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  // All partitions, in a fixed order.
  const std::vector<SourcePartition>& partitions() const { return partitions_; }
  // By place in partitions(): what is stored under Options::topology; kNoPosition: nothing.
  Result<std::vector<int64_t>> StoredPositions();
  // By place in partitions(): what there is now.
  Result<std::vector<Range>> Readable();

  // Every record from `next` (by place in partitions(); kNoPosition: the first one) to the present end. Records of one
  // partition come in their order.
  Status ReadFrom(std::span<const int64_t> next, const Visit& visit);
  Status ReadAll(const Visit& visit);
  // The newest `most` records: where positions number records (a topic) each partition gives an equal share, and those
  // that hold less leave theirs to the others. Fewer come where numbers have no record (compacted, transaction
  // markers).
  Status ReadLast(int64_t most, const Visit& visit);
  // The record at `offset` of `partition`. kInvalid: it is not there; the text says why (deleted, not written yet, no
  // record begins there) and what is.
  Status ReadOne(const SourcePartition& partition, int64_t offset, const Visit& visit);

 private:
  RecordReader(const SourceProgram& program, Options options);
  Status Start();
  Status Read(std::span<const PartitionId> ids, std::span<const int64_t> next, const Visit& visit);
  Status NotThere(const Range& range, int64_t offset);

  const SourceProgram& program_;
  const Options options_;
  SourceTable table_;
  LaneContext context_;
  CancelToken never_;
  std::unique_ptr<Source> source_;
  std::vector<SourcePartition> partitions_;
  std::vector<PartitionId> ids_;
  RecordBatch batch_;
};

}  // namespace anabranch

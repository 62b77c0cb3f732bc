#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace anabranch {

// What one stage has done so far in this run.
struct StageCounts {
  std::string id;
  std::string kind;         // "source" for sources
  int64_t invocations = 0;  // calls with at least one row
  int64_t rows_in = 0;
  int64_t rows_out = 0;
  int64_t filtered = 0;
  int64_t skipped = 0;
  int64_t failed = 0;     // record errors, whatever their policy did
  int64_t missed = 0;     // of these: passed on with nulls
  int64_t defaulted = 0;  // of these: passed on with default values
  int64_t dead_lettered = 0;
  int64_t retried = 0;
  int64_t busy_ns = 0;
  std::map<std::string, int64_t> tallies;  // by NodeProgram::Tallies(); only those above zero
  struct Reason {
    int64_t count = 0;
    std::string example;  // the first message
  };
  std::map<std::string, Reason> reasons;  // of `failed`, by error code
};

// The counters of a run at one moment. Its parts are read one after the other, so they may differ by a batch.
//
// Not yet here: per source the lag behind the end of its input, and per stage the latency of a record. A source has to
// report its end (Source::Poll), and batches have to carry the time at which they were read.
struct RunSnapshot {
  std::vector<StageCounts> stages;  // in plan order
  int64_t rows_read = 0;
  int64_t rows_committed = 0;  // source rows whose effects are durable
  int64_t epochs = 0;          // committed, by all lanes together
  int64_t elapsed_ns = 0;
};

}  // namespace anabranch

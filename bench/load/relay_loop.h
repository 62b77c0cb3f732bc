#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "bench/load/kafka.h"

namespace anabranch::bench {

// The raw relay: what a C++ programmer can do at best with the installed librdkafka, and the ceiling that an engine is
// held against. A record goes to the partition of OUT with the number of its own, under its key, unchanged.
struct RelayOptions {
  std::string bootstrap, in, out, group;
  std::string linger_ms = "5";  // "default": no setting of either client is touched
  bool exactly_once = false;    // a transaction each commit_ms, with the offsets; else at least once
  int commit_ms = 100;
  int64_t queued_records = 1'000'000;
  int64_t queued_kbytes = 1'000'000;  // fetched ahead
  bool batch_consume = false;         // rd_kafka_consume_batch_queue: faster, and faulty below librdkafka 2.13.2
  std::string transactional_id;       // exactly_once; one per loop
  Properties consumer, producer;      // over what the relay sets
};

// Blocks until `stop`. Offsets are committed only when every result before them is acknowledged: at the end, all of
// them. `relayed` counts records handed to the producer, about each 256 of them, for others to look at; may be null.
// One thread; several loops in one group share the partitions. A failure ends the process (Die).
void RelayUntil(const std::atomic<bool>& stop, const RelayOptions& options, std::atomic<int64_t>* relayed = nullptr);

}  // namespace anabranch::bench

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_source.h"
#include "engine/outside_need.h"
#include "engine/outside_thing.h"

namespace anabranch {

// Connector::CheckOutside, ListOutside and MakeOutside for topics: each connection is asked in turn.
Status CheckTopics(std::span<const OutsideNeed> needs, const std::string& make_command, const CancelToken* cancel);
Result<std::vector<OutsideThing>> ListTopics(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                             const CancelToken* cancel);
Result<std::vector<OutsideThing>> MakeTopics(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                             const CancelToken* cancel);

// How far a group has read one partition, and where the partition ends for a reader of committed records.
struct PartitionLag {
  std::string partition;            // "payments/0"
  int64_t committed = kNoPosition;  // kNoPosition: nothing is stored
  int64_t end = 0;
  // Records between them, or, without a stored position, all that are there; transactions' markers count too.
  int64_t records = 0;
};
// By topic and partition, of the topics that exist. `topology` is the identity under which the source's group is named.
// Joins no group. kUnavailable when the brokers do not answer within `wait_ms`.
Result<std::vector<PartitionLag>> AskLag(const KafkaSourceSettings& settings, const std::string& topology,
                                         int64_t wait_ms);

}  // namespace anabranch

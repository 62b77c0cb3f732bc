#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "connectors/kafka/topic_rules.h"

namespace anabranch {

// Requests about topics that only administrators' tools make. Each waits at most about `wait_ns`. kUnavailable when the
// brokers cannot be reached or do not answer, with the cause; kCancelled when a stop was asked for.

struct TopicSettings {
  int error = 0;  // of the library: why the settings of this topic are not known; 0: they are
  std::map<std::string, std::string> values;
};
// One entry per topic, in their order.
Result<std::vector<TopicSettings>> DescribeTopics(const ClientOptions& options, std::span<const std::string> topics,
                                                  int64_t wait_ns, const CancelToken* cancel);

struct TopicAnswer {
  int error = 0;     // of the library; 0: it was made, or could be
  std::string text;  // of the brokers
};
// One answer per topic, in their order. `only_ask`: makes none, says whether each can be made.
Result<std::vector<TopicAnswer>> CreateTopics(const ClientOptions& options, std::span<const NewTopic> topics,
                                              bool only_ask, int64_t wait_ns, const CancelToken* cancel);

}  // namespace anabranch

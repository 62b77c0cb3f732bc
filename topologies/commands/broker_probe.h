#pragma once

#include <map>
#include <string>

#include "engine/status.h"

namespace anabranch {

// Asks a Kafka cluster for its brokers, with librdkafka's own property names; waits at most `wait_ms`.
// Returns one line, "3 brokers: a:9092, b:9092, c:9092". kUnavailable with the client's last error
// when none answers, kInvalid for a property that the client does not take. Joins and writes nothing.
Result<std::string> ProbeBrokers(const std::map<std::string, std::string>& properties, int wait_ms);

std::string KafkaLibraryVersion();

}  // namespace anabranch

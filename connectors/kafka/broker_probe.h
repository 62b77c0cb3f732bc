#pragma once

#include <string>

#include "connectors/kafka/kafka_options.h"
#include "engine/status.h"

namespace anabranch {

// Asks a Kafka cluster for its brokers; waits at most `wait_ms`. Returns one line, "3 brokers: a:9092,
// b:9092, c:9092". kUnavailable with the cause as far as the client knows it, kInvalid for properties
// that contradict each other. Joins no group and writes nothing.
Result<std::string> ProbeBrokers(const ClientOptions& options, int wait_ms);

}  // namespace anabranch

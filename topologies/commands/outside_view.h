#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_topics.h"
#include "engine/plan.h"
#include "engine/registry.h"

namespace anabranch {

// How far a source is behind; `problem` if the brokers do not say.
struct SourceLag {
  std::vector<PartitionLag> partitions;
  std::string problem;
};

// What the brokers report about a plan, for `status` and `doctor`.
struct OutsideFacts {
  std::map<std::string, SourceLag> lag;  // by source; Kafka sources only
  std::string missing;                   // the text of Registry::CheckOutside; empty: nothing is missing
};

// Asks the brokers and waits a few seconds at most for each response. `identity`: the name under which positions are
// kept; `make_command`: as for CheckOutside.
OutsideFacts AskOutside(const Plan& plan, const Registry& registry, const std::string& identity,
                        const std::string& make_command);

// The lines below a source's heading: one per partition.
std::string LagText(const SourceLag& lag);
// {"payments": {"records": n, "partitions": {"payments/0": {"committed": n|null, "end": n, "records": n}}}}
std::string LagJson(const std::map<std::string, SourceLag>& lag);
int64_t LagRecords(const SourceLag& lag);

}  // namespace anabranch

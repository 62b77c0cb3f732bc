#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_topics.h"
#include "engine/plan.h"
#include "engine/registry.h"

namespace anabranch {

// How far a source is behind; `problem` if the brokers do not say. Nothing of all this: it is not known.
struct SourceLag {
  std::vector<PartitionLag> partitions;
  // By partition, from the process that runs it.
  std::map<std::string, double> seconds;
  std::map<std::string, std::string> watermarks;  // where the source has `time`
  std::string problem;

  bool known() const { return problem.empty() && !partitions.empty(); }
};

// What the brokers report about a plan, for `status` and `doctor`.
struct OutsideFacts {
  std::map<std::string, SourceLag> lag;  // by source
  std::string missing;                   // the text of Registry::CheckOutside; empty: nothing is missing
};

// Asks the brokers and waits a few seconds at most for each response. `identity`: the name under which positions are
// kept; `make_command`: as for CheckOutside.
OutsideFacts AskOutside(const Plan& plan, const Registry& registry, const std::string& identity,
                        const std::string& make_command);

// The lines below a source's heading: one per partition.
std::string LagText(const SourceLag& lag);
// {"payments": {"records": n|null, "seconds": s|null, "partitions": {"payments/0": {"committed": n|null, "end": n,
// "records": n, "seconds": s|null}}}}: null where nobody knows, then with "problem" where there is one. Seconds are
// those of the process that runs it, of the partition that is furthest behind. A partition with a watermark has it as
// "watermark", RFC 3339.
std::string LagJson(const std::map<std::string, SourceLag>& lag);
int64_t LagRecords(const SourceLag& lag);
std::optional<double> LagSeconds(const SourceLag& lag);

}  // namespace anabranch

#include "topologies/operate/partition_metrics.h"

#include <algorithm>
#include <functional>
#include <string>
#include <type_traits>

namespace anabranch {
namespace {

// One series per partition; for a source with very many, one in all, which `fold` makes: so a sum of records and a
// maximum of seconds over all series are right in both cases.
template <typename Get, typename Fold>
void OfPartitions(const MetricInput& input, MetricSamples& samples, Get get, const char* folded, Fold fold) {
  using Number = std::remove_cvref_t<std::invoke_result_t<Get, const PartitionMeasures&>>;
  for (const SourceMeasures& source : input.look.measures.sources) {
    const bool all = source.partitions.size() > kMostPartitionSeries;
    Number total = kUnknown;
    for (const PartitionMeasures& partition : source.partitions) {
      const Number value = std::invoke(get, partition);
      if (value < 0) continue;
      total = total < 0 ? value : fold(total, value);
      if (!all) samples.Add({source.id, partition.topic, std::to_string(partition.partition)}, value);
    }
    if (all && total >= 0) samples.Add({source.id, "", folded}, total);
  }
}

}  // namespace

void SampleLagRecords(const MetricInput& input, MetricSamples& samples) {
  OfPartitions(input, samples, &PartitionMeasures::lag_records, "sum", [](int64_t a, int64_t b) { return a + b; });
}
void SampleLagSeconds(const MetricInput& input, MetricSamples& samples) {
  OfPartitions(input, samples, &PartitionMeasures::lag_seconds, "max",
               [](double a, double b) { return std::max(a, b); });
}
void SamplePosition(const MetricInput& input, MetricSamples& samples) {
  OfPartitions(input, samples, &PartitionMeasures::next, "sum", [](int64_t a, int64_t b) { return a + b; });
}
void SampleWatermark(const MetricInput& input, MetricSamples& samples) {
  const auto seconds = [](const PartitionMeasures& partition) {
    return partition.watermark_us < 0 ? kUnknown : static_cast<double>(partition.watermark_us) * 1e-6;
  };
  OfPartitions(input, samples, seconds, "min", [](double a, double b) { return std::min(a, b); });
}

}  // namespace anabranch

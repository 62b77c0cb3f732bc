#pragma once

#include "topologies/operate/metric_samples.h"
#include "topologies/operate/metrics_text.h"

namespace anabranch {

// What is measured of each partition that is assigned now: samplers of the catalogue (MetricSpec). One that nobody
// knows has no series.
void SampleLagRecords(const MetricInput& input, MetricSamples& samples);
void SampleLagSeconds(const MetricInput& input, MetricSamples& samples);
void SamplePosition(const MetricInput& input, MetricSamples& samples);
void SampleWatermark(const MetricInput& input, MetricSamples& samples);

}  // namespace anabranch

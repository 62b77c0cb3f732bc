#include <algorithm>
#include <string>

#include "topologies/operate/metric_samples.h"
#include "topologies/operate/metrics_text.h"
#include "topologies/operate/partition_metrics.h"

namespace anabranch {
namespace {

using Samples = MetricSamples;
using Input = MetricInput;

double Seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }
double SecondsOfMs(int64_t ms) { return static_cast<double>(ms) / 1e3; }

const Plan& PlanOf(const Input& input) { return *input.look.checked->plan; }
const MeasureSnapshot& MeasuresOf(const Input& input) { return input.look.measures; }

const char* WordOf(RecordPolicy policy) {
  switch (policy) {
    case RecordPolicy::kDeadLetter: return "dead_letter";
    case RecordPolicy::kSkip: return "skip";
    case RecordPolicy::kDefault: return "default";
    case RecordPolicy::kStop: return "stop";
    case RecordPolicy::kNull: return "null";
  }
  return "";
}

// What happens to rows that fail in a stage; sources have no policy of their own.
const char* ActionIn(const Plan& plan, const std::string& stage) {
  for (const PlanNode& node : plan.nodes) {
    if (node.id == stage) return WordOf(node.on_record_error);
  }
  return WordOf(RecordPolicy::kDeadLetter);
}

// --- pipeline

void Info(const Input& input, Samples& samples) {
  const Plan& plan = PlanOf(input);
  const char* const delivery = plan.delivery == Delivery::kExactlyOnce ? "exactly_once" : "at_least_once";
  samples.Add({plan.hash, ANABRANCH_VERSION, delivery, input.look.options.instance}, int64_t{1});
}

void State(const Input& input, Samples& samples) {
  using enum LivePipeline::State;
  for (const LivePipeline::State state : {kStarting, kRunning, kDraining, kFailed, kStopped}) {
    samples.Add({NameOf(state)}, int64_t{state == input.look.state});
  }
}

void Ready(const Input& input, Samples& samples) { samples.Add({}, int64_t{input.look.not_ready.empty()}); }

void VerdictNow(const Input& input, Samples& samples) {
  const Verdict& verdict = input.look.load.verdict;
  samples.Add({NameOf(verdict.kind), verdict.by}, int64_t{1});
}

void StartTime(const Input& input, Samples& samples) { samples.Add({}, SecondsOfMs(input.look.started_ms)); }
void Restarts(const Input& input, Samples& samples) { samples.Add({}, int64_t{input.look.restarts}); }

// --- sources

template <int64_t SourceMeasures::* number>
void OfSource(const Input& input, Samples& samples) {
  for (const SourceMeasures& source : MeasuresOf(input).sources) samples.Add({source.id}, source.*number);
}

void Partitions(const Input& input, Samples& samples) {
  for (const SourceMeasures& source : MeasuresOf(input).sources) {
    samples.Add({source.id}, static_cast<int64_t>(source.partitions.size()));
  }
}

// --- lanes

void LaneSeconds(const Input& input, Samples& samples) {
  for (const LaneMeasures& lane : MeasuresOf(input).lanes) {
    const std::string number = std::to_string(lane.lane);
    for (const LaneShare& share : lane.shares) samples.Add({number, NameOf(share.state), share.by}, Seconds(share.ns));
  }
}

// --- stages

void RowsIn(const Input& input, Samples& samples) {
  for (const StageCounts& stage : input.look.run.stages) samples.Add({stage.id, stage.kind}, stage.rows_in);
}

void Rows(const Input& input, Samples& samples) {
  for (const StageCounts& stage : input.look.run.stages) {
    const int64_t went_on = stage.missed + stage.defaulted;
    samples.Add({stage.id, stage.kind, "ok"}, stage.rows_out - stage.skipped - went_on);
    samples.Add({stage.id, stage.kind, "skipped"}, stage.skipped);
    samples.Add({stage.id, stage.kind, "filtered"}, stage.filtered);
    samples.Add({stage.id, stage.kind, "failed"}, stage.failed - went_on);
    samples.Add({stage.id, stage.kind, "missed"}, stage.missed);
    samples.Add({stage.id, stage.kind, "defaulted"}, stage.defaulted);
  }
}

void Failures(const Input& input, Samples& samples) {
  for (const StageCounts& stage : input.look.run.stages) {
    for (const auto& [code, reason] : stage.reasons) {
      samples.Add({stage.id, code, ActionIn(PlanOf(input), stage.id)}, reason.count);
    }
  }
}

void DeadLetters(const Input& input, Samples& samples) {
  for (const StageCounts& stage : input.look.run.stages) samples.Add({stage.id}, stage.dead_lettered);
}
void BusySeconds(const Input& input, Samples& samples) {
  for (const StageCounts& stage : input.look.run.stages) samples.Add({stage.id}, Seconds(stage.busy_ns));
}
void Retries(const Input& input, Samples& samples) {
  for (const StageCounts& stage : input.look.run.stages) samples.Add({stage.id}, stage.retried);
}
void ModelGeneration(const Input& input, Samples& samples) {
  for (const ModelAgent::Serving& each : input.look.models) {
    samples.Add({each.model, each.version}, static_cast<double>(each.generation));
  }
}

void RolloutStep(const Input& input, Samples& samples) {
  for (const RolloutStatus& each : input.look.rollouts) {
    samples.Add({each.model, NameOf(each.state)}, static_cast<int64_t>(each.step));
  }
}

void ArmRows(const Input& input, Samples& samples) {
  for (const RolloutStatus& each : input.look.rollouts) {
    const std::string generation = std::to_string(each.generation);
    for (size_t arm = 0; arm < std::min(each.answered.size(), each.record.arms.size()); ++arm) {
      samples.Add({each.model, each.record.arms[arm].version, arm == 0 ? "serving" : "candidate", generation},
                  each.answered[arm]);
    }
  }
}

// `number` of a guard, by the verdict and the spec of the model that it belongs to.
template <typename Number>
void OfGuards(const Input& input, Samples& samples, Number number) {
  for (const RolloutStatus& each : input.look.rollouts) {
    const auto model = std::ranges::find(PlanOf(input).managed, each.model, &PlanModel::name);
    if (model == PlanOf(input).managed.end() || model->rollout == nullptr) continue;
    const std::vector<RolloutSpec::Guard>& guards = model->rollout->guards;
    for (size_t i = 0; i < std::min(guards.size(), each.verdict.guards.size()); ++i) {
      samples.Add({each.model, NameOf(guards[i].what)}, number(guards[i], each.verdict.guards[i]));
    }
  }
}
void GuardMeasured(const Input& input, Samples& samples) {
  OfGuards(input, samples, [](const RolloutSpec::Guard&, const GuardFigures& figures) { return figures.measured; });
}
void GuardLimit(const Input& input, Samples& samples) {
  OfGuards(input, samples, [](const RolloutSpec::Guard& guard, const GuardFigures&) { return guard.limit; });
}

template <typename F>
void EachBanditArm(const Input& input, Samples& samples, const F& value) {
  for (const ModelAgent::Serving& each : input.look.models) {
    if (!each.bandit) continue;
    const std::vector<ArmTotals> totals = each.bandit->totals.ByArm();
    for (size_t i = 0; i < totals.size(); ++i) {
      const GenerationRecord& record = each.bandit->now.record;
      samples.Add({each.model, record.arms[i].version}, value(record.probabilities[i], totals[i]));
    }
  }
}
void BanditProbability(const Input& input, Samples& samples) {
  EachBanditArm(input, samples, [](double probability, const ArmTotals&) { return probability; });
}
void BanditRewards(const Input& input, Samples& samples) {
  EachBanditArm(input, samples, [](double, const ArmTotals& totals) { return totals.rewards; });
}
void BanditMean(const Input& input, Samples& samples) {
  EachBanditArm(input, samples, [](double, const ArmTotals& totals) { return totals.mean(); });
}
void BanditUnmatched(const Input& input, Samples& samples) {
  for (const ModelAgent::Serving& each : input.look.models) {
    if (each.bandit) samples.Add({each.model}, each.bandit->totals.unmatched);
  }
}

void BreakerFill(const Input& input, Samples& samples) {
  for (const NodeMeasures& node : MeasuresOf(input).nodes) samples.Add({node.id}, node.breaker_fill);
}

template <HistogramCounts NodeMeasures::* counts>
void OfNode(const Input& input, Samples& samples) {
  for (const NodeMeasures& node : MeasuresOf(input).nodes) samples.Add({node.id}, node.*counts);
}
template <auto member>
void OfModel(const Input& input, Samples& samples) {
  for (const NodeMeasures& node : MeasuresOf(input).nodes) {
    if (!node.model.empty()) samples.Add({node.id, node.model, node.version}, node.*member);
  }
}

// --- epochs and targets

void Epochs(const Input& input, Samples& samples) {
  samples.Add({"committed"}, MeasuresOf(input).epochs_committed);
  samples.Add({"aborted"}, MeasuresOf(input).epochs_aborted);
  samples.Add({"abandoned"}, MeasuresOf(input).epochs_abandoned);
}
template <auto member>
void OfRun(const Input& input, Samples& samples) {
  samples.Add({}, MeasuresOf(input).*member);
}

template <HistogramCounts TargetMeasures::* counts>
void OfTarget(const Input& input, Samples& samples) {
  for (const TargetMeasures& target : MeasuresOf(input).targets) samples.Add({target.id}, target.*counts);
}
template <int64_t TargetMeasures::* number>
void OfTargetAndConnector(const Input& input, Samples& samples) {
  for (const TargetMeasures& target : MeasuresOf(input).targets) {
    samples.Add({target.id, target.connector}, target.*number);
  }
}
void TargetErrors(const Input& input, Samples& samples) {
  for (const TargetMeasures& target : MeasuresOf(input).targets) {
    for (const auto& [error_class, count] : target.errors) {
      samples.Add({target.id, target.connector, error_class}, count);
    }
  }
}
void LastCommit(const Input& input, Samples& samples) {
  for (const TargetMeasures& target : MeasuresOf(input).targets) {
    if (target.last_commit_ms >= 0) samples.Add({target.id}, SecondsOfMs(target.last_commit_ms));
  }
}
void RecordSeconds(const Input& input, Samples& samples) {
  for (const TargetMeasures& target : MeasuresOf(input).targets) {
    samples.Add({target.id, "event"}, target.event_seconds);
    samples.Add({target.id, "intake"}, target.intake_seconds);
  }
}
void LatencyTarget(const Input& input, Samples& samples) {
  const int64_t target_ns = PlanOf(input).batch.latency_target_ns;
  if (target_ns > 0) samples.Add({}, Seconds(target_ns));
}

// --- memory, state and the process beside the pipeline

void HeldBytes(const Input& input, Samples& samples) {
  samples.Add({"batches"}, MeasuresOf(input).held_batches);
  samples.Add({"epoch"}, MeasuresOf(input).held_epoch);
}
void StateBytes(const Input& input, Samples& samples) {
  for (const auto& [part, bytes] : input.process.state_bytes) samples.Add({part}, bytes);
}
void HttpRequests(const Input& input, Samples& samples) {
  for (const auto& [route, counts] : input.process.http) {
    samples.Add({route.first, std::to_string(route.second)}, counts.count());
  }
}
void HttpSeconds(const Input& input, Samples& samples) {
  for (const auto& [route, counts] : input.process.http) {
    samples.Add({route.first, std::to_string(route.second)}, counts);
  }
}
void SpansDropped(const Input& input, Samples& samples) { samples.Add({}, input.process.spans_dropped); }
void TapDropped(const Input& input, Samples& samples) { samples.Add({}, input.process.tap_dropped); }
void SeriesDropped(const Input&, Samples& samples) { samples.AddAlways({}, static_cast<double>(samples.dropped())); }

std::vector<MetricSpec> MakeCatalogue() {
  using S = SourceMeasures;
  using N = NodeMeasures;
  using T = TargetMeasures;
  using M = MeasureSnapshot;
  return {
      {"anabranch_info",
       "gauge",
       "",
       {"hash", "version", "delivery", "replica"},
       "Always 1: which topology this process runs, and as which instance.",
       Info},
      {"anabranch_state",
       "gauge",
       "",
       {"state"},
       "1 for the present state of the pipeline (starting, running, draining, failed, stopped), 0 for the others.",
       State},
      {"anabranch_ready", "gauge", "", {}, "1 where /readyz answers 200: the pipeline takes records.", Ready},
      {"anabranch_verdict",
       "gauge",
       "",
       {"kind", "by"},
       "Always 1: what holds the pipeline back over the last 10 seconds, and which stage or target it is.",
       VerdictNow},
      {"anabranch_start_time_seconds",
       "gauge",
       "seconds",
       {},
       "When the first session of this process began, in seconds since 1970.",
       StartTime},
      {"anabranch_restarts_total", "counter", "", {}, "Sessions of this process that began as restarts.", Restarts},
      {"anabranch_source_lag_records",
       "gauge",
       "rows",
       {"source", "topic", "partition"},
       "Records behind the end of the partition that are not committed. Above 512 partitions one series with the sum.",
       SampleLagRecords},
      {"anabranch_source_lag_seconds",
       "gauge",
       "seconds",
       {"source", "topic", "partition"},
       "Age of the last committed record; 0 where nothing waits. Above 512 partitions one series with the maximum.",
       SampleLagSeconds},
      {"anabranch_source_position",
       "gauge",
       "rows",
       {"source", "topic", "partition"},
       "Position of the first record that is not committed. Above 512 partitions one series with the sum.",
       SamplePosition},
      {"anabranch_source_watermark_seconds",
       "gauge",
       "seconds",
       {"source", "topic", "partition"},
       "Watermark of the partition's event time, in seconds since 1970; only where the source has `time`. Above 512 "
       "partitions one series with the minimum.",
       SampleWatermark},
      {"anabranch_source_records_total",
       "counter",
       "rows",
       {"source"},
       "Records that were read.",
       OfSource<&S::records>},
      {"anabranch_source_bytes_total",
       "counter",
       "bytes",
       {"source"},
       "Bytes of the values that were read.",
       OfSource<&S::bytes>},
      {"anabranch_source_tombstones_total",
       "counter",
       "rows",
       {"source"},
       "Records without a value that were read.",
       OfSource<&S::tombstones>},
      {"anabranch_source_partitions", "gauge", "", {"source"}, "Partitions that this process reads now.", Partitions},
      {"anabranch_rebalances_total",
       "counter",
       "",
       {"source"},
       "How often partitions were assigned anew or taken away.",
       OfSource<&S::rebalances>},
      {"anabranch_last_commit_timestamp_seconds",
       "gauge",
       "seconds",
       {"target"},
       "When the last commit of the target ended, in seconds since 1970.",
       LastCommit},
      {"anabranch_lane_seconds_total",
       "counter",
       "seconds",
       {"lane", "state", "by"},
       "What a lane's time goes to: starved (by a source), busy (in a node), blocked or committing (by a target), "
       "crew, paused. The states sum to wall time.",
       LaneSeconds},
      {"anabranch_target_rows_total",
       "counter",
       "rows",
       {"target", "connector"},
       "Results that are committed.",
       OfTargetAndConnector<&T::rows>},
      {"anabranch_target_bytes_total",
       "counter",
       "bytes",
       {"target", "connector"},
       "Bytes of the results that are committed.",
       OfTargetAndConnector<&T::bytes>},
      {"anabranch_target_errors_total",
       "counter",
       "",
       {"target", "connector", "class"},
       "Attempts to write or commit that failed, by class.",
       TargetErrors},
      {"anabranch_node_rows_in_total",
       "counter",
       "rows",
       {"node", "kind"},
       "Rows that reached the stage; sources are stages too.",
       RowsIn},
      {"anabranch_node_rows_total",
       "counter",
       "rows",
       {"node", "kind", "outcome"},
       "Rows by how they left the stage: ok, skipped, filtered, failed, missed (went on with nulls), defaulted.",
       Rows},
      {"anabranch_node_failures_total",
       "counter",
       "rows",
       {"node", "code", "action"},
       "Rows that failed, by code and by what the stage does with such rows (dead_letter, skip, default, null, stop).",
       Failures},
      {"anabranch_dead_letters_total",
       "counter",
       "rows",
       {"node"},
       "Rows that became dead letters in the stage.",
       DeadLetters},
      {"anabranch_node_busy_seconds_total",
       "counter",
       "seconds",
       {"node"},
       "Time spent in the stage, by all lanes.",
       BusySeconds},
      {"anabranch_node_retries_total", "counter", "", {"node"}, "Calls made again after a transient error.", Retries},
      {"anabranch_breaker_fill_ratio",
       "gauge",
       "",
       {"node"},
       "Failed rows among the last ones, as a share of what stops the stage.",
       BreakerFill},
      {"anabranch_epochs_total",
       "counter",
       "",
       {"result"},
       "Epochs that were committed, aborted or abandoned.",
       Epochs},
      {"anabranch_held_bytes",
       "gauge",
       "bytes",
       {"where"},
       "Memory of records in flight: in batches, and in epochs that are not committed.",
       HeldBytes},
      {"anabranch_held_bytes_limit",
       "gauge",
       "bytes",
       {},
       "The most that may be held; lanes wait there.",
       OfRun<&M::held_limit>},
      {"anabranch_kept_rows", "gauge", "rows", {}, "Rows kept for a restart of a failed stage.", OfRun<&M::kept_rows>},
      {"anabranch_kept_bytes", "gauge", "bytes", {}, "Bytes of the rows kept for a restart.", OfRun<&M::kept_bytes>},
      {"anabranch_kept_bytes_limit",
       "gauge",
       "bytes",
       {},
       "The most that may be kept (limits.kept_bytes).",
       OfRun<&M::kept_limit>},
      {"anabranch_state_bytes", "gauge", "bytes", {"part"}, "Bytes of the state folder by part.", StateBytes},
      {"anabranch_tap_dropped_total", "counter", "rows", {}, "Rows that a tap asked for and did not get.", TapDropped},
      {"anabranch_spans_dropped_total", "counter", "", {}, "Spans of traces that were not sent.", SpansDropped},
      {"anabranch_latency_target_seconds",
       "gauge",
       "seconds",
       {},
       "The latency that batches aim at (batch.latency_target_ms), where one is set.",
       LatencyTarget},
      {"anabranch_record_seconds",
       "histogram",
       "seconds",
       {"target", "from"},
       "Time until a record is durable in the target, from its timestamp (event) or its intake (intake).",
       RecordSeconds},
      {"anabranch_commit_seconds",
       "histogram",
       "seconds",
       {"target"},
       "Time of a commit.",
       OfTarget<&T::commit_seconds>},
      {"anabranch_epoch_open_seconds",
       "histogram",
       "seconds",
       {},
       "Time from the first row of an epoch to its end.",
       OfRun<&M::epoch_open_seconds>},
      {"anabranch_epoch_rows", "histogram", "rows", {}, "Source rows of an epoch.", OfRun<&M::epoch_rows>},
      {"anabranch_model_generation",
       "gauge",
       "",
       {"model", "version"},
       "Generation of a deployed model that new records are scored with.",
       ModelGeneration},
      {"anabranch_model_rollout_step",
       "gauge",
       "",
       {"model", "state"},
       "Step that a rollout is at, from 1; state: running, held, awaits_person, inconclusive, breached.",
       RolloutStep},
      {"anabranch_model_arm_rows_total",
       "counter",
       "rows",
       {"model", "version", "arm", "generation"},
       "Rows that a version answered in the step of a rollout that is this generation: of this instance up to now, of "
       "the others up to their last entries in the control log, so do not add instances up; arm: serving, candidate.",
       ArmRows},
      {"anabranch_model_guard",
       "gauge",
       "",
       {"model", "guard"},
       "What a guard of a rollout measured in this step.",
       GuardMeasured},
      {"anabranch_model_guard_limit", "gauge", "", {"model", "guard"}, "What it must not exceed.", GuardLimit},
      {"anabranch_bandit_probability",
       "gauge",
       "",
       {"model", "version"},
       "Probability with which a bandit draws a version.",
       BanditProbability},
      {"anabranch_bandit_rewards_total",
       "counter",
       "rewards",
       {"model", "version"},
       "Rewards of a version since the bandit began, of all instances.",
       BanditRewards},
      {"anabranch_bandit_reward_mean", "gauge", "", {"model", "version"}, "Mean reward of a version.", BanditMean},
      {"anabranch_bandit_unmatched_rewards_total",
       "counter",
       "rewards",
       {"model"},
       "Rewards of no answer.",
       BanditUnmatched},
      {"anabranch_model_load_seconds",
       "gauge",
       "seconds",
       {"node", "model", "version"},
       "Time it took to load the model.",
       OfModel<&N::load_seconds>},
      {"anabranch_model_file_bytes",
       "gauge",
       "bytes",
       {"node", "model", "version"},
       "Size of the model's files.",
       OfModel<&N::file_bytes>},
      {"anabranch_model_call_seconds",
       "histogram",
       "seconds",
       {"node", "model", "version"},
       "Time of one call of the model.",
       OfModel<&N::call_seconds>},
      {"anabranch_model_call_rows",
       "histogram",
       "rows",
       {"node", "model", "version"},
       "Rows of one call of the model.",
       OfModel<&N::call_rows>},
      {"anabranch_node_batch_seconds",
       "histogram",
       "seconds",
       {"node"},
       "Time of one batch in the node.",
       OfNode<&N::batch_seconds>},
      {"anabranch_node_batch_rows",
       "histogram",
       "rows",
       {"node"},
       "Rows of one batch in the node.",
       OfNode<&N::batch_rows>},
      {"anabranch_http_requests_total",
       "counter",
       "",
       {"route", "code"},
       "Requests that were answered, by pattern of the route and code.",
       HttpRequests},
      {"anabranch_http_request_seconds", "histogram", "seconds", {"route", "code"}, "Time of a request.", HttpSeconds},
      {"anabranch_series_dropped",
       "gauge",
       "",
       {},
       "Series that this scrape omitted, because it would have more than 5,000.",
       SeriesDropped},
  };
}

}  // namespace

const std::vector<MetricSpec>& MetricCatalogue() {
  static const std::vector<MetricSpec> catalogue = MakeCatalogue();
  return catalogue;
}

}  // namespace anabranch

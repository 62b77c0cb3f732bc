#include "engine/trace/tracer.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "engine/record_id.h"

namespace anabranch {
namespace {

constexpr size_t kMostOpen = 4'096;  // batches of a lane that wait for their commit

// Names of OpenTelemetry's conventions for messaging, which may still change.
constexpr const char* kSystem = "messaging.system";
constexpr const char* kDestination = "messaging.destination.name";
constexpr const char* kPartition = "messaging.destination.partition.id";
constexpr const char* kOperation = "messaging.operation.name";
constexpr const char* kCount = "messaging.batch.message_count";

uint64_t RandomSeed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

template <size_t size>
void Write(uint64_t number, size_t at, std::array<uint8_t, size>* bytes) {
  for (size_t i = 0; i < 8; ++i) (*bytes)[at + i] = static_cast<uint8_t>(number >> (56 - 8 * i));
}

SpanId SpanIdFrom(uint64_t number) {
  SpanId id{};
  Write(number == 0 ? 1 : number, 0, &id);
  return id;
}

std::string_view HeaderOf(const RecordBatch& batch, uint32_t row, std::string_view name) {
  for (const RowHeader& header : batch.row_headers(row)) {
    if (header.name == name) return header.value;
  }
  return {};
}

// Empty where it is not what the standard allows, which is text of 512 bytes: whoever wrote the record chose the bytes.
std::string_view TracestateOf(const RecordBatch& batch, uint32_t row) {
  constexpr size_t kMostBytes = 512;
  const std::string_view state = HeaderOf(batch, row, kTracestate);
  const auto allowed = [](char byte) { return (byte >= ' ' && byte <= '~') || byte == '\t'; };
  return state.size() <= kMostBytes && std::ranges::all_of(state, allowed) ? state : std::string_view();
}

TraceSettings WithResource(TraceSettings settings, const Plan& plan, const std::string& instance,
                           const std::string& version) {
  const auto add = [&settings](const char* name, const std::string& value) {
    const auto same = [name](const auto& pair) { return pair.first == name; };
    if (std::ranges::none_of(settings.resource, same)) settings.resource.emplace_back(name, value);
  };
  add("service.version", version);
  add("service.instance.id", instance);
  add("anabranch.topology", plan.name + "@" + plan.hash);
  return settings;
}

}  // namespace

Tracer::Tracer(const Plan& plan, const Clock& clock, TraceSettings settings, const std::string& instance,
               const std::string& version, std::function<void(const std::string&)> warn, std::atomic<int64_t>& dropped)
    : plan_(plan),
      clock_(clock),
      sampler_(settings.sampler),
      seed_(RandomSeed()),
      exporter_(WithResource(std::move(settings), plan, instance, version), version, std::move(warn), dropped),
      models_(plan.stages()) {
  for (auto stage = StageId(plan.sources.size()); stage < plan.stages(); ++stage) {
    const std::map<std::string, std::string> facts = plan.node(stage).program->Facts();
    if (const auto model = facts.find("model"); model != facts.end()) models_[stage] = model->second;
  }
}

void Tracer::Attach(RunObserver* observer) {
  observer->before = [this](RecordBatch& batch) { Before(batch); };
  observer->committed = [this](const CommitSeen& commit) { Committed(commit); };
  observer->batch = [this, earlier = observer->batch](const RecordBatch& batch) {
    if (earlier) earlier(batch);
    After(batch);
  };
}

SpanId Tracer::NewSpanId() {
  const uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  return SpanIdFrom(XXH3_64bits_withSeed(&number, sizeof number, seed_));
}

TraceId Tracer::NewTraceId() {
  const uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  const XXH128_hash_t hash = XXH3_128bits_withSeed(&number, sizeof number, seed_);
  TraceId id{};
  Write(hash.high64 == 0 ? 1 : hash.high64, 0, &id);
  Write(hash.low64, 8, &id);
  return id;
}

int64_t Tracer::WallOf(int64_t ns) const {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count() - (clock_.NowNs() - ns);
}

// The same for each run: a record that is read again after a crash gives the same result.
SpanId Tracer::IdOf(const TraceContext& parent, const SourcePartition& partition, int64_t offset) const {
  std::string text = FormatTraceparent(parent);
  text += plan_.name + '/' + RecordId(partition, offset);
  return SpanIdFrom(XXH3_64bits(text.data(), text.size()));
}

void Tracer::Before(RecordBatch& batch) {
  if (batch.headers.empty() || batch.partitions == nullptr) return;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    const std::optional<TraceContext> parent = ParseTraceparent(HeaderOf(batch, row, kTraceparent));
    if (!parent || !sampler_.Keeps(parent->trace, parent->sampled)) continue;
    TraceContext own = *parent;
    own.span = IdOf(*parent, batch.partitions->at(batch.partition[row]), batch.offset[row]);
    own.sampled = true;
    batch.traceparent.resize(batch.rows());
    batch.traceparent[row] = batch.text.Copy(FormatTraceparent(own));
  }
}

void Tracer::After(const RecordBatch& batch) {
  if (batch.complete || batch.rows() == 0) return;
  if (exporter_.full()) {
    exporter_.Drop(1 + batch.stages.size() + batch.traceparent.size());
    return;
  }
  Span whole = BatchSpan(batch, clock_.NowNs());
  const bool kept = sampler_.Keeps(whole.context.trace, std::nullopt);
  std::vector<Span> spans;
  if (!batch.traceparent.empty()) AddRecords(batch, &whole, kept, &spans);
  if (kept) {
    AddStages(batch, whole, &spans);
    const MutexLock lock(mutex_);
    std::deque<OpenBatch>& open = open_[batch.lane];
    if (open.size() >= kMostOpen) open.pop_front();
    open.push_back({whole.context, batch.encoded.positions});
    spans.push_back(std::move(whole));
  }
  if (!spans.empty()) exporter_.Offer(std::move(spans));
}

Span Tracer::BatchSpan(const RecordBatch& batch, int64_t end_ns) {
  Span span;
  span.context = {NewTraceId(), NewSpanId(), true};
  span.name = "process " + plan_.name;
  span.kind = Span::Kind::kConsumer;
  span.end_ns = WallOf(end_ns);
  span.begin_ns = span.end_ns - (end_ns - batch.intake_ns);
  span.attributes = {{kOperation, "process"},
                     {kSystem, plan_.sources[batch.source].connector},
                     {kCount, int64_t{batch.rows()}},
                     {"anabranch.source", plan_.sources[batch.source].id},
                     {"anabranch.lane", int64_t{batch.lane}}};
  return span;
}

void Tracer::AddStages(const RecordBatch& batch, const Span& whole, std::vector<Span>* spans) {
  int64_t at_ns = whole.begin_ns;
  for (StageId stage = 0; stage < batch.stages.size(); ++stage) {
    const StageRows& rows = batch.stages[stage];
    if (rows.outcome.empty() || rows.reused || rows.busy_ns == 0) continue;
    Span& span = spans->emplace_back();
    span.context = {whole.context.trace, NewSpanId(), true};
    span.parent = whole.context.span;
    span.name = plan_.StageName(stage);
    span.begin_ns = at_ns;
    span.end_ns = at_ns += static_cast<int64_t>(rows.busy_ns);
    const bool source = stage < plan_.sources.size();
    span.attributes = {{"anabranch.kind", source ? "source" : plan_.node(stage).kind},
                       {"anabranch.rows", int64_t{rows.active_count}},
                       {"anabranch.failed", static_cast<int64_t>(rows.errors.size())}};
    if (!models_[stage].empty()) span.attributes.emplace_back("anabranch.model", models_[stage]);
  }
}

void Tracer::AddRecords(const RecordBatch& batch, Span* whole, bool batch_kept, std::vector<Span>* spans) {
  auto events = std::make_shared<Events>();
  int64_t at_ns = whole->begin_ns;
  for (StageId stage = 0; stage < batch.stages.size(); ++stage) {
    if (batch.stages[stage].busy_ns == 0 || batch.stages[stage].reused) continue;
    events->push_back({plan_.StageName(stage), at_ns});
    at_ns += static_cast<int64_t>(batch.stages[stage].busy_ns);
  }
  for (uint32_t row = 0; row < batch.traceparent.size(); ++row) {
    if (batch.traceparent[row].empty()) continue;
    const std::optional<TraceContext> parent = ParseTraceparent(HeaderOf(batch, row, kTraceparent));
    if (!parent) continue;
    if (whole->links.size() < kMostLinks) {
      whole->links.push_back(*parent);
    } else {
      ++whole->links_left_out;
    }
    Span& span = spans->emplace_back(RecordSpan(batch, row, *parent, *whole));
    span.events = events;
    if (batch_kept) span.links.push_back(whole->context);
  }
}

Span Tracer::RecordSpan(const RecordBatch& batch, uint32_t row, const TraceContext& parent, const Span& whole) const {
  const SourcePartition& partition = batch.partitions->at(batch.partition[row]);
  const PlanSource& source = plan_.sources[batch.source];
  Span span;
  span.context = ParseTraceparent(batch.traceparent[row]).value_or(TraceContext{});
  span.parent = parent.span;
  span.trace_state = TracestateOf(batch, row);
  span.name = "process " + source.id;
  span.kind = Span::Kind::kConsumer;
  span.begin_ns = whole.begin_ns;
  span.end_ns = whole.end_ns;
  span.attributes = {{kOperation, "process"},
                     {kSystem, source.connector},
                     {kDestination, partition.topic},
                     {kPartition, std::to_string(partition.partition)},
                     {"messaging." + source.connector + ".offset", batch.offset[row]}};
  span.error = ErrorOf(batch, row);
  return span;
}

std::string Tracer::ErrorOf(const RecordBatch& batch, uint32_t row) const {
  for (StageId stage = 0; stage < batch.stages.size(); ++stage) {
    const std::vector<RowError>& errors = batch.stages[stage].errors;
    const auto at = std::ranges::lower_bound(errors, row, {}, &RowError::row);
    const bool left = at != errors.end() && at->row == row && !Passed(batch.stages[stage].outcome[row]);
    if (left) return plan_.StageName(stage) + ": " + at->code;
  }
  return {};
}

void Tracer::Committed(const CommitSeen& commit) {
  const auto durable = [&commit](const OpenBatch& batch) {
    return std::ranges::all_of(batch.positions, [&commit](const PositionRange& range) {
      return std::ranges::any_of(commit.positions, [&range](const PositionRange& done) {
        return done.partition == range.partition && range.next <= done.next;
      });
    });
  };
  std::vector<TraceContext> batches;
  {
    const MutexLock lock(mutex_);
    // A lane commits in order: what stands before a durable batch and is none was lost, and is computed again
    // elsewhere.
    std::deque<OpenBatch>& open = open_[commit.lane];
    const auto last = std::ranges::find_if(open.rbegin(), open.rend(), durable).base();
    for (auto at = open.begin(); at != last; ++at) {
      if (durable(*at)) batches.push_back(at->context);
    }
    open.erase(open.begin(), last);
  }
  if (batches.empty()) return;
  Span span;
  span.context = {batches.front().trace, NewSpanId(), true};
  span.parent = batches.front().span;
  span.name = "commit";
  span.end_ns = WallOf(commit.end_ns);
  span.begin_ns = span.end_ns - (commit.end_ns - commit.begin_ns);
  span.attributes = {{"anabranch.lane", int64_t{commit.lane}}, {"anabranch.rows", commit.rows}};
  const size_t links = std::min(batches.size() - 1, kMostLinks);
  span.links.assign(batches.begin() + 1, batches.begin() + 1 + static_cast<std::ptrdiff_t>(links));
  span.links_left_out = static_cast<uint32_t>(batches.size() - 1 - links);
  exporter_.Offer({std::move(span)});
}

}  // namespace anabranch

#include "topologies/operate/letter_mask.h"

#include <algorithm>

#include "engine/text/json_object.h"
#include "topologies/operate/dlq_view.h"
#include "topologies/operate/masking.h"

namespace anabranch {
namespace {

const PlanSource* SourceOf(const Plan& plan, std::string_view name) {
  const auto found = std::ranges::find(plan.sources, name, &PlanSource::id);
  if (found != plan.sources.end()) return &*found;
  return plan.sources.size() == 1 ? &plan.sources.front() : nullptr;
}

}  // namespace

bool HasSensitive(const Plan& plan) { return std::ranges::any_of(plan.sources, HidesMessages); }

std::string MaskedValueJson(const Plan& plan, const DeadLetter& letter, std::string_view value) {
  if (!HasSensitive(plan)) return JsonBytes(value);
  const PlanSource* const source = SourceOf(plan, letter.source);
  return JsonBytes(source == nullptr ? kMasked : MaskRecord(*source, value));
}

std::string MaskedLetterJson(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
  if (!HasSensitive(plan)) return LetterJson(plan, batch, row, letter);
  JsonObject json;
  json.AddText("id", letter.Id()).AddText("node", letter.node).AddText("kind", letter.kind);
  json.AddText("class", letter.error_class).AddText("code", letter.code).AddText("message", kMasked);
  json.AddText("attempts", letter.attempts).AddText("failed_at", letter.failed_at);
  json.AddNumber("timestamp", batch.timestamp_ms[row]);
  json.AddJson("key", batch.key_present[row] != 0 ? JsonBytes(kMasked) : "null");
  json.AddJson("value", MaskedValueJson(plan, letter, batch.payload[row])).AddJson("headers", "[]");
  json.AddNumber("result_bytes", static_cast<int64_t>(letter.results.size())).AddJson("results", "{}");
  return json.AddFlag("masked", true).text();
}

}  // namespace anabranch

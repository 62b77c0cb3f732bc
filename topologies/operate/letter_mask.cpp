#include "topologies/operate/letter_mask.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "engine/schema/record_schema.h"
#include "engine/text/json_object.h"
#include "topologies/operate/dlq_view.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMask[] = "***";

void MaskAt(std::span<const std::string> steps, Json* value) {
  if (value->is_array()) {
    for (Json& item : *value) MaskAt(steps, &item);
  } else if (steps.empty()) {
    if (!value->is_null()) *value = kMask;
  } else if (value->is_object() && value->contains(steps.front())) {
    Json& inner = (*value)[steps.front()];
    if (steps.size() == 1 && inner.is_array()) {
      inner = kMask;
    } else {
      MaskAt(steps.subspan(1), &inner);
    }
  }
}

const RecordSchema* SchemaOf(const Plan& plan, std::string_view source) {
  const auto found = std::ranges::find(plan.sources, source, &PlanSource::id);
  if (found != plan.sources.end()) return found->schema.get();
  return plan.sources.size() == 1 ? plan.sources.front().schema.get() : nullptr;
}

}  // namespace

bool HasSensitive(const Plan& plan) {
  return std::ranges::any_of(
      plan.sources, [](const PlanSource& source) { return source.schema && !source.schema->sensitive().empty(); });
}

std::string MaskedValueJson(const Plan& plan, const DeadLetter& letter, std::string_view value) {
  if (!HasSensitive(plan)) return JsonBytes(value);
  const std::string hidden = JsonBytes(kMask);
  const RecordSchema* const schema = SchemaOf(plan, letter.source);
  if (schema == nullptr) return hidden;
  Json json = Json::parse(value, nullptr, false);
  if (json.is_discarded()) return hidden;
  for (const std::vector<std::string>& steps : schema->sensitive()) MaskAt(steps, &json);
  return JsonBytes(json.dump());
}

std::string MaskedLetterJson(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
  if (!HasSensitive(plan)) return LetterJson(plan, batch, row, letter);
  JsonObject json;
  json.AddText("id", letter.Id()).AddText("node", letter.node).AddText("kind", letter.kind);
  json.AddText("class", letter.error_class).AddText("code", letter.code).AddText("message", kMask);
  json.AddText("attempts", letter.attempts).AddText("failed_at", letter.failed_at);
  json.AddNumber("timestamp", batch.timestamp_ms[row]);
  json.AddJson("key", batch.key_present[row] != 0 ? JsonBytes(kMask) : "null");
  json.AddJson("value", MaskedValueJson(plan, letter, batch.payload[row])).AddJson("headers", "[]");
  json.AddNumber("result_bytes", static_cast<int64_t>(letter.results.size())).AddJson("results", "{}");
  return json.AddFlag("masked", true).text();
}

}  // namespace anabranch

#include "topologies/language/settings.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace anabranch {

namespace {

// A breaker as files write it.
struct BreakerRule {
  double share = 0.05;
  int64_t rows = 1000;
};

int64_t Nanoseconds(const ConfigValue& object, std::string_view member, int64_t fallback) {
  const ConfigValue* value = object.Find(member);
  return value != nullptr && value->is_number() ? static_cast<int64_t>(value->number * kNsPerMs) : fallback;
}

bool FitsScalar(const ConfigValue& value, Kind kind) {
  switch (kind) {
    case Kind::kBool: return value.kind == ConfigValue::Kind::kBool;
    case Kind::kInt64: return value.kind == ConfigValue::Kind::kInteger;
    case Kind::kFloat32:
    case Kind::kFloat64: return value.is_number();
    case Kind::kString: return value.is_string();
    case Kind::kTimestamp: return value.is_string() || value.kind == ConfigValue::Kind::kInteger;
    case Kind::kList:
    case Kind::kTensor: break;
  }
  return false;
}

bool FitsType(const ConfigValue& value, const Type& type) {
  if (type.IsScalar()) return FitsScalar(value, type.kind);
  if (!value.is_array()) return false;
  if (type.kind == Kind::kTensor && static_cast<int64_t>(value.children.size()) != type.Elements()) return false;
  return std::all_of(value.children.begin(), value.children.end(),
                     [&](const ConfigValue& item) { return FitsScalar(item, type.element); });
}

void ReadDefaultValues(const ConfigValue& values, const std::vector<VisibleColumn>& columns, PlanNode& out,
                       FaultSink& faults) {
  std::vector<std::string> names;
  for (const VisibleColumn& column : columns) names.push_back(column.name);
  for (const ConfigValue& value : values.children) {
    const auto column =
        std::find_if(columns.begin(), columns.end(), [&](const auto& each) { return each.name == value.name; });
    if (column == columns.end()) {
      faults.AddAtName(FaultCode::kUnknownColumn, value,
                       "node \"" + out.id + "\" makes no column \"" + value.name + "\"", Suggest(value.name, names));
    } else if (!FitsType(value, column->type)) {
      faults.Add(
          FaultCode::kWrongType, value,
          "the default of \"" + value.name + "\" must be " + column->type.ToString() + ", not " + value.KindName(),
          value.kind == ConfigValue::Kind::kNull ? "write \"on_error\": \"null\": the row goes on with nulls" : "");
    } else if (column->type.kind == Kind::kList) {
      faults.Add(FaultCode::kNotSupported, value, "a list takes no default; \"" + value.name + "\" is one",
                 "leave it out: it is null on such a row");
    } else {
      out.default_values[column->id] = value.Canonical();
    }
  }
  // A column without a value would be null although its readers rely on a value.
  for (const VisibleColumn& column : columns) {
    if (column.nullable || values.Find(column.name) != nullptr) continue;
    faults.Add(FaultCode::kMissingKey, values,
               "the default values of node \"" + out.id + "\" have none for \"" + column.name + "\"");
  }
}

// `on_error` as it concerns a row; null: it says nothing of it.
const ConfigValue* FindRecordPolicy(const ConfigValue& node, const ConfigValue& root) {
  const ConfigValue* defaults = root.Find("defaults");
  const ConfigValue* policy = node.Find("on_error");
  if (policy == nullptr && defaults != nullptr) policy = defaults->Find("on_error");
  if (policy == nullptr) return nullptr;
  const ConfigValue* record = policy->Find("record");
  return record != nullptr ? record : policy;
}

void ReadRetry(const ConfigValue& object, PlanNode& out) {
  if (const ConfigValue* retry = object.Find("retry")) {
    out.retry_max = static_cast<int>(retry->Integer("max", out.retry_max));
    out.retry_backoff_ns = Nanoseconds(*retry, "backoff_ms", out.retry_backoff_ns);
    out.retry_max_backoff_ns = Nanoseconds(*retry, "max_backoff_ms", out.retry_max_backoff_ns);
  }
  out.timeout_ns = Nanoseconds(object, "timeout_ms", out.timeout_ns);
}

// What `breaker` (an object with "share" and "rows", or null) leaves out comes from `fallback`.
BreakerRule ReadBreaker(const ConfigValue* breaker, BreakerRule fallback) {
  if (breaker == nullptr) return fallback;
  return {breaker->Number("share", fallback.share), breaker->Integer("rows", fallback.rows)};
}

Breaker MakeBreaker(const BreakerRule& rule) {
  // 0.07 * 100 is a little above 7.
  const double failures = std::ceil(rule.share * static_cast<double>(rule.rows) - 1e-6);
  return {static_cast<uint32_t>(rule.rows), static_cast<uint32_t>(std::max(1.0, failures))};
}

BreakerRule FileBreaker(const ConfigValue& root) {
  const ConfigValue* limits = root.Find("limits");
  return ReadBreaker(limits != nullptr ? limits->Find("dead_letters") : nullptr, {});
}

}  // namespace

void ReadTopologySettings(const ConfigValue& root, Plan& plan, FaultSink& faults) {
  if (const ConfigValue* batch = root.Find("batch")) {
    plan.batch.max_rows = static_cast<uint32_t>(batch->Integer("max_rows", plan.batch.max_rows));
    plan.batch.max_bytes = static_cast<size_t>(batch->Integer("max_bytes", static_cast<int64_t>(plan.batch.max_bytes)));
    plan.batch.linger_ns = Nanoseconds(*batch, "linger_ms", plan.batch.linger_ns);
    plan.batch.latency_target_ns = Nanoseconds(*batch, "latency_target_ms", plan.batch.latency_target_ns);
    const ConfigValue* linger = batch->Find("linger_ms");
    if (linger != nullptr && batch->Find("latency_target_ms") != nullptr) {
      faults.Add(FaultCode::kBadValue, *linger, "\"latency_target_ms\" chooses how long a batch waits",
                 "leave \"linger_ms\" out, or give \"max_rows\" and \"linger_ms\" without a target");
    }
  }
  if (const ConfigValue* epoch = root.Find("epoch")) {
    plan.epoch.max_rows = static_cast<uint64_t>(epoch->Integer("max_rows", static_cast<int64_t>(plan.epoch.max_rows)));
    plan.epoch.max_bytes = static_cast<size_t>(epoch->Integer("max_bytes", static_cast<int64_t>(plan.epoch.max_bytes)));
    plan.epoch.commit_ns = Nanoseconds(*epoch, "commit_ms", plan.epoch.commit_ns);
  }
  if (const ConfigValue* limits = root.Find("limits")) {
    plan.limits.result_bytes =
        static_cast<size_t>(limits->Integer("result_bytes", static_cast<int64_t>(plan.limits.result_bytes)));
    plan.limits.record_bytes =
        static_cast<size_t>(limits->Integer("record_bytes", static_cast<int64_t>(plan.limits.record_bytes)));
    plan.limits.memory_bytes =
        static_cast<size_t>(limits->Integer("memory_bytes", static_cast<int64_t>(plan.limits.memory_bytes)));
    plan.limits.kept_bytes =
        static_cast<size_t>(limits->Integer("kept_bytes", static_cast<int64_t>(plan.limits.kept_bytes)));
  }
  const ConfigValue* delivery = root.Find("delivery");
  plan.delivery_given = delivery != nullptr;
  if (delivery != nullptr && delivery->text == "at_least_once") plan.delivery = Delivery::kAtLeastOnce;
}

void ReadSourceSettings(const ConfigValue& root, PlanSource& out) { out.breaker = MakeBreaker(FileBreaker(root)); }

RecordPolicy PolicyOf(const ConfigValue& node, const ConfigValue& root) {
  const ConfigValue* policy = FindRecordPolicy(node, root);
  if (policy == nullptr) return RecordPolicy::kDeadLetter;
  if (policy->Find("default") != nullptr) return RecordPolicy::kDefault;
  if (policy->text == "skip") return RecordPolicy::kSkip;
  if (policy->text == "null") return RecordPolicy::kNull;
  return policy->text == "stop" ? RecordPolicy::kStop : RecordPolicy::kDeadLetter;
}

void ReadNodeSettings(const ConfigValue& node, const ConfigValue& root, const std::vector<VisibleColumn>& columns,
                      PlanNode& out, FaultSink& faults) {
  const ConfigValue* defaults = root.Find("defaults");
  out.description = node.Text("description");
  out.was = node.Text("was");
  out.keep_always = node.Text("keep") == "always";
  BreakerRule breaker = FileBreaker(root);
  if (defaults != nullptr) breaker = ReadBreaker(defaults->Find("dead_letter_max"), breaker);
  out.breaker = MakeBreaker(ReadBreaker(node.Find("dead_letter_max"), breaker));
  out.join_any = node.Text("join") == "any";
  if (defaults != nullptr) ReadRetry(*defaults, out);
  ReadRetry(node, out);
  out.on_record_error = PolicyOf(node, root);
  if (out.on_record_error == RecordPolicy::kDefault) {
    ReadDefaultValues(*FindRecordPolicy(node, root)->Find("default"), columns, out, faults);
  }
}

}  // namespace anabranch

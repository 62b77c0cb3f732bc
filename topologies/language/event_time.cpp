#include "topologies/language/event_time.h"

#include "engine/durations.h"

namespace anabranch {
namespace {

constexpr int64_t kMaxAheadUs = 300'000'000;

// What `fallback` says where the key is not there; nothing where it is no length.
std::optional<int64_t> ReadLength(const ConfigValue& time, const char* name, int64_t fallback, FaultSink& faults) {
  const ConfigValue* value = time.Find(name);
  if (value == nullptr) return fallback;
  if (!value->is_string()) return std::nullopt;
  const std::optional<int64_t> length = ParseLengthUs(value->text);
  if (length) return length;
  faults.Add(FaultCode::kBadValue, *value, "\"" + value->text + "\" is no length of time",
             "write a whole number and a unit, such as \"250ms\", \"30s\", \"5m\", \"1h\" or \"7d\"; at most " +
                 LengthText(kLongestLengthUs));
  return std::nullopt;
}

std::string CureOfType(const Type& type) {
  if (type.kind == Kind::kString) return "add \"format\": \"date-time\" to it in the schema, if it is RFC 3339";
  return "name a field with \"format\": \"date-time\", or an integer of milliseconds since 1970 (other units: "
         "\"format\": \"date-time\" with \"x-unit\")";
}

// Nothing: there is no such field, or no time can be read from it.
std::optional<ColumnId> ReadTimeField(const ConfigValue& field, const std::string& source_id, const Scope& scope,
                                      bool complete, ColumnTable& columns, FaultSink& faults) {
  if (!field.is_string()) return std::nullopt;
  const VisibleColumn* column = scope.Find(field.text);
  if (column == nullptr) {
    if (!complete) return std::nullopt;
    faults.Add(FaultCode::kUnknownColumn, field,
               "the event time of source \"" + source_id + "\" is the field \"" + field.text +
                   "\", which its schema does not have",
               scope.columns().empty() ? "name a schema with this field" : Suggest(field.text, scope.Names()));
    return std::nullopt;
  }
  const bool tells_time = column->type.kind == Kind::kTimestamp || column->type.kind == Kind::kInt64;
  if (!tells_time) {
    faults.Add(FaultCode::kBadValue, field,
               "an event time cannot be read from \"" + field.text + "\", a " + column->type.ToString(),
               CureOfType(column->type));
    return std::nullopt;
  }
  columns.NoteRead(column->id, false);
  return column->id;
}

}  // namespace

std::vector<FieldSpec> EventTimeFields() {
  return {
      {"field", Shape::Column(), false, "",
       "The field of the record that holds its time: a date-time, or an integer of milliseconds since 1970. Default: "
       "the record's timestamp. A record without it is a record error (`time`)."},
      {"lateness", Shape::String(), false, "\"0s\"",
       "How far the watermark stays behind the greatest time of a partition: \"250ms\", \"30s\", \"5m\", \"1h\", "
       "\"7d\"."},
      {"max_ahead", Shape::String(), false, "\"5m\"",
       "A record whose time is further ahead of the clock is a record error (`time_ahead`), and moves no watermark."},
  };
}

std::optional<TimeRule> BindEventTime(const ConfigValue& time, const std::string& source_id, const Scope& scope,
                                      bool complete, ColumnTable& columns, FaultSink& faults) {
  if (!time.is_object()) return std::nullopt;
  const std::optional<int64_t> lateness = ReadLength(time, "lateness", 0, faults);
  const std::optional<int64_t> max_ahead = ReadLength(time, "max_ahead", kMaxAheadUs, faults);
  TimeRule rule;
  if (const ConfigValue* field = time.Find("field")) {
    rule.field = ReadTimeField(*field, source_id, scope, complete, columns, faults);
    if (!rule.field) return std::nullopt;
  }
  if (!lateness || !max_ahead) return std::nullopt;
  rule.lateness_us = *lateness;
  rule.max_ahead_us = *max_ahead;
  return rule;
}

}  // namespace anabranch

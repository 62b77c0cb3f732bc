#include "engine/schema/field_words.h"

#include "engine/json_type.h"
#include "engine/text/utf8.h"

namespace anabranch {
namespace {

constexpr size_t kShown = 64;

std::string Plural(Kind kind) {
  switch (kind) {
    case Kind::kBool: return "true or false";
    case Kind::kInt64: return "integers";
    case Kind::kString: return "strings";
    default: return "numbers";
  }
}

std::string ShapeText(const Type& type) {
  std::string text = "[";
  for (size_t i = 0; i < type.shape.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(type.shape[i]);
  return text + "]";
}

std::string WantedTime(const SchemaField& field) {
  if (field.timestamp_unit.empty()) return "a date-time text (RFC 3339)";
  return "an integer, the " + field.timestamp_unit + " since 1970";
}

std::string MissingName(const SchemaField& field, size_t step) {
  std::string path;
  for (size_t i = 0; i <= step && i < field.steps.size(); ++i) path += (i == 0 ? "" : ".") + field.steps[i];
  return "field \"" + path + "\" is missing";
}

}  // namespace

std::string FieldName(const SchemaField& field) { return "field \"" + field.path + "\""; }

std::string QuoteValue(std::string_view value) {
  const std::string_view cut = CutText(value, kShown);
  return "\"" + std::string(cut) + (cut.size() < value.size() ? "…\"" : "\"");
}

std::string Wanted(const SchemaField& field) {
  if (!field.decode.empty()) return "text of " + std::to_string(field.type.Elements()) + " numbers with commas between";
  switch (field.type.kind) {
    case Kind::kBool: return "true or false";
    case Kind::kInt64: return "an integer";
    case Kind::kString: return IsJson(field.type) ? "an array of objects" : "a string";
    case Kind::kTimestamp: return WantedTime(field);
    case Kind::kList: return "an array of " + Plural(field.type.element);
    case Kind::kTensor: return "an array of " + Plural(field.type.element) + " shaped " + ShapeText(field.type);
    default: return "a number";
  }
}

std::string StateFault(const SchemaField& field, uint8_t state, std::string_view misfit) {
  const std::string_view cut = CutText(misfit, kShown);
  const std::string shown = std::string(cut) + (cut.size() < misfit.size() ? "…" : "");
  switch (state & 0x0F) {
    case kNull: return field.null_allowed ? "" : FieldName(field) + " is null; wanted " + Wanted(field);
    case kMissing: return field.required ? MissingName(field, field.steps.size() - 1) : "";
    case kMissingRequired: return MissingName(field, state >> 4);
    case kWrongType:
      return FieldName(field) + (shown.empty() ? " has another type" : " is " + shown) + "; wanted " + Wanted(field);
    case kOutOfRange:
      return FieldName(field) + (shown.empty() ? "" : " is " + shown) + ": " + field.type.ToString() +
             " cannot hold that number";
    default: return "";
  }
}

std::string ItemCountFault(const SchemaField& field, int64_t count, const std::optional<int64_t>& least,
                           const std::optional<int64_t>& most) {
  const std::string has = FieldName(field) + " has " + std::to_string(count) + " items, ";
  if (least && count < *least) return has + "fewer than " + std::to_string(*least);
  if (most && count > *most) return has + "more than " + std::to_string(*most);
  return {};
}

}  // namespace anabranch

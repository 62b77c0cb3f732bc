#include "topologies/trial/compare_value.h"

#include <algorithm>

#include "topologies/trial/json_value.h"
#include "topologies/trial/matchers.h"

namespace anabranch {
namespace {

using Kinds = ConfigValue::Kind;

std::string NearText(const ConfigValue& matcher) {
  std::string text = ShowValue(*matcher.Find("$near"));
  if (const ConfigValue* abs = matcher.Find("abs")) text += " ± " + ShowValue(*abs);
  if (const ConfigValue* rel = matcher.Find("rel")) text += " ± " + ShowValue(*rel) + " of it";
  return text;
}

void CompareMatcher(const ConfigValue& matcher, const ConfigValue* actual, const Tolerance& usual,
                    const std::string& path, std::vector<ValueDifference>* out) {
  if (matcher.Find("$expr") != nullptr) return;
  if (matcher.Find("$absent") != nullptr) {
    if (actual != nullptr) out->push_back({&matcher, path, "no such field", actual, {}});
    return;
  }
  if (matcher.Find("$any") != nullptr) {
    if (actual == nullptr) out->push_back({&matcher, path, "any value", nullptr, {}});
    return;
  }
  Tolerance tolerance = usual;
  if (matcher.Find("abs") != nullptr || matcher.Find("rel") != nullptr) tolerance = {0, 0};
  tolerance.abs = matcher.Number("abs", tolerance.abs);
  tolerance.rel = matcher.Number("rel", tolerance.rel);
  const bool near =
      actual != nullptr && actual->is_number() && AreNear(matcher.Find("$near")->number, actual->number, tolerance);
  if (!near) out->push_back({&matcher, path, NearText(matcher), actual, {}});
}

constexpr size_t kMostOfOneList = 3;

void CompareLists(const ConfigValue& expected, const ConfigValue& actual, bool floats, const Tolerance& tolerance,
                  const std::string& path, std::vector<ValueDifference>* out) {
  const size_t size = expected.children.size();
  if (size != actual.children.size()) {
    out->push_back({&expected, path, std::to_string(size) + " values, " + ShowValue(expected), &actual,
                    std::to_string(actual.children.size()) + ", " + ShowValue(actual)});
    return;
  }
  std::vector<ValueDifference> found;
  size_t values = 0;
  for (size_t i = 0; i < size; ++i) {
    const size_t before = found.size();
    CompareValue(expected.children[i], &actual.children[i], floats, tolerance, path + "[" + std::to_string(i) + "]",
                 &found);
    values += found.size() > before ? 1 : 0;
  }
  if (values <= kMostOfOneList) {
    out->insert(out->end(), found.begin(), found.end());
    return;
  }
  ValueDifference& first = found.front();
  const std::string is = first.actual == nullptr ? "nothing" : ShowValue(*first.actual);
  out->push_back(
      {&expected, first.path, first.expected, &actual,
       is + "; " + std::to_string(values) + " of the " + std::to_string(size) + " values of this list differ"});
}

bool IsEqual(const ConfigValue& expected, const ConfigValue& actual, bool floats, const Tolerance& tolerance) {
  if (expected.is_number() && actual.is_number()) {
    if (floats) return AreNear(expected.number, actual.number, tolerance);
    const bool whole = expected.kind == Kinds::kInteger && actual.kind == Kinds::kInteger;
    return whole ? expected.integer == actual.integer : expected.number == actual.number;
  }
  if (expected.kind != actual.kind) return false;
  switch (expected.kind) {
    case Kinds::kBool: return expected.boolean == actual.boolean;
    case Kinds::kString: return expected.text == actual.text;
    default: return true;
  }
}

}  // namespace

bool HoldsFloats(const Type& type) {
  const Kind kind = type.IsScalar() ? type.kind : type.element;
  return kind == Kind::kFloat32 || kind == Kind::kFloat64;
}

void CompareValue(const ConfigValue& expected, const ConfigValue* actual, bool floats, const Tolerance& tolerance,
                  const std::string& path, std::vector<ValueDifference>* out) {
  if (IsMatcher(expected)) return CompareMatcher(expected, actual, tolerance, path, out);
  const bool nested =
      (expected.is_array() || expected.is_object()) && actual != nullptr && actual->kind == expected.kind;
  if (nested && expected.is_array()) return CompareLists(expected, *actual, floats, tolerance, path, out);
  if (!nested) {
    if (actual != nullptr && !expected.is_array() && !expected.is_object() &&
        IsEqual(expected, *actual, floats, tolerance)) {
      return;
    }
    out->push_back({&expected, path, ShowValue(expected), actual, {}});
    return;
  }
  for (const ConfigValue& each : expected.children) {
    CompareValue(each, actual->Find(each.name), floats, tolerance, path + "." + each.name, out);
  }
  for (const ConfigValue& each : actual->children) {
    if (expected.Find(each.name) == nullptr)
      out->push_back({&expected, path + "." + each.name, "no such field", &each, {}, true});
  }
}

}  // namespace anabranch

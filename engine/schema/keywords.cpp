#include "engine/schema/keywords.h"

#include <algorithm>
#include <array>

namespace anabranch {
namespace {

constexpr size_t kFewKeywordHints = 200;  // each one looks at every keyword

enum class Form : uint8_t { kAny, kNumber, kPositive, kCount, kString, kBool, kList };

constexpr uint8_t kN = static_cast<uint8_t>(SchemaScope::kNumber), kS = static_cast<uint8_t>(SchemaScope::kString),
                  kA = static_cast<uint8_t>(SchemaScope::kArray), kO = static_cast<uint8_t>(SchemaScope::kObject),
                  kB = static_cast<uint8_t>(SchemaScope::kBoolean), kT = static_cast<uint8_t>(SchemaScope::kTime),
                  kD = static_cast<uint8_t>(SchemaScope::kDecoded), kAll = 127;

struct Keyword {
  const char* name;
  uint8_t scopes;
  Form form;
};
constexpr std::array kKeywords = {
    Keyword{"type", kAll, Form::kAny},
    Keyword{"enum", kN | kS | kB, Form::kList},
    Keyword{"const", kN | kS | kB, Form::kAny},
    Keyword{"minimum", kN, Form::kNumber},
    Keyword{"maximum", kN, Form::kNumber},
    Keyword{"exclusiveMinimum", kN, Form::kNumber},
    Keyword{"exclusiveMaximum", kN, Form::kNumber},
    Keyword{"multipleOf", kN, Form::kPositive},
    Keyword{"minLength", kS, Form::kCount},
    Keyword{"maxLength", kS, Form::kCount},
    Keyword{"pattern", kS, Form::kString},
    Keyword{"format", kS | kT | kN, Form::kString},
    Keyword{"items", kA, Form::kAny},
    Keyword{"minItems", kA, Form::kCount},
    Keyword{"maxItems", kA, Form::kCount},
    Keyword{"properties", kO, Form::kAny},
    Keyword{"required", kO, Form::kList},
    Keyword{"additionalProperties", kO, Form::kAny},
    Keyword{"x-unit", kT, Form::kString},
    Keyword{"x-decode", kD, Form::kString},
    Keyword{kSensitiveKeyword, kAll, Form::kBool},
};

struct Refused {
  const char* name;
  const char* cure;
};
constexpr char kRule[] = "write it as a rule of a node, e.g. \"rules\": {\"name\": \"a > b\"}";
constexpr char kWriteOut[] = "write the schema out in full";
constexpr std::array kRefused = {
    Refused{"$ref", kWriteOut},
    Refused{"$defs", kWriteOut},
    Refused{"definitions", kWriteOut},
    Refused{"allOf", "write the keywords into one schema"},
    Refused{"anyOf", kRule},
    Refused{"oneOf", kRule},
    Refused{"not", kRule},
    Refused{"if", kRule},
    Refused{"then", kRule},
    Refused{"else", kRule},
    Refused{"dependencies", kRule},
    Refused{"patternProperties", "name the fields in \"properties\""},
    Refused{"propertyNames",
            "name the fields in \"properties\" and close the object with \"additionalProperties\": false"},
    Refused{"minProperties", "name the fields in \"required\""},
    Refused{"maxProperties", "close the object with \"additionalProperties\": false"},
    Refused{"additionalItems", "give all items one schema in \"items\""},
    Refused{"contains", kRule},
    Refused{"uniqueItems", "leave it out: items are not compared"},
    Refused{"contentEncoding", "leave it out: content is not decoded"},
    Refused{"contentMediaType", "leave it out: content is not decoded"},
};

constexpr std::array kAnnotations = {"title",   "description", "default",  "examples",  "$comment",
                                     "$schema", "$id",         "readOnly", "writeOnly", "deprecated"};

const char* ScopeName(SchemaScope scope) {
  switch (scope) {
    case SchemaScope::kNumber: return "a number";
    case SchemaScope::kString: return "a string";
    case SchemaScope::kArray: return "an array";
    case SchemaScope::kObject: return "an object";
    case SchemaScope::kBoolean: return "a boolean";
    case SchemaScope::kTime: return "a date-time";
    case SchemaScope::kDecoded: return "a string with \"x-decode\"";
  }
  return "this";
}

void CheckForm(const ConfigValue& value, Form form, FaultSink& faults) {
  const auto wrong = [&](const char* wanted) {
    faults.Add(FaultCode::kWrongType, value, "\"" + value.name + "\" is " + value.KindName() + "; wanted " + wanted);
  };
  switch (form) {
    case Form::kAny: return;
    case Form::kNumber:
      if (!value.is_number()) wrong("a number");
      return;
    case Form::kPositive:
      if (!value.is_number()) return wrong("a number above 0");
      if (!(value.number > 0)) faults.Add(FaultCode::kBadValue, value, "\"" + value.name + "\" must be above 0");
      return;
    case Form::kCount:
      if (value.kind != ConfigValue::Kind::kInteger) return wrong("an integer from 0");
      if (value.integer < 0) faults.Add(FaultCode::kBadValue, value, "\"" + value.name + "\" must not be negative");
      return;
    case Form::kString:
      if (!value.is_string()) wrong("a string");
      return;
    case Form::kBool:
      if (value.kind != ConfigValue::Kind::kBool) wrong("true or false");
      return;
    case Form::kList:
      if (!value.is_array()) wrong("a list");
      return;
  }
}

std::string ScopeCure(SchemaScope scope, std::string_view keyword) {
  if (scope == SchemaScope::kTime && keyword != "x-unit") return kRule;
  return "leave it out, or change \"type\"";
}

void Unknown(const ConfigValue& member, FaultSink& faults) {
  for (const Refused& refused : kRefused) {
    if (member.name == refused.name) {
      faults.AddAtName(FaultCode::kSchemaKeyword, member, "the schema keyword \"" + member.name + "\" is not supported",
                       refused.cure);
      return;
    }
  }
  std::vector<std::string> known;
  if (faults.faults().size() < kFewKeywordHints) {
    for (const Keyword& keyword : kKeywords) known.emplace_back(keyword.name);
  }
  faults.AddAtName(FaultCode::kSchemaKeyword, member, "\"" + member.name + "\" is no schema keyword that is supported",
                   Suggest(member.name, known));
}

}  // namespace

bool IsSchemaAnnotation(std::string_view keyword) {
  return std::find(kAnnotations.begin(), kAnnotations.end(), keyword) != kAnnotations.end() ||
         keyword.starts_with("x-");
}

void CheckKeywords(const ConfigValue& schema, SchemaScope scope, FaultSink& faults) {
  for (const ConfigValue& member : schema.children) {
    const auto known = std::find_if(kKeywords.begin(), kKeywords.end(),
                                    [&](const Keyword& keyword) { return member.name == keyword.name; });
    if (known == kKeywords.end()) {
      if (!IsSchemaAnnotation(member.name)) Unknown(member, faults);
    } else if ((known->scopes & static_cast<uint8_t>(scope)) == 0) {
      if (member.name == "x-unit") continue;  // of another tool
      faults.AddAtName(FaultCode::kSchemaKeyword, member,
                       "\"" + member.name + "\" does not apply to " + ScopeName(scope), ScopeCure(scope, member.name));
    } else {
      CheckForm(member, known->form, faults);
    }
  }
}

}  // namespace anabranch

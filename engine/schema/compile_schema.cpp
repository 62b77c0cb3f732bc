#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_set>

#include "engine/json_type.h"
#include "engine/schema/field_rules.h"
#include "engine/schema/keywords.h"
#include "engine/schema/read_rules.h"
#include "engine/schema/record_schema.h"

namespace anabranch {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr size_t kFewSuggestions = 200;  // and names that each one looks at
constexpr int64_t kMaxElements = int64_t{1} << 24;
constexpr char kTypeCure[] = "leave the property out, or give it the schema {}: it is then passed over";

class CompiledSchema final : public RecordSchema {
 public:
  void Check(const RecordBatch& batch, std::span<const uint8_t> active,
             const std::function<void(uint32_t, std::string)>& fail) const override {
    if (!Judges(batch)) return;
    std::vector<uint8_t> failed(batch.rows(), 0);
    const bool all_active = std::all_of(active.begin(), active.end(), [](uint8_t byte) { return byte == 1; });
    const FieldCheck::Fail once = [&](uint32_t row, std::string message) {
      failed[row] = 1;
      fail(row, std::move(message));
    };
    for (size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i].column >= batch.columns.size()) continue;
      const Column& column = batch.columns[fields_[i].column];
      if (column.rows() == batch.rows()) checks_[i].Run(fields_[i], column, active, all_active, failed, once);
    }
  }

  void Add(SchemaField field, FieldRules rules) {
    checks_.emplace_back(field, std::move(rules));
    fields_.push_back(std::move(field));
  }
  void AddSensitive(std::vector<std::string> steps) { sensitive_.push_back(std::move(steps)); }
  void AddObject(SchemaObject object) {
    std::string path;
    for (const std::string& step : object.steps) path += (path.empty() ? "" : ".") + step;
    if (object.closed) closed_objects_.push_back(std::move(path));
    objects_.push_back(std::move(object));
  }

 private:
  std::vector<FieldCheck> checks_;
};

// "type" as written: one word, and whether null is allowed beside it.
struct TypeWord {
  std::string word;
  bool null_allowed = false;
};

class Compiler {
 public:
  Compiler(CompiledSchema* out, FaultSink& faults) : out_(out), faults_(faults) {}

  void Root(const ConfigValue& at) {
    if (!at.is_object()) {
      faults_.Add(FaultCode::kWrongType, at, std::string("a schema is an object, not ") + at.KindName());
      return;
    }
    const ConfigValue* type = at.Find("type");
    if (type != nullptr && !(type->is_string() && type->text == "object")) {
      faults_.Add(FaultCode::kSchemaType, *type, "a record is an object: \"type\" must be \"object\"");
      return;
    }
    Object(at, {}, {{}, false, NoteSensitive(at, {}, false)});
  }

 private:
  struct Parent {
    std::vector<std::string> steps;
    bool required = true;  // the record always has it
    bool sensitive = false;
  };

  // Whether the value at `steps` is sensitive.
  bool NoteSensitive(const ConfigValue& at, const std::vector<std::string>& steps, bool within) {
    const ConfigValue* sensitive = at.is_object() ? at.Find(kSensitiveKeyword) : nullptr;
    if (sensitive == nullptr || !sensitive->boolean) return within;
    if (!within) out_->AddSensitive(steps);
    return true;
  }

  void Object(const ConfigValue& at, SchemaObject object, const Parent& around) {
    CheckKeywords(at, SchemaScope::kObject, faults_);
    object.closed = IsClosed(at);
    const ConfigValue* properties = at.Find("properties");
    const std::unordered_set<std::string> required = Required(at, properties);
    if (properties != nullptr && !properties->is_object()) {
      faults_.Add(FaultCode::kWrongType, *properties, "\"properties\" is an object of name → schema");
      return;
    }
    if (!object.steps.empty() && (properties == nullptr || properties->children.empty())) {
      faults_.Add(FaultCode::kSchemaType, at, "an object without \"properties\" gives no columns", kTypeCure);
      return;
    }
    const Parent here{object.steps,
                      object.steps.empty() || (around.required && object.required && !object.null_allowed),
                      around.sensitive};
    std::vector<const ConfigValue*> read;
    for (size_t i = 0; properties != nullptr && i < properties->children.size(); ++i) {
      const ConfigValue& property = properties->children[i];
      const bool is_required = required.count(property.name) != 0;
      if (!IsUnread(property)) {
        read.push_back(&property);
        continue;
      }
      NoteUnread(property, here);
      object.unread.push_back(property.name);
      if (is_required) {
        faults_.Add(FaultCode::kSchemaType, property,
                    "\"" + property.name + "\" is required but has no \"type\"; only fields with a type are checked",
                    "give it a type, or take it out of \"required\"");
      }
    }
    out_->AddObject(std::move(object));
    for (const ConfigValue* property : read) {
      Property(*property, here, required.count(property->name) != 0);
    }
  }

  void NoteUnread(const ConfigValue& property, const Parent& here) {
    const ConfigValue* sensitive = property.is_object() ? property.Find(kSensitiveKeyword) : nullptr;
    if (sensitive != nullptr && sensitive->kind != ConfigValue::Kind::kBool) {
      faults_.Add(FaultCode::kWrongType, *sensitive,
                  "\"" + sensitive->name + "\" is " + sensitive->KindName() + "; wanted true or false");
    }
    std::vector<std::string> steps = here.steps;
    steps.push_back(property.name);
    NoteSensitive(property, steps, here.sensitive);
  }

  // {} or true, annotations aside: anything goes, so there is nothing to read or check.
  static bool IsUnread(const ConfigValue& property) {
    if (property.kind == ConfigValue::Kind::kBool) return property.boolean;
    return property.is_object() &&
           std::all_of(property.children.begin(), property.children.end(),
                       [](const ConfigValue& member) { return IsSchemaAnnotation(member.name); });
  }

  bool IsClosed(const ConfigValue& at) {
    const ConfigValue* additional = at.Find("additionalProperties");
    if (additional == nullptr) return false;
    if (additional->kind == ConfigValue::Kind::kBool) return !additional->boolean;
    faults_.Add(FaultCode::kSchemaKeyword, *additional,
                "\"additionalProperties\" as a schema is not supported; wanted true or false",
                "name the fields in \"properties\"");
    return false;
  }

  std::unordered_set<std::string> Required(const ConfigValue& at, const ConfigValue* properties) {
    std::unordered_set<std::string> names;
    const ConfigValue* required = at.Find("required");
    if (required == nullptr || !required->is_array()) return names;
    std::unordered_set<std::string_view> known;
    std::vector<std::string> suggested;
    if (properties != nullptr) {
      for (const ConfigValue& property : properties->children) {
        known.insert(property.name);
        if (suggested.size() < kFewSuggestions) suggested.push_back(property.name);
      }
    }
    for (const ConfigValue& name : required->children) {
      if (!name.is_string()) {
        faults_.Add(FaultCode::kWrongType, name, std::string("\"required\" lists names; this is ") + name.KindName());
      } else if (known.count(name.text) == 0) {
        faults_.Add(FaultCode::kSchemaType, name, "\"" + name.text + "\" is required but is not in \"properties\"",
                    suggestions_++ < kFewSuggestions ? Suggest(name.text, suggested) : "");
      } else {
        names.insert(name.text);
      }
    }
    return names;
  }

  void Property(const ConfigValue& at, const Parent& parent, bool required) {
    if (!at.is_object()) {
      faults_.Add(FaultCode::kWrongType, at,
                  std::string("the schema of a property is an object or true, not ") + at.KindName());
      return;
    }
    if (parent.steps.size() >= kMaxDepth) {
      faults_.Add(FaultCode::kTooLarge, at, "objects nested deeper than " + std::to_string(kMaxDepth) + " levels");
      return;
    }
    std::vector<std::string> steps = parent.steps;
    steps.push_back(at.name);
    const bool sensitive = NoteSensitive(at, steps, parent.sensitive);
    TypeWord type;
    if (!ReadType(at, &type)) return;
    if (type.word == "object") {
      SchemaObject object;
      object.steps = std::move(steps);
      object.required = required;
      object.null_allowed = type.null_allowed;
      Object(at, std::move(object), {{}, parent.required, sensitive});
      return;
    }
    SchemaField field;
    for (const std::string& step : steps) field.path += (field.path.empty() ? "" : ".") + step;
    field.steps = std::move(steps);
    field.required_here = required;
    field.required = required && parent.required;
    field.null_allowed = type.null_allowed;
    field.sensitive = sensitive;
    if (paths_.contains(field.path)) {
      faults_.AddAtName(FaultCode::kDuplicateKey, at, "two fields have the path \"" + field.path + "\"");
      return;
    }
    paths_[field.path] = true;
    Leaf(at, type.word, std::move(field));
  }

  bool ReadType(const ConfigValue& at, TypeWord* out) {
    const ConfigValue* type = at.Find("type");
    if (type == nullptr) return InferType(at, out);
    std::vector<const ConfigValue*> words;
    if (type->is_string()) words.push_back(type);
    if (type->is_array()) {
      for (const ConfigValue& word : type->children) words.push_back(&word);
    }
    for (const ConfigValue* word : words) {
      if (!word->is_string()) {
        faults_.Add(FaultCode::kWrongType, *word, "\"type\" is a string or a list of strings");
        return false;
      }
      if (word->text == "null") {
        out->null_allowed = true;
      } else if (!IsTypeName(*word)) {
        return false;
      } else if (out->word.empty()) {
        out->word = word->text;
      } else {
        faults_.Add(FaultCode::kSchemaType, *type, "a field of two types is not supported",
                    "one type, or [type, \"null\"]; an integer is a number too");
        return false;
      }
    }
    if (!out->word.empty()) return true;
    if (words.empty()) {
      faults_.Add(FaultCode::kWrongType, *type, "\"type\" is a string or a list of strings");
    } else {
      faults_.Add(FaultCode::kSchemaType, *type, "a field that is always null gives no column", kTypeCure);
    }
    return false;
  }

  bool IsTypeName(const ConfigValue& word) {
    static const std::vector<std::string> kNames = {"string", "number", "integer", "boolean",
                                                    "array",  "object", "null"};
    if (std::find(kNames.begin(), kNames.end(), word.text) != kNames.end()) return true;
    static const std::map<std::string, std::string> kOther = {
        {"int", "integer"},      {"int64", "integer"},  {"long", "integer"},   {"float", "number"},
        {"double", "number"},    {"float32", "number"}, {"float64", "number"}, {"bool", "boolean"},
        {"str", "string"},       {"text", "string"},    {"list", "array"},     {"timestamp", "string"},
        {"date-time", "string"}, {"map", "object"},     {"dict", "object"}};
    const auto other = kOther.find(word.text);
    faults_.Add(FaultCode::kSchemaType, word, "\"" + word.text + "\" is no type of JSON Schema",
                other != kOther.end() ? "did you mean \"" + other->second + "\"?" : Suggest(word.text, kNames));
    return false;
  }

  // {"enum": […]} and {"const": …} say the type by their values.
  bool InferType(const ConfigValue& at, TypeWord* out) {
    std::vector<const ConfigValue*> values;
    if (const ConfigValue* single = at.Find("const")) values.push_back(single);
    if (const ConfigValue* list = at.Find("enum")) {
      for (const ConfigValue& value : list->children) values.push_back(&value);
    }
    for (const ConfigValue* value : values) {
      const std::string word = WordOf(*value);
      if (word == "null") {
        out->null_allowed = true;
      } else if (out->word.empty() || (out->word == "integer" && word == "number")) {
        out->word = word;
      }
    }
    if (!out->word.empty() && out->word != "array" && out->word != "object") return true;
    faults_.Add(FaultCode::kSchemaType, at, "the schema of \"" + at.name + "\" has no \"type\"",
                "known: string, number, integer, boolean, array, object");
    return false;
  }

  static std::string WordOf(const ConfigValue& value) {
    switch (value.kind) {
      case ConfigValue::Kind::kNull: return "null";
      case ConfigValue::Kind::kBool: return "boolean";
      case ConfigValue::Kind::kInteger: return "integer";
      case ConfigValue::Kind::kNumber: return "number";
      case ConfigValue::Kind::kString: return "string";
      case ConfigValue::Kind::kArray: return "array";
      case ConfigValue::Kind::kObject: return "object";
    }
    return "";
  }

  void Leaf(const ConfigValue& at, const std::string& word, SchemaField field) {
    if (word == "array") return Array(at, std::move(field));
    if (at.Find("format") != nullptr) return Format(at, word, std::move(field));
    if (word == "string" && at.Find("x-decode") != nullptr) return Decoded(at, std::move(field));
    field.type = Type::Scalar(KindOf(word));
    out_->Add(std::move(field), Scalar(at, word));
  }

  static Kind KindOf(std::string_view word) {
    if (word == "string") return Kind::kString;
    if (word == "integer") return Kind::kInt64;
    return word == "boolean" ? Kind::kBool : Kind::kFloat64;
  }

  FieldRules Scalar(const ConfigValue& at, std::string_view word) {
    const SchemaScope scope = word == "string"    ? SchemaScope::kString
                              : word == "boolean" ? SchemaScope::kBoolean
                                                  : SchemaScope::kNumber;
    CheckKeywords(at, scope, faults_);
    return ReadRules(at, KindOf(word), faults_);
  }

  void Format(const ConfigValue& at, const std::string& word, SchemaField field) {
    const ConfigValue& format = *at.Find("format");
    if (!format.is_string() || format.text != "date-time") {
      faults_.Add(FaultCode::kSchemaKeyword, format, "the only \"format\" that is enforced is \"date-time\"",
                  "leave it out, or say it as a \"pattern\"");
      return;
    }
    if (word != "string" && word != "integer") {
      faults_.Add(FaultCode::kSchemaType, format,
                  "a date-time is a string, or an integer with \"x-unit\"; not a " + word);
      return;
    }
    CheckKeywords(at, SchemaScope::kTime, faults_);
    static const std::vector<std::string> kUnits = {"s", "ms", "us", "ns"};
    const ConfigValue* unit = at.Find("x-unit");
    if (word == "string" && unit != nullptr) {
      faults_.AddAtName(FaultCode::kSchemaKeyword, *unit, "\"x-unit\" is of integers; this date-time is a text");
    } else if (word == "integer" && unit == nullptr) {
      faults_.Add(FaultCode::kSchemaType, at, "an integer date-time needs its unit",
                  "add \"x-unit\": \"s\", \"ms\", \"us\" or \"ns\"");
    } else if (unit != nullptr && std::find(kUnits.begin(), kUnits.end(), unit->text) == kUnits.end()) {
      faults_.Add(FaultCode::kBadValue, *unit, "\"" + unit->text + "\" is no unit of time",
                  Suggest(unit->text, kUnits));
    }
    field.timestamp_unit = word == "integer" && unit != nullptr ? unit->text : "";
    field.type = Type::Scalar(Kind::kTimestamp);
    out_->Add(std::move(field), {});
  }

  void Decoded(const ConfigValue& at, SchemaField field) {
    CheckKeywords(at, SchemaScope::kDecoded, faults_);
    const ConfigValue& decode = *at.Find("x-decode");
    if (!decode.is_string() || !ParseDecode(decode.text, &field)) {
      faults_.Add(FaultCode::kBadValue, decode, "\"x-decode\" is not understood",
                  "it is like \"csv<f32>[784]\" or \"csv<f64>[28,28]\", with f32, f64 or i64");
      return;
    }
    out_->Add(std::move(field), {});
  }

  static bool ParseDecode(std::string_view text, SchemaField* field) {
    static const std::map<std::string_view, Kind> kElements = {
        {"f32", Kind::kFloat32}, {"f64", Kind::kFloat64}, {"i64", Kind::kInt64}};
    if (!text.starts_with("csv<") || text.size() < 10 || text.substr(7, 2) != ">[" || text.back() != ']') return false;
    const auto element = kElements.find(text.substr(4, 3));
    if (element == kElements.end()) return false;
    std::vector<int64_t> shape;
    const char* p = text.data() + 9;
    const char* end = text.data() + text.size() - 1;
    while (true) {
      int64_t size = 0;
      const std::from_chars_result result = std::from_chars(p, end, size);
      if (result.ec != std::errc() || size <= 0) return false;
      shape.push_back(size);
      if (result.ptr == end) break;
      if (*result.ptr != ',') return false;
      p = result.ptr + 1;
    }
    field->decode = text.substr(0, 8);
    field->type = Type::Tensor(element->second, std::move(shape));
    return IsBounded(field->type.shape);
  }

  static bool IsBounded(const std::vector<int64_t>& shape) {
    int64_t elements = 1;
    for (int64_t size : shape) {
      if (size > kMaxElements) return false;
      elements *= size;
      if (elements > kMaxElements) return false;
    }
    return shape.size() <= 8;
  }

  // The size of an array whose minItems and maxItems are equal; 0 otherwise.
  static int64_t FixedSize(const ConfigValue& at) {
    const int64_t least = at.Integer("minItems", -1);
    return least > 0 && least == at.Integer("maxItems", -2) ? least : 0;
  }

  void Array(const ConfigValue& at, SchemaField field) {
    std::vector<int64_t> shape;
    const ConfigValue* level = &at;
    TypeWord word;
    while (true) {
      CheckKeywords(*level, SchemaScope::kArray, faults_);
      shape.push_back(FixedSize(*level));
      const ConfigValue* items = level->Find("items");
      if (items == nullptr || !items->is_object()) {
        faults_.Add(items == nullptr ? FaultCode::kSchemaType : FaultCode::kSchemaKeyword,
                    items == nullptr ? *level : *items, "an array needs \"items\" with one schema for all of them",
                    kTypeCure);
        return;
      }
      word = {};
      if (!ReadType(*items, &word)) return;
      level = items;
      if (word.word != "array") break;
    }
    if (word.word == "object") return ArrayOfObjects(at, std::move(field));
    if (word.null_allowed || level->Find("format") != nullptr) {
      faults_.Add(FaultCode::kSchemaType, *level,
                  "items must be numbers, integers, strings or booleans, none of them null", kTypeCure);
      return;
    }
    FieldRules rules = Scalar(*level, word.word);
    const Kind element = KindOf(word.word);
    const bool fixed = std::find(shape.begin(), shape.end(), 0) == shape.end();
    if (fixed && (element == Kind::kFloat64 || element == Kind::kInt64)) {
      Tensor(at, element, std::move(shape), std::move(field), std::move(rules));
    } else if (shape.size() > 1) {
      faults_.Add(FaultCode::kSchemaType, at,
                  "nested arrays must be numbers with \"minItems\" equal to \"maxItems\" at every level", kTypeCure);
    } else {
      ReadItemCounts(at, &rules, faults_);
      field.type = Type::List(element);
      out_->Add(std::move(field), std::move(rules));
    }
  }

  // Handed on as it is: what its objects hold is neither read nor checked.
  void ArrayOfObjects(const ConfigValue& at, SchemaField field) {
    for (const char* keyword : {"minItems", "maxItems"}) {
      if (const ConfigValue* member = at.Find(keyword)) {
        faults_.AddAtName(FaultCode::kSchemaKeyword, *member,
                          "\"" + member->name + "\" is not enforced for an array of objects", "leave it out");
      }
    }
    field.type = JsonType();
    out_->Add(std::move(field), {});
  }

  void Tensor(const ConfigValue& at, Kind element, std::vector<int64_t> shape, SchemaField field, FieldRules rules) {
    if (!IsBounded(shape)) {
      faults_.Add(FaultCode::kTooLarge, at,
                  "a tensor has at most " + std::to_string(kMaxElements) + " elements and 8 dimensions");
      return;
    }
    field.type = Type::Tensor(element, std::move(shape));
    out_->Add(std::move(field), std::move(rules));
  }

  CompiledSchema* out_;
  FaultSink& faults_;
  std::map<std::string, bool> paths_;
  size_t suggestions_ = 0;
};

}  // namespace

std::shared_ptr<RecordSchema> CompileSchema(const ConfigValue& at, FaultSink& faults) {
  const size_t before = faults.errors();
  auto schema = std::make_shared<CompiledSchema>();
  Compiler(schema.get(), faults).Root(at);
  return faults.errors() == before ? schema : nullptr;
}

}  // namespace anabranch

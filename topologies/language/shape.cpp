#include <algorithm>
#include <charconv>
#include <cmath>

#include "topologies/language/structure.h"
#include "topologies/language/topology_spec.h"

namespace anabranch {

namespace {

using Form = Shape::Kind;

constexpr size_t kFewSuggestions = 200;  // of one object

// How messages call a value: by its key, or by its place in a list.
std::string Label(const ConfigValue& value) {
  if (value.parent == nullptr) return "the file";
  if (!value.parent->is_array()) return "\"" + value.name + "\"";
  const auto index = &value - value.parent->children.data();
  return "item " + std::to_string(index) + " of " + Label(*value.parent);
}

std::string Article(const ConfigValue& value) {
  switch (value.kind) {
    case ConfigValue::Kind::kNull: return "null";
    case ConfigValue::Kind::kInteger:
    case ConfigValue::Kind::kArray:
    case ConfigValue::Kind::kObject: return std::string("an ") + value.KindName();
    default: return std::string("a ") + value.KindName();
  }
}

std::string Wanted(const Shape& shape) {
  switch (shape.kind) {
    case Form::kAny: return "a value";
    case Form::kString: return "a string";
    case Form::kBool: return "true or false";
    case Form::kInteger: return "an integer";
    case Form::kNumber: return "a number";
    case Form::kExpression: return "an expression (a string)";
    case Form::kColumn: return "the name of a column (a string)";
    case Form::kPath: return "a path (a string)";
    case Form::kList: return "an array";
    case Form::kMap: return "an object";
    case Form::kObject:
      return shape.fields.size() == 1 ? "an object {\"" + shape.fields[0].name + "\": …}" : "an object";
    case Form::kEnum:
    case Form::kOneOf: break;
  }
  const bool words = shape.kind == Form::kEnum;
  const size_t count = words ? shape.words.size() : shape.alternatives.size();
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    if (i) text += i + 1 == count ? " or " : ", ";
    text += words ? "\"" + shape.words[i] + "\"" : Wanted(shape.alternatives[i]);
  }
  return text;
}

bool WantsText(Form kind) {
  return kind == Form::kString || kind == Form::kEnum || kind == Form::kExpression || kind == Form::kColumn ||
         kind == Form::kPath;
}

bool Fits(const ConfigValue& value, const Shape& shape) {
  switch (shape.kind) {
    case Form::kAny:
    case Form::kOneOf: return true;
    case Form::kBool: return value.kind == ConfigValue::Kind::kBool;
    case Form::kInteger:
      return value.kind == ConfigValue::Kind::kInteger ||
             (value.is_number() && std::abs(value.number) < 9e15 && std::floor(value.number) == value.number);
    case Form::kNumber: return value.is_number();
    case Form::kList: return value.is_array();
    case Form::kMap:
    case Form::kObject: return value.is_object();
    default: return value.is_string();
  }
}

void MakeInteger(ConfigValue& value, int64_t integer) {
  value.kind = ConfigValue::Kind::kInteger;
  value.integer = integer;
  value.number = static_cast<double>(integer);
}

// Turns text that came from a variable into what `shape` wants, where it can.
void Coerce(ConfigValue& value, const Shape& shape) {
  if (shape.kind == Form::kInteger && value.kind == ConfigValue::Kind::kNumber && Fits(value, shape)) {
    return MakeInteger(value, static_cast<int64_t>(value.number));
  }
  if (!value.is_string() || !value.expanded) return;
  const char* begin = value.text.data();
  const char* end = begin + value.text.size();
  if (shape.kind == Form::kBool && (value.text == "true" || value.text == "false")) {
    value.kind = ConfigValue::Kind::kBool;
    value.boolean = value.text == "true";
  } else if (shape.kind == Form::kInteger || shape.kind == Form::kNumber) {
    int64_t integer = 0;
    double number = 0;
    if (const auto [to, error] = std::from_chars(begin, end, integer); error == std::errc() && to == end) {
      MakeInteger(value, integer);
    } else if (const auto [at, bad] = std::from_chars(begin, end, number);
               shape.kind == Form::kNumber && bad == std::errc() && at == end && std::isfinite(number)) {
      value.kind = ConfigValue::Kind::kNumber;
      value.number = number;
    }
  }
}

std::string NumberText(double number) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, number).ptr};
}

// What a value says in a message: its text, or stars for a secret.
std::string Shown(const ConfigValue& value) {
  constexpr size_t kShown = 64;
  if (value.secret) return "***";
  return value.text.size() > kShown ? value.text.substr(0, kShown) + "…" : value.text;
}

bool CheckRange(const ConfigValue& value, const Shape& shape, FaultSink& faults) {
  if (value.number >= shape.min && value.number <= shape.max) return true;
  const bool low = value.number < shape.min;
  faults.Add(FaultCode::kBadValue, value,
             Label(value) + " is " + NumberText(value.number) + "; it must be at " +
                 (low ? "least " + NumberText(shape.min) : "most " + NumberText(shape.max)));
  return false;
}

bool CheckText(const ConfigValue& value, const Shape& shape, FaultSink& faults) {
  if (shape.kind == Form::kEnum) {
    if (std::find(shape.words.begin(), shape.words.end(), value.text) != shape.words.end()) return true;
    faults.Add(FaultCode::kBadValue, value,
               Label(value) + " cannot be \"" + Shown(value) + "\"; it is " + Wanted(shape),
               Suggest(value.text, shape.words));
    return false;
  }
  // The compiler of expressions reports an empty one.
  const bool needs_text = shape.non_empty || shape.kind == Form::kColumn || shape.kind == Form::kPath;
  if (!needs_text || !value.text.empty()) return true;
  faults.Add(FaultCode::kBadValue, value, Label(value) + " is empty; it must be " + Wanted(shape));
  return false;
}

// A note that looks like an entry was probably meant as one.
void WarnOfNotes(const ConfigValue& map, const Shape& element, const std::string& what, FaultSink& faults) {
  if (!map.is_object() || element.kind == Form::kAny) return;
  for (const ConfigValue& member : map.children) {
    if (!member.name.starts_with("x-") || !Fits(member, element)) continue;
    faults.AddAtName(FaultCode::kDoubtful, member,
                     "\"" + member.name + "\" in " + Label(map) + " of " + what +
                         " has no effect: keys that begin with \"x-\" are notes",
                     "give it a name that does not begin with \"x-\", or write the note as \"$comment\"");
  }
}

bool CheckElements(ConfigValue& value, const Shape& shape, const std::string& what, FaultSink& faults) {
  WarnOfNotes(value, shape.element[0], what, faults);
  DropNotes(value);
  bool usable = true;
  for (ConfigValue& child : value.children) usable = CheckShape(child, shape.element[0], what, faults) && usable;
  if (!value.children.empty() || !shape.non_empty) return usable;
  faults.Add(FaultCode::kBadValue, value, Label(value) + " of " + what + " is empty; it needs at least one entry");
  return false;
}

bool HasFieldOf(const ConfigValue& value, const Shape& shape) {
  return std::any_of(shape.fields.begin(), shape.fields.end(),
                     [&](const FieldSpec& field) { return value.Find(field.name) != nullptr; });
}

// The alternative that the value means: by JSON type; among objects by a key that it has.
const Shape* Choose(ConfigValue& value, const Shape& shape) {
  const Shape* fitting = nullptr;
  for (const Shape& alternative : shape.alternatives) {
    if (!Fits(value, alternative)) continue;
    const bool object = alternative.kind == Form::kObject;
    if (!object || HasFieldOf(value, alternative)) return &alternative;
    if (fitting == nullptr) fitting = &alternative;
  }
  return fitting;
}

bool CheckOneOf(ConfigValue& value, const Shape& shape, const std::string& what, FaultSink& faults) {
  if (value.is_string() && value.expanded) {
    for (const Shape& alternative : shape.alternatives) {
      if (!WantsText(alternative.kind)) Coerce(value, alternative);
    }
  }
  const Shape* chosen = Choose(value, shape);
  if (chosen == nullptr) {
    faults.Add(FaultCode::kWrongType, value,
               Label(value) + " of " + what + " is " + Article(value) + "; wanted: " + Wanted(shape));
    return false;
  }
  const bool strange_word = chosen->kind == Form::kEnum &&
                            std::find(chosen->words.begin(), chosen->words.end(), value.text) == chosen->words.end();
  if (strange_word && value.is_string()) {
    const bool list = std::any_of(shape.alternatives.begin(), shape.alternatives.end(), [](const Shape& each) {
      return each.kind == Form::kList && !each.element.empty() && WantsText(each.element[0].kind);
    });
    faults.Add(FaultCode::kBadValue, value,
               Label(value) + " of " + what + " cannot be \"" + Shown(value) + "\"; it can be " + Wanted(shape),
               list && Nearest(value.text, chosen->words).empty() ? "write a list: [\"" + Shown(value) + "\"]"
                                                                  : Suggest(value.text, chosen->words));
    return false;
  }
  if (chosen->kind != Form::kObject || HasFieldOf(value, *chosen)) return CheckShape(value, *chosen, what, faults);
  // An object that is none of the alternatives: every key that one of them would have is known.
  std::vector<std::string> known;
  for (const Shape& alternative : shape.alternatives) {
    for (const FieldSpec& field : alternative.fields) known.push_back(field.name);
  }
  DropNotes(value);
  if (value.children.empty()) {
    faults.Add(FaultCode::kMissingKey, value, Label(value) + " of " + what + " is empty", Suggest("", known));
  } else {
    faults.AddAtName(FaultCode::kUnknownKey, value.children.front(),
                     "unknown key \"" + value.children.front().name + "\" in " + Label(value) + " of " + what,
                     Suggest(value.children.front().name, known));
  }
  return false;
}

}  // namespace

void DropNotes(ConfigValue& object) {
  if (!object.is_object()) return;
  if (std::erase_if(object.children, [](const ConfigValue& member) { return IsAnnotation(member.name); }) == 0) return;
  for (ConfigValue& member : object.children) {  // they have moved
    for (ConfigValue& child : member.children) child.parent = &member;
  }
}

bool CheckFields(ConfigValue& object, const std::vector<FieldSpec>& fields, const std::string& what, FaultSink& faults,
                 bool open) {
  bool usable = true;
  DropNotes(object);
  std::vector<std::string> absent;  // a typo means one of these rather than a key that is there
  std::vector<std::string> known;
  std::unordered_set<std::string> meant;  // in place of unknown keys
  size_t strangers = 0;
  for (const FieldSpec& field : fields) {
    known.push_back(field.name);
    if (object.Find(field.name) == nullptr) absent.push_back(field.name);
  }
  for (ConfigValue& member : object.children) {
    const auto field =
        std::find_if(fields.begin(), fields.end(), [&](const FieldSpec& each) { return each.name == member.name; });
    if (field != fields.end()) {
      usable = CheckShape(member, field->shape, what, faults) && usable;
    } else if (!open) {
      Fault& fault = faults.AddAtName(FaultCode::kUnknownKey, member, "unknown key \"" + member.name + "\" in " + what);
      if (strangers++ < kFewSuggestions) {
        fault.meant = Nearest(member.name, absent);
        fault.hint = Suggest(member.name, fault.meant.empty() ? known : absent);
        if (fault.meant.empty()) fault.meant = Nearest(member.name, known);
      }
      meant.insert(fault.meant);
    }
  }
  for (const FieldSpec& field : fields) {
    if (!field.required || object.Find(field.name) != nullptr) continue;
    usable = false;
    if (meant.count(field.name) != 0) continue;  // one mistake, one fault
    Place place = object.place;
    place.end = place.begin + 1;
    faults.AddAtPlace(FaultCode::kMissingKey, place, object.Pointer(), what + " has no \"" + field.name + "\"",
                      field.doc);
  }
  return usable;
}

bool CheckShape(ConfigValue& value, const Shape& shape, const std::string& what, FaultSink& faults) {
  if (shape.kind == Form::kAny) return true;
  if (shape.kind == Form::kOneOf) return CheckOneOf(value, shape, what, faults);
  Coerce(value, shape);
  if (!Fits(value, shape)) {
    const bool text = value.is_string() && value.expanded;
    faults.Add(FaultCode::kWrongType, value,
               Label(value) + " of " + what + " must be " + Wanted(shape) + ", not " +
                   (text ? "the text \"" + Shown(value) + "\" of a variable" : Article(value)));
    return false;
  }
  switch (shape.kind) {
    case Form::kInteger:
    case Form::kNumber: return CheckRange(value, shape, faults);
    case Form::kBool: return true;
    case Form::kList:
    case Form::kMap: return CheckElements(value, shape, what, faults);
    case Form::kObject: {
      const bool entry = value.parent != nullptr && value.parent->parent != nullptr;
      const std::string label = entry ? Label(value) + " of " + what : Label(value);
      return CheckFields(value, shape.fields, label, faults);
    }
    default: return CheckText(value, shape, faults);
  }
}

}  // namespace anabranch

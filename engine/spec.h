#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace anabranch {

struct FieldSpec;

// What a configuration value may look like. One tree of these feeds the structural check, the JSON
// Schema, `explain` and the reference pages, so that a key is described in one place only.
struct Shape {
  enum class Kind : uint8_t {
    kAny,  // checked by its reader
    kString,
    kBool,
    kInteger,
    kNumber,
    kExpression,  // a string in the expression language
    kColumn,      // a string: the name of a readable column
    kPath,        // a string: a path relative to the topology file
    kEnum,        // a string, one of `words`
    kList,        // of `element`
    kMap,         // an object with free keys, values of `element`
    kObject,      // an object with `fields`
    kOneOf,       // any of `alternatives`; they differ in JSON type, or are objects with one key each
  };
  Kind kind = Kind::kAny;
  std::vector<std::string> words;
  std::vector<Shape> element;       // kList, kMap: exactly one
  std::vector<FieldSpec> fields;    // kObject
  std::vector<Shape> alternatives;  // kOneOf
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool non_empty = false;  // lists, maps and strings

  static Shape Any();
  static Shape String();
  static Shape Bool();
  static Shape Integer(double min, double max = std::numeric_limits<double>::infinity());
  static Shape Number(double min = -std::numeric_limits<double>::infinity(),
                      double max = std::numeric_limits<double>::infinity());
  static Shape Expression();
  static Shape Column();
  static Shape Path();
  static Shape Enum(std::vector<std::string> words);
  static Shape List(Shape element, bool non_empty = false);
  static Shape Map(Shape element, bool non_empty = false);
  static Shape Object(std::vector<FieldSpec> fields);
  static Shape OneOf(std::vector<Shape> alternatives);

 private:
  static Shape Of(Kind kind);
};

// What depends on the value of a key. It decides whether kept results can be used again after the key changed
// (topologies/language/fingerprint.h). It is looked up for the keys of the file, of a source, of a connector's object
// and of a node; what stands inside a value counts as its key does.
enum class Affects : uint8_t {
  kResults,     // which records there are or what is computed from them; the safe choice, and the default
  kSeparately,  // the same, but the fingerprint adds its meaning itself, defaults included (key, join, on_error, …)
  kPosition,    // whose positions a source uses, not which records it reads
  kNothing,     // only how, when or where something is run
};

// One key of an object.
struct FieldSpec {
  std::string name;
  Shape shape;
  bool required = false;
  std::string fallback;  // the default, as JSON text; empty = none
  std::string doc;       // one sentence, with unit
  Affects affects = Affects::kResults;
};

// What `name` affects according to `fields`; kResults for a key that they do not list.
Affects AffectsOf(const std::vector<FieldSpec>& fields, std::string_view name);

}  // namespace anabranch

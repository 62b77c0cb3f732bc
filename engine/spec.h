#pragma once

#include <cstdint>
#include <limits>
#include <string>
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

// One key of an object.
struct FieldSpec {
  std::string name;
  Shape shape;
  bool required = false;
  std::string fallback;  // the default, as JSON text; empty = none
  std::string doc;       // one sentence, with unit
};

}  // namespace anabranch

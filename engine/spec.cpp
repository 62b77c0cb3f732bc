#include "engine/spec.h"

#include <algorithm>
#include <utility>

namespace anabranch {

Shape Shape::Of(Kind kind) {
  Shape shape;
  shape.kind = kind;
  return shape;
}

Shape Shape::Any() { return {}; }
Shape Shape::String() { return Of(Kind::kString); }
Shape Shape::Bool() { return Of(Kind::kBool); }
Shape Shape::Expression() { return Of(Kind::kExpression); }
Shape Shape::Column() { return Of(Kind::kColumn); }
Shape Shape::Path() { return Of(Kind::kPath); }

Shape Shape::Integer(double min, double max) {
  Shape shape = Of(Kind::kInteger);
  shape.min = min;
  shape.max = max;
  return shape;
}

Shape Shape::Number(double min, double max) {
  Shape shape = Of(Kind::kNumber);
  shape.min = min;
  shape.max = max;
  return shape;
}

Shape Shape::Enum(std::vector<std::string> words) {
  Shape shape = Of(Kind::kEnum);
  shape.words = std::move(words);
  return shape;
}

Shape Shape::List(Shape element, bool non_empty) {
  Shape shape = Of(Kind::kList);
  shape.element.push_back(std::move(element));
  shape.non_empty = non_empty;
  return shape;
}

Shape Shape::Map(Shape element, bool non_empty) {
  Shape shape = Of(Kind::kMap);
  shape.element.push_back(std::move(element));
  shape.non_empty = non_empty;
  return shape;
}

Shape Shape::Object(std::vector<FieldSpec> fields) {
  Shape shape = Of(Kind::kObject);
  shape.fields = std::move(fields);
  return shape;
}

Shape Shape::OneOf(std::vector<Shape> alternatives) {
  Shape shape = Of(Kind::kOneOf);
  shape.alternatives = std::move(alternatives);
  return shape;
}

Affects AffectsOf(const std::vector<FieldSpec>& fields, std::string_view name) {
  const auto field =
      std::find_if(fields.begin(), fields.end(), [&](const FieldSpec& each) { return each.name == name; });
  return field == fields.end() ? Affects::kResults : field->affects;
}

}  // namespace anabranch

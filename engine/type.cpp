#include "engine/type.h"

#include <string_view>

#include "engine/json_type.h"

namespace anabranch {

bool Type::operator==(const Type& other) const {
  if (kind != other.kind) return false;
  if (IsScalar()) return IsJson(*this) == IsJson(other);
  return element == other.element && shape == other.shape;
}

int64_t Type::Elements() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

std::string Type::ToString() const {
  if (kind == Kind::kList) return std::string("list<") + KindName(element) + ">";
  if (IsJson(*this)) return "json";
  if (kind != Kind::kTensor) return KindName(kind);
  std::string text = std::string("tensor<") + KindName(element) + ">[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) text += ',';
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

const char* KindName(Kind kind) {
  switch (kind) {
    case Kind::kBool: return "bool";
    case Kind::kInt64: return "int64";
    case Kind::kFloat32: return "float32";
    case Kind::kFloat64: return "float64";
    case Kind::kString: return "string";
    case Kind::kTimestamp: return "timestamp";
    case Kind::kList: return "list";
    case Kind::kTensor: return "tensor";
  }
  return "unknown";
}

size_t KindSize(Kind kind) {
  switch (kind) {
    case Kind::kBool: return 1;
    case Kind::kFloat32: return 4;
    case Kind::kString: return sizeof(std::string_view);
    default: return 8;
  }
}

}  // namespace anabranch

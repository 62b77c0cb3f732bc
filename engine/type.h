#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace anabranch {

enum class Kind : uint8_t {
  kBool,       // uint8_t, 0 or 1
  kInt64,      // int64_t
  kFloat32,    // float
  kFloat64,    // double
  kString,     // std::string_view, UTF-8
  kTimestamp,  // int64_t, microseconds since 1970-01-01 UTC
  kList,       // any number of `element` values per row
  kTensor,     // exactly `Elements()` values of `element` per row, row-major
};

// The type of a column. Value type; compared by content.
struct Type {
  Kind kind = Kind::kFloat64;
  Kind element = Kind::kFloat64;  // lists and tensors only
  std::vector<int64_t> shape;     // tensors only; without the row dimension

  static Type Scalar(Kind kind) { return {kind, kind, {}}; }
  static Type List(Kind element) { return {Kind::kList, element, {}}; }
  static Type Tensor(Kind element, std::vector<int64_t> shape) { return {Kind::kTensor, element, std::move(shape)}; }

  bool operator==(const Type& other) const;
  bool IsScalar() const { return kind != Kind::kList && kind != Kind::kTensor; }
  // int64, float32 or float64.
  bool IsNumeric() const { return kind == Kind::kInt64 || kind == Kind::kFloat32 || kind == Kind::kFloat64; }
  // Values per row: 1 for scalars, the product of `shape` for tensors. Not for lists.
  int64_t Elements() const;
  // "float64", "list<string>", "tensor<float32>[8,8]": the words of messages, docs and JSON output.
  std::string ToString() const;
};

const char* KindName(Kind kind);

// Bytes of one stored value of `kind` (scalar kinds only); 16 for strings.
size_t KindSize(Kind kind);

}  // namespace anabranch

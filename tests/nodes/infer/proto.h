#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>

// ONNX files by hand: the messages of onnx.proto as text. Fields are appended one after the other.
namespace anabranch::proto {

inline constexpr int kFloat = 1;
inline constexpr int kInt64 = 7;
inline constexpr int kBool = 9;

inline std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}
inline std::string Number(int field, int64_t value) {
  return Varint(static_cast<uint64_t>(field) << 3) + Varint(static_cast<uint64_t>(value));
}
inline std::string Text(int field, const std::string& value) {
  return Varint((static_cast<uint64_t>(field) << 3) | 2) + Varint(value.size()) + value;
}

inline std::string Attribute(const std::string& name, int64_t value) {
  return Text(1, name) + Number(3, value) + Number(20, 2);
}
inline std::string GraphAttribute(const std::string& name, const std::string& graph) {
  return Text(1, name) + Text(6, graph) + Number(20, 5);
}

inline std::string Operator(const std::string& type, std::initializer_list<const char*> inputs,
                            std::initializer_list<const char*> outputs,
                            std::initializer_list<std::string> attributes = {}) {
  std::string node;
  for (const char* input : inputs) node += Text(1, input);
  for (const char* output : outputs) node += Text(2, output);
  node += Text(4, type);
  for (const std::string& attribute : attributes) node += Text(5, attribute);
  return Text(1, node);
}

inline std::string Port(int field, const std::string& name, int type, bool has_rows) {
  const std::string shape = has_rows ? Text(1, Text(2, "N")) : std::string();
  return Text(field, Text(1, name) + Text(2, Text(1, Number(1, type) + Text(2, shape))));
}
inline std::string Input(const std::string& name, int type, bool has_rows = true) {
  return Port(11, name, type, has_rows);
}
inline std::string Output(const std::string& name, int type, bool has_rows = true) {
  return Port(12, name, type, has_rows);
}

template <typename T>
inline std::string Constant(const std::string& name, int type, std::initializer_list<T> values) {
  std::string raw(values.size() * sizeof(T), '\0');
  std::memcpy(raw.data(), values.begin(), raw.size());
  return Text(5, Number(1, static_cast<int64_t>(values.size())) + Number(2, type) + Text(8, name) + Text(9, raw));
}

inline std::string Model(const std::string& graph) {
  return Number(1, 8) + Text(7, Text(2, "tiny") + graph) + Text(8, Text(1, "") + Number(2, 17));
}

}  // namespace anabranch::proto

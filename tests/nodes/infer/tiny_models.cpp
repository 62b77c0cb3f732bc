#include "tests/nodes/infer/tiny_models.h"

#include <stdlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>

namespace anabranch {
namespace {

constexpr int kFloat = 1;
constexpr int kInt64 = 7;
constexpr int kBool = 9;

// Protocol buffers: fields are appended one after the other.
std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}
std::string Number(int field, int64_t value) {
  return Varint(static_cast<uint64_t>(field) << 3) + Varint(static_cast<uint64_t>(value));
}
std::string Text(int field, const std::string& value) {
  return Varint((static_cast<uint64_t>(field) << 3) | 2) + Varint(value.size()) + value;
}

std::string Attribute(const std::string& name, int64_t value) {
  return Text(1, name) + Number(3, value) + Number(20, 2);
}
std::string GraphAttribute(const std::string& name, const std::string& graph) {
  return Text(1, name) + Text(6, graph) + Number(20, 5);
}

std::string Operator(const std::string& type, std::initializer_list<const char*> inputs,
                     std::initializer_list<const char*> outputs, std::initializer_list<std::string> attributes = {}) {
  std::string node;
  for (const char* input : inputs) node += Text(1, input);
  for (const char* output : outputs) node += Text(2, output);
  node += Text(4, type);
  for (const std::string& attribute : attributes) node += Text(5, attribute);
  return Text(1, node);
}

std::string Port(int field, const std::string& name, int type, bool has_rows) {
  const std::string shape = has_rows ? Text(1, Text(2, "N")) : std::string();
  return Text(field, Text(1, name) + Text(2, Text(1, Number(1, type) + Text(2, shape))));
}
std::string Input(const std::string& name, int type, bool has_rows = true) { return Port(11, name, type, has_rows); }
std::string Output(const std::string& name, int type, bool has_rows = true) { return Port(12, name, type, has_rows); }

template <typename T>
std::string Constant(const std::string& name, int type, std::initializer_list<T> values) {
  std::string raw(values.size() * sizeof(T), '\0');
  std::memcpy(raw.data(), values.begin(), raw.size());
  return Text(5, Number(1, static_cast<int64_t>(values.size())) + Number(2, type) + Text(8, name) + Text(9, raw));
}

std::string Model(const std::string& graph) {
  return Number(1, 8) + Text(7, Text(2, "tiny") + graph) + Text(8, Text(1, "") + Number(2, 17));
}

const std::string kTable = Constant<float>("table", kFloat, {10, 20, 30, 40});

}  // namespace

std::string LookupModel() {
  return Model(Operator("Gather", {"table", "X"}, {"Y"}) + kTable + Input("X", kInt64) + Output("Y", kFloat));
}

std::string RefusingModel() {
  return Model(Operator("Add", {"X", "far"}, {"at"}) + Operator("Gather", {"table", "at"}, {"Y"}) + kTable +
               Constant<int64_t>("far", kInt64, {100}) + Input("X", kInt64) + Output("Y", kFloat));
}

std::string LoopModel() {
  const std::string body = Text(2, "body") + Operator("Identity", {"go"}, {"still"}) +
                           Operator("Identity", {"v"}, {"w"}) + Input("turn", kInt64, false) +
                           Input("go", kBool, false) + Input("v", kInt64) + Output("still", kBool, false) +
                           Output("w", kInt64);
  return Model(Operator("ReduceMax", {"X"}, {"turns"}, {Attribute("keepdims", 0)}) +
               Operator("Loop", {"turns", "", "X"}, {"Y"}, {GraphAttribute("body", body)}) + Input("X", kInt64) +
               Output("Y", kInt64));
}

std::string MixingModel() {
  return Model(Operator("ReduceSum", {"X"}, {"sum"}) + Operator("Add", {"X", "sum"}, {"Y"}) + Input("X", kInt64) +
               Output("Y", kInt64));
}

std::string SummingModel() {
  return Model(Operator("ReduceSum", {"X"}, {"Y"}, {Attribute("keepdims", 0)}) + Input("X", kInt64) +
               Output("Y", kInt64, false));
}

std::string ExternalModel() {
  const std::string place = Text(13, Text(1, "location") + Text(2, "table.bin"));
  const std::string table = Text(5, Number(1, 4) + Number(2, kFloat) + Text(8, "table") + place + Number(14, 1));
  return Model(Operator("Gather", {"table", "X"}, {"Y"}) + table + Input("X", kInt64) + Output("Y", kFloat));
}

ModelFolder::ModelFolder(const std::string& file, const std::string& bytes) {
  std::string name = (std::filesystem::temp_directory_path() / "anabranch_model_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::filesystem::filesystem_error("mkdtemp", name, {});
  path_ = name;
  std::ofstream(path_ + "/" + file, std::ios::binary) << bytes;
}

ModelFolder::~ModelFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace anabranch

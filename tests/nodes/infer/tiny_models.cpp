#include "tests/nodes/infer/tiny_models.h"

#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/nodes/infer/proto.h"

namespace anabranch {

using namespace proto;

namespace {

const std::string kTable = Constant<float>("table", kFloat, {10, 20, 30, 40});

}  // namespace

std::string LookupModel() {
  return Model(Operator("Gather", {"table", "X"}, {"Y"}) + kTable + Input("X", kInt64) + Output("Y", kFloat));
}

std::string TableModel(std::initializer_list<float> table) {
  return Model(Operator("Gather", {"table", "X"}, {"Y"}) + Constant<float>("table", kFloat, table) +
               Input("X", kInt64) + Output("Y", kFloat));
}

std::string VectorModel(const std::vector<float>& table, int64_t width) {
  std::string raw(table.size() * sizeof(float), '\0');
  std::memcpy(raw.data(), table.data(), raw.size());
  const std::string rows = Number(1, static_cast<int64_t>(table.size()) / width) + Number(1, width);
  const std::string shape = Text(1, Text(2, "N")) + Text(1, Number(1, width));
  return Model(Operator("Gather", {"table", "X"}, {"Y"}) +
               Text(5, rows + Number(2, kFloat) + Text(8, "table") + Text(9, raw)) + Input("X", kInt64) +
               Text(12, Text(1, "Y") + Text(2, Text(1, Number(1, kFloat) + Text(2, shape)))));
}

std::string IntegerTableModel() {
  return Model(Operator("Gather", {"table", "X"}, {"Y"}) + Constant<int64_t>("table", kInt64, {10, 20, 30, 40}) +
               Input("X", kInt64) + Output("Y", kInt64));
}

std::string RefusingModel() {
  return Model(Operator("Add", {"X", "far"}, {"at"}) + Operator("Gather", {"table", "at"}, {"Y"}) + kTable +
               Constant<int64_t>("far", kInt64, {100}) + Input("X", kInt64) + Output("Y", kFloat));
}

std::string DifferenceModel() {
  return Model(Operator("Sub", {"A", "B"}, {"Y"}) + Input("A", kInt64) + Input("B", kInt64) + Output("Y", kInt64));
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

std::string EndlessModel() {
  const std::string body = Text(2, "body") + Operator("Identity", {"go"}, {"still"}) +
                           Operator("Identity", {"v"}, {"w"}) + Input("turn", kInt64, false) +
                           Input("go", kBool, false) + Input("v", kInt64) + Output("still", kBool, false) +
                           Output("w", kInt64);
  return Model(Operator("Loop", {"", "always", "X"}, {"Y"}, {GraphAttribute("body", body)}) +
               Text(5, Number(2, kBool) + Text(8, "always") + Text(9, "\x01")) + Input("X", kInt64) +
               Output("Y", kInt64));
}

std::string RandomModel() {
  return Model(Operator("RandomUniformLike", {"X"}, {"Y"}, {Attribute("dtype", kFloat)}) + Input("X", kInt64) +
               Output("Y", kFloat));
}

std::string CastModel(int in, int out) {
  return Model(Operator("Cast", {"X"}, {"Y"}, {Attribute("to", out)}) + Input("X", in) + Output("Y", out));
}

std::string MixingModel() {
  return Model(Operator("ReduceSum", {"X"}, {"sum"}) + Operator("Add", {"X", "sum"}, {"Y"}) + Input("X", kInt64) +
               Output("Y", kInt64));
}

std::string SummingModel() {
  return Model(Operator("ReduceSum", {"X"}, {"Y"}, {Attribute("keepdims", 0)}) + Input("X", kInt64) +
               Output("Y", kInt64, false));
}

std::string ExternalModel(const std::string& location, const std::string& offset) {
  std::string place = Text(13, Text(1, "location") + Text(2, location));
  if (!offset.empty()) {
    place += Text(13, Text(1, "offset") + Text(2, offset)) + Text(13, Text(1, "length") + Text(2, "16"));
  }
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

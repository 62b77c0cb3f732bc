#include "nodes/infer/onnx_file.h"

#include <gtest/gtest.h>

#include "tests/nodes/infer/proto.h"

namespace anabranch {
namespace {

using namespace proto;

// A tensor without its field number, its values in "w.bin".
std::string Outside(const std::string& name = "w") {
  return Number(1, 1) + Number(2, kFloat) + Text(8, name) + Text(13, Text(1, "location") + Text(2, "w.bin")) +
         Number(14, 1);
}
std::string Inside() { return Number(1, 1) + Number(2, kFloat) + Text(8, "v") + Text(9, std::string(4, '\0')); }
std::string NodeWith(const std::string& attribute) { return Text(1, Text(4, "Constant") + Text(5, attribute)); }
std::string Graph(const std::string& content) { return Number(1, 8) + Text(7, content); }

// `content` in a graph in an attribute of a node in a graph …, `depth` graphs below the first.
std::string Nested(const std::string& content, int depth) {
  std::string graph = content;
  for (int i = 0; i < depth; ++i) graph = NodeWith(Text(1, "body") + Text(6, graph));
  return Graph(graph);
}

struct Place {
  const char* name;
  std::string model;
};

std::vector<Place> Places() {
  return {
      {"initialiser", Graph(Text(5, Outside()))},
      {"second initialiser", Graph(Text(5, Inside()) + Text(5, Outside()))},
      {"values of a sparse initialiser", Graph(Text(15, Text(1, Outside()) + Text(2, Inside())))},
      {"indices of a sparse initialiser", Graph(Text(15, Text(1, Inside()) + Text(2, Outside())))},
      {"attribute", Graph(NodeWith(Text(1, "value") + Text(5, Outside())))},
      {"list of an attribute", Graph(NodeWith(Text(1, "value") + Text(10, Inside()) + Text(10, Outside())))},
      {"sparse attribute", Graph(NodeWith(Text(1, "sparse_value") + Text(22, Text(1, Outside()))))},
      {"sparse list of an attribute", Graph(NodeWith(Text(1, "sparse_value") + Text(23, Text(2, Outside()))))},
      {"subgraph", Nested(Text(5, Outside()), 1)},
      {"list of subgraphs", Graph(NodeWith(Text(1, "bodies") + Text(11, "") + Text(11, Text(5, Outside()))))},
      {"30 subgraphs deep", Nested(Text(5, Outside()), 30)},
      {"function", Graph("") + Text(25, Text(7, Text(4, "Constant") + Text(5, Text(1, "value") + Text(5, Outside()))))},
      {"default of a function's attribute", Graph("") + Text(25, Text(11, Text(1, "a") + Text(5, Outside())))},
      {"start of a training", Graph("") + Text(20, Text(1, Text(5, Outside())))},
      {"step of a training", Graph("") + Text(20, Text(2, Text(5, Outside())))},
  };
}

TEST(OnnxFile, FindsWeightsInOtherFilesWhereverTheyAreNamed) {
  for (const Place& place : Places()) {
    const auto facts = ReadOnnxFileFacts(place.model);
    ASSERT_TRUE(facts.ok()) << place.name << ": " << facts.status().message();
    ASSERT_EQ(facts->external.size(), 1U) << place.name;
    EXPECT_EQ(facts->external[0].location, "w.bin") << place.name;
    EXPECT_EQ(facts->external[0].tensor, "w") << place.name;
  }
}

TEST(OnnxFile, PutsThemInPlaceEverywhere) {
  const std::map<std::string, std::string> files = {{"w.bin", "abcd"}};
  for (const Place& place : Places()) {
    const auto whole = WithExternalData(place.model, files);
    ASSERT_TRUE(whole.ok()) << place.name << ": " << whole.status().message();
    const auto facts = ReadOnnxFileFacts(*whole);
    ASSERT_TRUE(facts.ok()) << place.name << ": " << facts.status().message();
    EXPECT_TRUE(facts->external.empty()) << place.name;
    EXPECT_NE(whole->find(Text(9, "abcd")), std::string::npos) << place.name;
    EXPECT_EQ(whole->find("w.bin"), std::string::npos) << place.name;
  }
}

TEST(OnnxFile, RefusesWhatReadersUnderstandDifferently) {
  const std::string entry = Text(13, Text(1, "location") + Text(2, "w.bin"));
  const auto tensor = [](const std::string& content) { return Graph(Text(5, Text(8, "w") + content)); };
  const Place places[] = {
      {"a group", Graph("") + Varint((40 << 3) | 3) + Varint((40 << 3) | 4)},
      {"a group in a tensor", tensor(Varint((40 << 3) | 3) + entry + Varint((40 << 3) | 4))},
      {"field 0", Graph("") + std::string("\x02\x00", 2)},
      {"a length beyond the end", Graph("") + Varint((2 << 3) | 2) + "\x7f"},
      {"two graphs", Graph(Text(5, Inside())) + Text(7, Text(5, Inside()))},
      {"two tensors of one attribute", Graph(NodeWith(Text(1, "value") + Text(5, Inside()) + Text(5, Outside())))},
      {"two values of a sparse tensor", Graph(Text(15, Text(1, Inside()) + Text(1, Outside())))},
      {"a place without a flag", tensor(entry)},
      {"a flag without a place", tensor(Number(14, 1))},
      {"an unknown flag", tensor(entry + Number(14, 2))},
      {"two places", tensor(entry + entry + Number(14, 1))},
      {"a negative offset", tensor(entry + Text(13, Text(1, "offset") + Text(2, "-1")) + Number(14, 1))},
      {"an offset in words", tensor(entry + Text(13, Text(1, "offset") + Text(2, "4k")) + Number(14, 1))},
      {"an unknown key", tensor(entry + Text(13, Text(1, "prepacked_0") + Text(2, "1")) + Number(14, 1))},
      {"too deep", Nested(Text(5, Outside()), 40)},
      {"far too deep", Nested("", 20'000)},
  };
  for (const Place& place : places) {
    const auto facts = ReadOnnxFileFacts(place.model);
    EXPECT_EQ(facts.status().code(), Code::kInvalid) << place.name;
    EXPECT_FALSE(facts.status().message().empty()) << place.name;
  }
}

TEST(OnnxFile, DataThatDoesNotFitIsRefusedBeforeMemoryIsTaken) {
  const auto at = [](const std::string& offset, const std::string& length) {
    return Graph(Text(5, Text(8, "w") + Text(13, Text(1, "location") + Text(2, "w.bin")) +
                             Text(13, Text(1, "offset") + Text(2, offset)) +
                             Text(13, Text(1, "length") + Text(2, length)) + Number(14, 1)));
  };
  const std::map<std::string, std::string> files = {{"w.bin", "abcd"}};
  EXPECT_TRUE(WithExternalData(at("2", "2"), files).ok());
  EXPECT_TRUE(WithExternalData(at("4", "0"), files).ok());
  for (const auto& [offset, length] : std::initializer_list<std::pair<const char*, const char*>>{
           {"2", "3"}, {"5", "0"}, {"0", "9223372036854775807"}, {"9223372036854775807", "9223372036854775807"}}) {
    const auto whole = WithExternalData(at(offset, length), files);
    EXPECT_EQ(whole.status().code(), Code::kInvalid) << offset << " " << length;
    EXPECT_NE(whole.status().message().find("belongs to another model"), std::string::npos) << whole.status().message();
  }
  // A small file that names one data file very often.
  const std::string megabyte(1 << 20, 'x');
  std::string graph;
  for (int i = 0; i < 3000; ++i) graph += Text(5, Outside());
  const auto whole = WithExternalData(Graph(graph), {{"w.bin", megabyte}});
  EXPECT_EQ(whole.status().code(), Code::kInvalid);
  EXPECT_NE(whole.status().message().find("2 GiB"), std::string::npos) << whole.status().message();
}

std::string Dropout(const std::string& mode) { return Operator("Dropout", {"X", "ratio", "mode"}, {"Y"}) + mode; }
std::string Flag(const std::string& value) { return Text(5, Number(2, kBool) + Text(8, "mode") + Text(9, value)); }

TEST(OnnxFile, FindsOperatorsThatDrawRandomNumbers) {
  const std::string noise = Operator("RandomNormalLike", {"X"}, {"Y"});
  const std::string off(1, '\0');
  const Place random[] = {
      {"in the graph", Graph(noise)},
      {"RandomNormal", Graph(Operator("RandomNormal", {}, {"Y"}))},
      {"RandomUniform", Graph(Operator("RandomUniform", {}, {"Y"}))},
      {"RandomUniformLike", Graph(Operator("RandomUniformLike", {"X"}, {"Y"}))},
      {"Multinomial", Graph(Operator("Multinomial", {"X"}, {"Y"}))},
      {"Bernoulli", Graph(Operator("Bernoulli", {"X"}, {"Y"}))},
      {"in a subgraph", Nested(noise, 3)},
      {"in a function", Graph("") + Text(25, Text(7, Text(4, "Bernoulli")))},
      {"Dropout in training", Graph(Dropout(Flag("\x01")))},
      {"Dropout, perhaps in training", Graph(Dropout(Operator("Not", {"X"}, {"mode"})))},
      {"Dropout of an input", Graph(Dropout(Input("mode", kBool, false)))},
  };
  for (const Place& place : random) {
    const auto facts = ReadOnnxFileFacts(place.model);
    ASSERT_TRUE(facts.ok()) << place.name << ": " << facts.status().message();
    EXPECT_FALSE(facts->random.empty()) << place.name;
  }
  const std::string constant = Text(
      1, Text(2, "mode") + Text(4, "Constant") + Text(5, Text(1, "value") + Text(5, Number(2, kBool) + Text(9, off))));
  const Place steady[] = {
      {"none", Graph(Operator("Add", {"X", "X"}, {"Y"}))},
      {"Dropout without a mode", Graph(Operator("Dropout", {"X"}, {"Y"}))},
      {"Dropout with an empty mode", Graph(Operator("Dropout", {"X", "ratio", ""}, {"Y"}))},
      {"Dropout switched off", Graph(Dropout(Flag(off)))},
      {"Dropout switched off by a node", Graph(Dropout(constant))},
      {"another's operator", Graph(Text(1, Text(4, "Bernoulli") + Text(7, "org.example")))},
  };
  for (const Place& place : steady) {
    const auto facts = ReadOnnxFileFacts(place.model);
    ASSERT_TRUE(facts.ok()) << place.name << ": " << facts.status().message();
    EXPECT_EQ(facts->random, "") << place.name;
  }
}

}  // namespace
}  // namespace anabranch

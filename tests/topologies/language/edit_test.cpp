#include "topologies/language/edit.h"

#include <gtest/gtest.h>

#include "topologies/language/check.h"

namespace anabranch {
namespace {

constexpr const char* kText = R"({
  // the models
  "models": { "gbt": { "path": "a.onnx", "version": "7" } },
  "nodes": { "vote": { "inputs": ["gbt", "nn"], "missing_max": 1, "x-note": {} /* empty */ } },
  "connections": { "main": { "kafka": { "bootstrap.servers": "here:9092", "bootstrap": 1 } } }
}
)";

struct Edited {
  std::string text;
  std::vector<Fault> faults;
};

Edited Edit(const std::vector<std::string>& sets, const std::string& text = kText) {
  FaultSink faults("t.json");
  std::vector<TopologyEdit> edits;
  for (const std::string& set : sets) edits.push_back(*ParseEdit(set));
  const auto topology = ApplyEdits(ParseTopology("t.json", text, faults), edits, faults);
  return {topology == nullptr ? "" : topology->text, faults.faults()};
}

std::string With(const std::string& from, const std::string& to) {
  std::string text = kText;
  return text.replace(text.find(from), from.size(), to);
}

TEST(Edit, IsTakenApartAtTheFirstEqualsSign) {
  const auto edit = ParseEdit("nodes.a.when=x == 1");
  ASSERT_TRUE(edit);
  EXPECT_EQ(edit->path, "nodes.a.when");
  EXPECT_EQ(edit->value, "x == 1");
  EXPECT_FALSE(ParseEdit("nodes.a.when"));
  EXPECT_FALSE(ParseEdit("=1"));
  EXPECT_EQ(ParseEdit("a=")->value, "");
}

TEST(Edit, ReplacesOneValueAndKeepsTheRestOfTheFile) {
  EXPECT_EQ(Edit({"models.gbt.path=models/new.onnx"}).text, With("a.onnx", "models/new.onnx"));
  EXPECT_EQ(Edit({"/models/gbt/path=b.onnx"}).text, With("a.onnx", "b.onnx"));
  EXPECT_EQ(Edit({"nodes.vote.inputs.1=cnn"}).text, With("\"nn\"", "\"cnn\""));
  EXPECT_EQ(Edit({"nodes.vote.missing_max=2"}).text, With("max\": 1", "max\": 2"));
  EXPECT_EQ(Edit({"nodes.vote.inputs=[\"gbt\"] // one"}).text, With("[\"gbt\", \"nn\"]", "[\"gbt\"]"));
  EXPECT_EQ(Edit({"models.gbt.path=say \"hi\""}).text, With("a.onnx", "say \\\"hi\\\""));
}

TEST(Edit, ANumberThatReplacesATextIsText) {
  EXPECT_EQ(Edit({"models.gbt.version=8"}).text, With("\"7\"", "\"8\""));
  EXPECT_EQ(Edit({"models.gbt.version=true"}).text, With("\"7\"", "\"true\""));
}

TEST(Edit, NullTakesAKeyAway) {
  EXPECT_EQ(Edit({"models.gbt.version=null"}).text, With(", \"version\": \"7\"", ""));
  EXPECT_EQ(Edit({"models.gbt.path=null"}).text, With("\"path\": \"a.onnx\", ", ""));
  EXPECT_EQ(Edit({"models.gbt=null"}).text, With("\"gbt\": { \"path\": \"a.onnx\", \"version\": \"7\" }", ""));
}

TEST(Edit, AddsAKeyToAnObjectThatIsThere) {
  EXPECT_EQ(Edit({"models.gbt.sha256=ab"}).text, With("\"7\" }", "\"7\", \"sha256\": \"ab\" }"));
  EXPECT_EQ(Edit({"nodes.vote.x-note.a=1"}).text, With("{} /*", "{\"a\": 1} /*"));
  EXPECT_EQ(Edit({"/models/a~1b~01={}"}).text, With("\"7\" } }", "\"7\" }, \"a/b~1\": {} }"));
}

TEST(Edit, AKeyMayHaveDots) {
  EXPECT_EQ(Edit({"connections.main.kafka.bootstrap.servers=there:1"}).text, With("here:9092", "there:1"));
}

TEST(Edit, EachEditSeesTheOnesBefore) {
  EXPECT_EQ(Edit({"models.nn={}", "models.nn.path=n.onnx"}).text,
            With("\"7\" } }", "\"7\" }, \"nn\": {\"path\": \"n.onnx\"} }"));
}

TEST(Edit, AMissingStepNamesTheNearestKey) {
  const Edited bad = Edit({"models.gbd.path=x"});
  EXPECT_EQ(bad.text, "");
  ASSERT_EQ(bad.faults.size(), 1U);
  EXPECT_EQ(bad.faults[0].message, "--set models.gbd.path: /models has no \"gbd\"");
  EXPECT_EQ(bad.faults[0].hint, "did you mean \"gbt\"?");
  EXPECT_EQ(Edit({"model.gbt.path=x"}).faults[0].message, "--set model.gbt.path: the file has no \"model\"");
  EXPECT_EQ(Edit({"nodes.vote.inputs.2=x"}).faults[0].hint, "it has 2 items, counted from 0");
  EXPECT_EQ(Edit({"models.gbt.path.x=1"}).faults[0].message, "--set models.gbt.path.x: /models/gbt/path has no \"x\"");
}

TEST(Edit, FaultsOfTheNewValueStandAtItsPlace) {
  FaultSink faults("t.json");
  auto edited = ApplyEdits(ParseTopology("t.json", kText, faults), {{"models.gbt.path", "b.onnx"}}, faults);
  ASSERT_NE(edited, nullptr);
  const ConfigValue& path = *edited->root.Find("models")->Find("gbt")->Find("path");
  EXPECT_EQ(path.place.line, 3U);
  EXPECT_EQ(edited->text.substr(path.place.begin, path.place.end - path.place.begin), "\"b.onnx\"");
}

TEST(Edit, NothingThatIsNotUtf8) {
  EXPECT_EQ(Edit({"models.gbt.path=\xFF"}).text, "");
  EXPECT_EQ(Edit({"models.gbt.path=\xFF"}).faults.size(), 1U);
}

}  // namespace
}  // namespace anabranch

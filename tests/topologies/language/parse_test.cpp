#include "topologies/language/parse.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/topologies/language/fake_parts.h"

namespace anabranch {
namespace {

using Texts = std::vector<std::string>;

struct Parsed {
  std::unique_ptr<Topology> topology;
  FaultSink faults{"t.json"};
};

Parsed Parse(std::string text) {
  Parsed parsed;
  parsed.topology = ParseTopology("t.json", std::move(text), parsed.faults);
  return parsed;
}

std::string OneFault(std::string text) {
  const Parsed parsed = Parse(std::move(text));
  if (parsed.faults.faults().size() != 1) return std::to_string(parsed.faults.faults().size()) + " faults";
  const Fault& fault = parsed.faults.faults()[0];
  return FaultName(fault.code) + " " + std::to_string(fault.place.line) + ":" + std::to_string(fault.place.column) +
         " " + fault.message + (fault.hint.empty() ? "" : " | " + fault.hint);
}

TEST(Parse, GivesEveryValueItsPlace) {
  const Parsed parsed = Parse("// head\n{\"a\": [1, /* two */ -2.5,\n  {\"b\": \"x\\ny\"}], \"c\":true}");
  ASSERT_NE(parsed.topology, nullptr);
  const ConfigValue& root = parsed.topology->root;
  const ConfigValue& list = *root.Find("a");
  EXPECT_EQ(list.name_place.line, 2u);
  EXPECT_EQ(list.name_place.column, 2u);
  EXPECT_EQ(list.place.column, 7u);
  EXPECT_EQ(list.children[1].number, -2.5);
  EXPECT_EQ(list.children[1].place.line, 2u);
  EXPECT_EQ(list.children[1].place.column, 21u);
  const ConfigValue& text = *list.children[2].Find("b");
  EXPECT_EQ(text.text, "x\ny");
  EXPECT_EQ(text.place.line, 3u);
  EXPECT_EQ(text.place.column, 9u);
  EXPECT_EQ(text.Pointer(), "/a/2/b");
  EXPECT_EQ(parsed.topology->text.substr(list.place.begin, list.place.end - list.place.begin).back(), ']');
  EXPECT_EQ(root.Find("c")->place.column, 23u);
}

TEST(Parse, EscapesPointers) {
  const Parsed parsed = Parse(R"({"a/b": {"c~d": 1}})");
  EXPECT_EQ(parsed.topology->root.children[0].children[0].Pointer(), "/a~1b/c~0d");
}

TEST(Parse, KeepsTheOrderOfMembers) {
  const Parsed parsed = Parse(R"({"z": 1, "a": 2, "m": 3})");
  Texts names;
  for (const ConfigValue& member : parsed.topology->root.children) names.push_back(member.name);
  EXPECT_EQ(names, (Texts{"z", "a", "m"}));
}

TEST(Parse, SaysWhereAndWhatWasExpected) {
  EXPECT_EQ(OneFault("{\"a\": 1,}"), "AB002 1:8 trailing comma before '}' | remove the comma");
  EXPECT_EQ(OneFault("{\"a\": [1,\n ]}"), "AB002 1:9 trailing comma before ']' | remove the comma");
  EXPECT_EQ(OneFault("{\"a\": 1\n \"b\": 2}"),
            "AB002 2:2 unexpected '\"'; expected ',' or '}' | a comma is missing before this");
  EXPECT_EQ(OneFault("{\"a\" 1}"), "AB002 1:6 unexpected '1'; expected ':' after the key");
  EXPECT_EQ(OneFault("{\"a\": }"), "AB002 1:7 unexpected '}'; expected a value");
  EXPECT_EQ(OneFault("{\"a\": True}"), "AB002 1:7 unexpected 'True'; expected a value | JSON writes true and false");
  EXPECT_EQ(
      OneFault("{'a': 1}"),
      "AB002 1:2 unexpected ''a''; expected a key in double quotes, or '}' | JSON strings stand in double quotes");
  EXPECT_EQ(OneFault("{\"a\": 01}"), "AB002 1:7 '01' is not a JSON number");
  EXPECT_EQ(OneFault("{\"a\": [1"), "AB002 1:9 the file ends here; expected ',' or ']'");
  EXPECT_EQ(OneFault("{} {}"), "AB002 1:4 unexpected '{'; expected the end of the file: one file is one topology");
  EXPECT_EQ(OneFault("{\"a\": \"x\ny\"}"),
            "AB002 1:7 the string is not closed on its line | end it with '\"'; a line break inside is written \\n");
  EXPECT_EQ(OneFault("{\"a\": \"x\\qy\"}"),
            "AB002 1:9 unknown escape '\\q' | known: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
  EXPECT_EQ(OneFault("{ /* never\n}"), "AB002 1:3 the comment is never closed | end it with */");
  EXPECT_EQ(OneFault(" \n\t"), "AB002 1:1 the file is empty | `anabranch init` writes one to start from");
}

TEST(Parse, RefusesBytesThatAreNoText) {
  EXPECT_EQ(OneFault(std::string("{\"a\":\n\"x\0y\"}", 12)),
            "AB002 2:3 a NUL byte stands in the file | a topology is UTF-8 text");
  EXPECT_EQ(OneFault("{\"a\": \"\xC3(\"}"), "AB002 1:8 the bytes here are not UTF-8 | save the file as UTF-8");
  EXPECT_EQ(OneFault("// \xED\xA0\x80\n{}"), "AB002 1:4 the bytes here are not UTF-8 | save the file as UTF-8");
  EXPECT_EQ(OneFault("\xFF\xFE{"), "AB002 1:1 the file is UTF-16 | save it as UTF-8");
}

TEST(Parse, AcceptsAByteOrderMark) {
  const Parsed parsed = Parse("\xEF\xBB\xBF{\"a\": 1}");
  ASSERT_NE(parsed.topology, nullptr);
  EXPECT_EQ(parsed.topology->root.Find("a")->place.column, 7u);
}

TEST(Parse, RefusesNumbersThatCannotBeHeld) {
  EXPECT_EQ(OneFault("{\"a\": 1e999}"), "AB104 1:7 the number 1e999 is too large for a 64-bit float");
  EXPECT_EQ(OneFault("{\"a\": [18446744073709551616]}").substr(0, 62),
            "AB104 1:8 the number 18446744073709551616 is outside of the 64");
  EXPECT_EQ(OneFault("{\"a\": 9223372036854775808}").substr(0, 50),
            "AB104 1:7 the number 9223372036854775808 is outsid");
  const Parsed parsed = Parse("{\"a\": -9223372036854775808, \"b\": 1e300}");
  EXPECT_EQ(parsed.topology->root.Integer("a", 0), INT64_MIN);
  EXPECT_TRUE(parsed.faults.faults().empty());
}

TEST(Parse, FindsEveryDuplicateKeyAndKeepsTheFirst) {
  const Parsed parsed = Parse("{\"a\": 1,\n\"a\": 2,\n\"b\": {\"c\": 1, \"c\": {\"d\": 1, \"d\": 2}}}");
  ASSERT_EQ(parsed.faults.faults().size(), 3u);
  EXPECT_EQ(parsed.faults.faults()[0].place.line, 2u);
  EXPECT_EQ(parsed.faults.faults()[0].pointer, "/a");
  EXPECT_EQ(parsed.faults.faults()[1].pointer, "/b/c");
  EXPECT_EQ(parsed.faults.faults()[1].place.column, 15u);
  EXPECT_EQ(parsed.topology->root.Integer("a", 0), 1);
  EXPECT_EQ(parsed.topology->root.children.size(), 2u);
}

TEST(Parse, NamesAFileThatCannotBeRead) {
  FaultSink faults("no/such.json");
  EXPECT_EQ(LoadTopology("no/such.json", faults), nullptr);
  EXPECT_EQ(faults.faults()[0].message, "cannot read \"no/such.json\": No such file or directory");
  FaultSink folder("/tmp");
  EXPECT_EQ(LoadTopology("/tmp", folder), nullptr);
  EXPECT_EQ(folder.faults()[0].code, FaultCode::kCannotRead);
}

double Seconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(HostileFile, IsRefusedInBoundedTime) {
  std::string fault;
  EXPECT_LT(Seconds([&] { fault = OneFault(std::string(100'000, '[')); }), 2.0 * kSlower);
  EXPECT_EQ(fault, "AB004 1:101 the file is nested deeper than 100 levels");
  std::string many = "[0";
  while (many.size() < 10'000'000) many += ",0";
  EXPECT_LT(Seconds([&] { fault = OneFault(many + "]"); }), 2.0 * kSlower);
  EXPECT_EQ(fault.substr(0, 5), "AB004");
  EXPECT_LT(Seconds([&] { fault = OneFault(std::string((16 << 20) + 1, ' ')); }), 2.0 * kSlower);
  EXPECT_EQ(fault, "AB004 1:1 the file is larger than 16 MiB, the most a topology may have");
}

TEST(HostileFile, WithManyDuplicatesIsRefusedInBoundedTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"k" + std::to_string(i % 100'000) + "\": 1,\n";
  const Parsed parsed = [&] { return Parse(text + "\"end\": 0}"); }();
  EXPECT_EQ(parsed.faults.errors(), 100'000u);
  EXPECT_LE(parsed.faults.faults().size(), 10'000u);
}

TEST(HostileFile, OfTenMegabytesOfTextIsParsed) {
  Parsed parsed;
  EXPECT_LT(Seconds([&] {
              parsed = Parse("{\"a\": \"" + std::string(5'000'000, 'x') + "\", \"b\": \"" +
                             std::string(5'000'000, 'y') + "\"}");
            }),
            2.0 * kSlower);
  ASSERT_NE(parsed.topology, nullptr);
  EXPECT_EQ(parsed.topology->root.Text("b").size(), 5'000'000u);
}

}  // namespace
}  // namespace anabranch

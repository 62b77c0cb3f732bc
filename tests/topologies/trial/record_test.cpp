#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/conformance/program_registry.h"
#include "topologies/commands/record_tests.h"

namespace anabranch {
namespace {

// A topology whose `tests` are the text given.
class RecordTests : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "record_test.XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The text of `tests` after recording.
  std::string Recorded(const std::string& tests) {
    const std::string head = R"({"anabranch": 1, "name": "t",
"schemas": {"s": {"type": "object", "properties": {"n": {"type": "integer"}}}},
"sources": {"in": {"file": {"path": "in.jsonl"}, "schema": "s", "key": "position"}},
"nodes": {"check": {"kind": "validate", "inputs": ["in"], "rules": {"small": "n < 10"}},
 "out": {"kind": "persist", "inputs": ["check"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["n"]}},
"tests": )";
    const std::string path = folder_ + "/t.json";
    std::ofstream(path) << head << tests << "}\n";
    static const Registry& registry = *MakeProgramRegistry();
    const TestFile file(path, registry, {});
    EXPECT_TRUE(file.ok()) << (file.faults().empty() ? "" : file.faults().front().message);
    TestRunner runner(*file.topology().plan, {});
    ShownFile shown{.file = &file, .tests = {}, .not_covered = {}};
    for (const LoadedTest& test : file.tests()) shown.tests.push_back({&test, runner.Run(*test.test)});
    const std::string text = RecordedText(shown);
    EXPECT_TRUE(text.starts_with(head));
    return text.substr(head.size(), text.size() - head.size() - 2);
  }

  std::string folder_;
};

TEST_F(RecordTests, ReplacesOnlyTheValueThatDiffers) {
  EXPECT_EQ(Recorded(R"([{"name": "a", // why
 "given": {"in": [{"value": {"n": 1}}]},
 "expect": {"out": [{"value": {"n":  2 /* two */}}]}}])"),
            R"([{"name": "a", // why
 "given": {"in": [{"value": {"n": 1}}]},
 "expect": {"out": [{"value": {"n":  1 /* two */}}]}}])");
}

TEST_F(RecordTests, LeavesWhatPasses) {
  const std::string text = R"([{"name": "a", "given": {"in": [{"value": {"n": 1}}]},
 "expect": {"out": [{"value": {"n": {"$near": 1}}}]}}])";
  EXPECT_EQ(Recorded(text), text);
}

TEST_F(RecordTests, WritesAListAnewWhereRowsAreMissing) {
  EXPECT_EQ(Recorded(R"([{"name": "a", "given": {"in": [{"value": {"n": 1}}, {"value": {"n": 2}}]},
  "expect": {
    "out": []
  }}])"),
            R"([{"name": "a", "given": {"in": [{"value": {"n": 1}}, {"value": {"n": 2}}]},
  "expect": {
    "out": [
      {"key": "in/0/0", "value": {"n": 1}},
      {"key": "in/0/1", "value": {"n": 2}}
    ]
  }}])");
}

TEST_F(RecordTests, GivesACaseThatExpectsNothingAllThatCameOut) {
  EXPECT_EQ(Recorded(R"([
  {
    "name": "a",
    "given": {"in": [{"value": {"n": 1}}, {"value": {"n": 11}}]}
  }
])"),
            R"([
  {
    "name": "a",
    "given": {"in": [{"value": {"n": 1}}, {"value": {"n": 11}}]},
    "expect": {
      "out": [
        {"key": "in/0/0", "value": {"n": 1}}
      ],
      "dead_letters": [
        {"node": "check", "code": "rule", "row": 1}
      ]
    }
  }
])");
}

TEST_F(RecordTests, AddsDeadLettersThatNobodyExpects) {
  EXPECT_EQ(Recorded(R"([
  {
    "name": "a",
    "given": {"in": [{"value": {"n": 11}}, {"value": {"n": 12}}]},
    "expect": {
      "out": []
    }
  }
])"),
            R"([
  {
    "name": "a",
    "given": {"in": [{"value": {"n": 11}}, {"value": {"n": 12}}]},
    "expect": {
      "out": [],
      "dead_letters": [
        {"node": "check", "code": "rule", "row": 0},
        {"node": "check", "code": "rule", "row": 1}
      ]
    }
  }
])");
}

TEST_F(RecordTests, TakesOutRowsWithTheirComments) {
  EXPECT_EQ(Recorded(R"([
  {
    "name": "a",
    "given": {"in": [{"value": {"n": 2}}, {"value": {"n": 4}}]},
    "expect": {
      "out": [
        // one
        {"value": {"n": 1}},  // goes
        {"value": {"n": 2}},  // two
        {"value": {"n": 3}},
        {"value": {"n": {"$near": 4}}},  // four
        {"value": {"n": 5}}  // five
      ]
    }
  }
])"),
            R"([
  {
    "name": "a",
    "given": {"in": [{"value": {"n": 2}}, {"value": {"n": 4}}]},
    "expect": {
      "out": [
        {"value": {"n": 2}},  // two
        {"value": {"n": {"$near": 4}}}  // four
      ]
    }
  }
])");
}

TEST_F(RecordTests, PutsRowsIntoTheirPlaceInALine) {
  EXPECT_EQ(Recorded(R"([{"name": "a", "given": {"in": [{"value": {"n": 1}}, {"value": {"n": 2}}, {"value": {"n": 3}}]},
  "expect": {"out": [{"value": {"n": 2}}]}}])"),
            R"([{"name": "a", "given": {"in": [{"value": {"n": 1}}, {"value": {"n": 2}}, {"value": {"n": 3}}]},
  "expect": {"out": [{"key": "in/0/0", "value": {"n": 1}},
                     {"value": {"n": 2}},
                     {"key": "in/0/2", "value": {"n": 3}}]}}])");
}

TEST_F(RecordTests, EmptiesAndFillsListsInALine) {
  EXPECT_EQ(Recorded(R"([{"name": "a", "given": {"in": [{"value": {"n": 11}}]},
  "expect": {"out": [{"value": {"n": 2}}, {"value": {"n": 3}}]}}])"),
            R"([{"name": "a", "given": {"in": [{"value": {"n": 11}}]},
  "expect": {"out": [],
             "dead_letters": [
               {"node": "check", "code": "rule", "row": 0}
             ]}}])");
}

TEST_F(RecordTests, ChangesOnlyThePartOfADeadLetterThatDiffers) {
  EXPECT_EQ(Recorded(R"([{"name": "a", "given": {"in": [{"value": {"n": 11}}, {"text": "{"}]},
  "expect": {"dead_letters": [{"row": 0, "code": "schema", "node": "check"}, {"row": 1}]}}])"),
            R"([{"name": "a", "given": {"in": [{"value": {"n": 11}}, {"text": "{"}]},
  "expect": {"dead_letters": [{"row": 0, "code": "rule", "node": "check"}, {"row": 1}]}}])");
}

}  // namespace
}  // namespace anabranch

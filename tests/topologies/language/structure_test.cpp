#include "topologies/language/structure.h"

#include <gtest/gtest.h>

#include "tests/topologies/language/fake_parts.h"

namespace anabranch {
namespace {

using Texts = std::vector<std::string>;

std::string OneNode(const std::string& fields) {
  const CheckedTopology checked =
      CheckFake(TopologyWith("\"n\": {\"kind\": \"make\", \"inputs\": [\"in\"], " + fields + "},\n", "n"),
                {{"FIVE", "5"}, {"WORD", "five"}, {"YES", "true"}, {"HALF", "0.5"}});
  if (checked.faults.empty()) return "ok";
  std::string text;
  for (const Fault& fault : checked.faults)
    text += FaultName(fault.code) + " " + fault.message + (fault.hint.empty() ? "" : " | " + fault.hint) + "\n";
  text.pop_back();
  return text;
}

TEST(Structure, RefusesUnknownKeysWithASuggestion) {
  EXPECT_EQ(OneNode("\"lvel\": 1"), "AB101 unknown key \"lvel\" in node \"n\" | did you mean \"level\"?");
  EXPECT_EQ(OneNode("\"retry\": {\"maximum\": 3}").substr(0, 59),
            "AB101 unknown key \"maximum\" in \"retry\" of node \"n\" | known:");
  EXPECT_EQ(OneNode("\"x-level\": 1, \"$comment\": [2]"), "ok");
}

TEST(Structure, ANoteThatLooksLikeAnEntryIsAWarning) {
  EXPECT_EQ(OneNode("\"set\": {\"x-a\": \"int\", \"$comment\": \"c\", \"x-n\": 1}"),
            "AB903 \"x-a\" in \"set\" of node \"n\" has no effect: keys that begin with \"x-\" are notes | give it a "
            "name that does not begin with \"x-\", or write the note as \"$comment\"");
}

TEST(Structure, RefusesWrongTypesWordsAndRanges) {
  EXPECT_EQ(OneNode("\"level\": \"5\""), "AB103 \"level\" of node \"n\" must be an integer, not a string");
  EXPECT_EQ(OneNode("\"level\": 1.5"), "AB103 \"level\" of node \"n\" must be an integer, not a number");
  EXPECT_EQ(OneNode("\"level\": 10"), "AB104 \"level\" is 10; it must be at most 9");
  EXPECT_EQ(OneNode("\"level\": -1"), "AB104 \"level\" is -1; it must be at least 0");
  EXPECT_EQ(OneNode("\"join\": \"al\""),
            "AB104 \"join\" cannot be \"al\"; it is \"all\" or \"any\" | did you mean \"all\"?");
  EXPECT_EQ(OneNode("\"drop\": [1]"),
            "AB103 item 0 of \"drop\" of node \"n\" must be the name of a column (a string), not an integer");
  EXPECT_EQ(OneNode("\"on_error\": 5"),
            "AB103 \"on_error\" of node \"n\" is an integer; wanted: \"dead_letter\", \"skip\", \"null\" or \"stop\", "
            "an object "
            "{\"default\": …} or an object");
  EXPECT_EQ(OneNode("\"on_error\": {\"recrd\": \"skip\"}"),
            "AB101 unknown key \"recrd\" in \"on_error\" of node \"n\" | did you mean \"record\"?");
}

TEST(Structure, TurnsExpandedTextIntoWhatIsWanted) {
  EXPECT_EQ(OneNode("\"level\": \"${FIVE}\", \"narrow\": \"${YES}\", \"timeout_ms\": \"${HALF}\""), "ok");
  EXPECT_EQ(OneNode("\"level\": \"${HALF}\""),
            "AB103 \"level\" of node \"n\" must be an integer, not the text \"0.5\" of a variable");
  EXPECT_EQ(OneNode("\"level\": \"${WORD}\""),
            "AB103 \"level\" of node \"n\" must be an integer, not the text \"five\" of a variable");
}

TEST(Structure, JudgesWhatIsSaidOfKeepingAndBreaking) {
  EXPECT_EQ(OneNode("\"keep\": \"always\", \"dead_letter_max\": {\"share\": 1, \"rows\": 1}, \"was\": \"old_1\""),
            "ok");
  EXPECT_EQ(OneNode("\"keep\": \"allways\""),
            "AB104 \"keep\" cannot be \"allways\"; it is \"on_failure\" or \"always\" | did you mean \"always\"?");
  EXPECT_EQ(OneNode("\"dead_letter_max\": {\"share\": 5}"), "AB104 \"share\" is 5; it must be at most 1");
  EXPECT_EQ(OneNode("\"dead_letter_max\": {\"rows\": 0}"), "AB104 \"rows\" is 0; it must be at least 1");
  EXPECT_EQ(OneNode("\"was\": \"Old\""),
            "AB104 \"was\" of node \"n\" is \"Old\", which is no id of the form [a-z][a-z0-9_]*");
  const Texts lines = Lines(CheckFake(TopologyWith("", "in", ",\n\"limits\": {\"kept_bytes\": 5}")));
  EXPECT_EQ(lines, (Texts{"AB104 7:26 \"kept_bytes\" is 5; it must be at least 1048576"}));
}

TEST(Structure, LetsAnOldIdLeadToOneNodeOnly) {
  const auto two = [](const std::string& first, const std::string& second) {
    return TopologyWith("\"m\": {\"kind\": \"make\", \"inputs\": [\"in\"], \"was\": \"" + first + "\"},\n" +
                            "\"n\": {\"kind\": \"make\", \"inputs\": [\"m\"], \"was\": \"" + second + "\"},\n",
                        "n");
  };
  EXPECT_EQ(Lines(CheckFake(two("a", "b"))), Texts{});
  EXPECT_EQ(Lines(CheckFake(two("a", "a"))),
            (Texts{"AB207 7:47 \"was\" of node \"n\" is \"a\", and so is that of node \"m\", in line 6"}));
  EXPECT_EQ(Lines(CheckFake(two("in", "n"))),
            (Texts{"AB207 6:48 \"was\" of node \"m\" is \"in\", a source that is still there",
                   "AB207 7:47 \"was\" of node \"n\" is \"n\", a node that is still there"}));
}

TEST(Structure, AcceptsWhatIsForReaders) {
  EXPECT_EQ(Lines(CheckFake(TopologyWith("", "in",
                                         ",\n\"owner\": \"risk\", \"tags\": [\"a\"], \"description\": \"d\", "
                                         "\"tests\": [{\"name\": \"x\", \"given\": {\"in\": []}}]"))),
            Texts{});
}

TEST(Structure, NamesEveryMissingKey) {
  EXPECT_EQ(Lines(CheckFake("{}")),
            (Texts{"AB102 1:1 the file has no \"anabranch\"", "AB102 1:1 the file has no \"name\"",
                   "AB102 1:1 the file has no \"nodes\"", "AB102 1:1 the file has no \"sources\""}));
}

TEST(Structure, JudgesNamesAndVersion) {
  std::string text = TopologyWith("", "in");
  text.replace(text.find("\"t\""), 3, "\"T 1\"");
  text.replace(text.find(": 1,"), 4, ": 2,");
  EXPECT_EQ(Codes(CheckFake(text)), (Texts{"AB104", "AB104"}));
}

TEST(Structure, FindsAMisspeltConnector) {
  std::string text = TopologyWith("", "in");
  text.replace(text.find("{\"disk\""), 7, "{\"disc\"");
  text.replace(text.rfind("{\"disk\""), 7, "{\"dsk\"");
  EXPECT_EQ(Lines(CheckFake(text)),
            (Texts{"AB101 4:20 there is no connector \"disc\"", "AB101 6:53 there is no connector \"dsk\""}));
}

TEST(Structure, FindsAnUnknownKindOnce) {
  EXPECT_EQ(Lines(CheckFake(TopologyWith("\"n\": {\"kind\": \"mke\", \"inputs\": [\"in\"], \"anything\": 1},\n", "n"))),
            (Texts{"AB205 6:15 there is no node kind \"mke\""}));
}

TEST(Suggest, PrefersTheNearestAndElseListsWhatIsKnown) {
  EXPECT_EQ(Suggest("amout", {"id", "amount", "account"}), "did you mean \"amount\"?");
  EXPECT_EQ(Suggest("inptus", {"inputs", "input"}), "did you mean \"inputs\"?");
  EXPECT_EQ(Suggest("zzz", {"a1", "b1"}), "known: a1, b1");
  EXPECT_EQ(Suggest("zzzz", {"a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1", "j1"}),
            "known: a1, b1, c1, d1, e1, f1, g1, h1 and 2 more");
  EXPECT_EQ(Suggest("x", {}), "");
  EXPECT_EQ(Suggest("7", {"0", "1"}), "known: 0, 1") << "one edit of a short word makes any other";
  EXPECT_EQ(Suggest("now", {"pow"}), "known: pow");
  EXPECT_EQ(Suggest("mx", {"max"}), "did you mean \"max\"?");
  EXPECT_EQ(Suggest(std::string(60, 'a'), {std::string(200, 'a')}).substr(0, 6), "known:");
}

}  // namespace
}  // namespace anabranch

#include "topologies/language/compile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "engine/schema/record_schema.h"
#include "tests/topologies/language/fake_parts.h"

namespace anabranch {
namespace {

using Texts = std::vector<std::string>;

std::string Node(const std::string& id, const std::string& inputs, const std::string& more = "") {
  return "\"" + id + "\": {\"kind\": \"make\", \"inputs\": [" + inputs + "]" + (more.empty() ? "" : ", " + more) +
         "},\n";
}

Texts Faults(const std::string& nodes, const std::string& last, const std::string& more = "") {
  return Lines(CheckFake(TopologyWith(nodes, last, more)));
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Compile, MakesThePlan) {
  const CheckedTopology checked = CheckFake(TopologyWith(
      Node("n", "\"in\"",
           R"("set": {"c": "a"}, "when": "a > 1", "retry": {"max": 7}, "timeout_ms": 20, "on_error": "skip")"),
      "n",
      ",\n\"defaults\": {\"retry\": {\"max\": 5, \"backoff_ms\": 50}}, \"batch\": {\"max_rows\": 32, \"linger_ms\": "
      "0.5}"));
  ASSERT_TRUE(checked.ok()) << Lines(checked)[0];
  const Plan& plan = *checked.plan;
  EXPECT_EQ(plan.name, "t");
  EXPECT_EQ(plan.hash.size(), 12u);
  EXPECT_EQ(plan.batch.max_rows, 32u);
  EXPECT_EQ(plan.batch.linger_ns, 500'000);
  EXPECT_EQ(Plan().batch.linger_ns, 0);
  EXPECT_EQ(plan.nodes[0].retry_max, 7);
  EXPECT_EQ(plan.nodes[0].retry_backoff_ns, 50'000'000);
  EXPECT_EQ(plan.nodes[0].timeout_ns, 20'000'000);
  EXPECT_EQ(plan.nodes[0].on_record_error, RecordPolicy::kSkip);
  EXPECT_NE(plan.nodes[0].when, nullptr);
  EXPECT_EQ(plan.columns.size(), 5u);
  EXPECT_EQ(plan.columns[plan.nodes[0].makes[0]].name, "c");
  EXPECT_EQ(plan.targets.size(), 2u);
  EXPECT_EQ(plan.targets[plan.nodes[1].target].id, "out");
  EXPECT_EQ(plan.targets[plan.dead_letters()].id, "dead_letters");
  EXPECT_EQ(plan.delivery, Delivery::kExactlyOnce);
  EXPECT_FALSE(plan.delivery_given);
}

TEST(Compile, TakesEachBreakerFromTheNearestPlaceThatNamesIt) {
  const std::string nodes =
      Node("own", "\"in\"", R"("dead_letter_max": {"share": 0.07, "rows": 100}, "keep": "always", "was": "mine")") +
      Node("part", "\"own\"", R"("dead_letter_max": {"rows": 10})") + Node("none", "\"part\"");
  const auto text = [](const Breaker& breaker) {
    return std::to_string(breaker.failures) + " of " + std::to_string(breaker.rows);
  };
  const CheckedTopology plain = CheckFake(TopologyWith(nodes, "none"));
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(text(plain.plan->nodes[0].breaker), "7 of 100");
  EXPECT_EQ(text(plain.plan->nodes[1].breaker), "1 of 10");
  EXPECT_EQ(text(plain.plan->nodes[2].breaker), "50 of 1000");
  EXPECT_EQ(text(plain.plan->sources[0].breaker), "50 of 1000");
  EXPECT_EQ(plain.plan->limits.kept_bytes, size_t{4} << 30);
  EXPECT_TRUE(plain.plan->nodes[0].keep_always);
  EXPECT_EQ(plain.plan->nodes[0].was, "mine");
  EXPECT_FALSE(plain.plan->nodes[1].keep_always);
  const std::string limits = R"("limits": {"kept_bytes": 2097152, "dead_letters": {"share": 0.5, "rows": 40}})";
  const CheckedTopology limited = CheckFake(TopologyWith(nodes, "none", ",\n" + limits));
  ASSERT_TRUE(limited.ok());
  EXPECT_EQ(text(limited.plan->nodes[1].breaker), "5 of 10");
  EXPECT_EQ(text(limited.plan->nodes[2].breaker), "20 of 40");
  EXPECT_EQ(text(limited.plan->sources[0].breaker), "20 of 40");
  EXPECT_EQ(limited.plan->limits.kept_bytes, size_t{2} << 20);
  const std::string defaults = R"("defaults": {"dead_letter_max": {"share": 0}})";
  const CheckedTopology both = CheckFake(TopologyWith(nodes, "none", ",\n" + limits + ",\n" + defaults));
  ASSERT_TRUE(both.ok());
  EXPECT_EQ(text(both.plan->nodes[0].breaker), "7 of 100");
  EXPECT_EQ(text(both.plan->nodes[2].breaker), "1 of 40");
  EXPECT_EQ(text(both.plan->sources[0].breaker), "20 of 40");
}

TEST(Compile, HashesWhatMattersOnly) {
  const auto hash = [](const std::string& text) { return CheckFake(text).plan->hash; };
  const std::string text = TopologyWith(Node("n", "\"in\"", "\"level\": 1"), "n");
  EXPECT_EQ(hash(text),
            hash(Replaced(text, "\"name\": \"t\"", "\n  \"name\": \"t\", \"description\": \"d\", \"x-a\": 1")));
  EXPECT_NE(hash(text), hash(Replaced(text, "\"level\": 1", "\"level\": 2")));
}

TEST(Compile, FindsUnknownColumnsAndColumnsMadeTwice) {
  EXPECT_EQ(Faults(Node("n", "\"in\"", "\"set\": {\"c\": \"aa\", \"a\": \"b\"}"), "n"),
            (Texts{"AB203 6:54 node \"n\" reads column \"aa\", which nothing above it makes",
                   "AB204 6:60 column \"a\" is made by \"in\" and by node \"n\""}));
  EXPECT_EQ(
      Faults(Node("n", "\"in\"", "\"set\": {\"c\": \"a\"}") + Node("m", "\"in\"", "\"set\": {\"d\": \"c\"}") +
                 Node("j", "\"n\", \"m\""),
             "j"),
      (Texts{"AB203 7:54 node \"m\" reads column \"c\", which \"n\" makes, but which does not reach it on every row"}));
  EXPECT_EQ(
      Faults(Node("n", "\"in\"", "\"drop\": [\"a\"], \"rename\": {\"b\": \"bb\"}") +
                 Node("m", "\"n\"", "\"set\": {\"d\": \"bb\", \"e\": \"b\", \"f\": \"a\"}"),
             "m"),
      (Texts{
          "AB203 7:64 node \"m\" reads column \"b\", which \"in\" makes, but which does not reach it on every row",
          "AB203 7:74 node \"m\" reads column \"a\", which \"in\" makes, but which does not reach it on every row"}));
}

TEST(Compile, TellsEveryFaultAtOnceAndNoConsequences) {
  std::string text = TopologyWith(
      Node("n", "\"in\"", "\"set\": {\"c\": \"nope\", \"d\": \"a\"}") +
          Node("m", "\"n\"", "\"set\": {\"e\": \"c\", \"f\": \"d\", \"g\": \"typo\"}, \"model\": \"none\"") +
          Node("k", "\"m\", \"gone\"",
               "\"set\": {\"h\": \"e\", \"i\": \"anything\"}, \"model\": \"none\", \"levl\": 2") +
          Node("broken", "\"in\"", "\"level\": 99, \"set\": {\"q\": \"a\"}") +
          Node("below", "\"broken\"", "\"set\": {\"r\": \"q\", \"s\": \"t\"}") + Node("lost", "\"in\"") +
          Node("j", "\"k\", \"below\""),
      "j", ",\n\"delivry\": \"exactly_once\"");
  text = Replaced(text, "\"schema\": \"s\"", "\"schema\": \"s\", \"key\": {\"field\": \"idd\"}");
  EXPECT_EQ(
      Lines(CheckFake(text)),
      (Texts{
          "AB203 4:82 the key of source \"in\" is the field \"idd\", which its schema does not have",
          "AB203 6:54 node \"n\" reads column \"nope\", which nothing above it makes",
          "AB203 7:73 node \"m\" reads column \"typo\", which nothing above it makes", "AB202 7:91 no model \"none\"",
          "AB202 8:39 node \"k\" reads \"gone\", which is neither a source nor a node", "AB202 8:93 no model \"none\"",
          "AB101 8:101 unknown key \"levl\" in node \"k\"", "AB104 9:55 \"level\" is 99; it must be at most 9",
          "AB203 10:72 node \"below\" reads column \"t\", which nothing above it makes",
          "AB206 11:1 nothing reads node \"lost\", and it writes nowhere",
          "AB101 14:1 unknown key \"delivry\" in the file"}));
}

TEST(Compile, TracksNulls) {
  // `note` is not required; `when` and a branch that may be missing make nulls.
  const CheckedTopology checked = CheckFake(TopologyWith(
      Node("n", "\"in\"", R"("set": {"c": "note"})") + Node("w", "\"in\"", R"("set": {"d": "a"}, "when": "a > 1")") +
          Node("x", "\"in\"", R"("set": {"e": "a"})") +
          Node("j", "\"n\", \"w\", \"x\"", R"("join": "any", "set": {"f": "a"})"),
      "j"));
  ASSERT_TRUE(checked.ok()) << Lines(checked)[0];
  EXPECT_TRUE(checked.plan->nodes[3].join_any);
}

TEST(Compile, EnforcesASchemaWhereNoCheckStandsOnTheWay) {
  const auto enforced = [](const std::string& nodes, const std::string& last) {
    const CheckedTopology checked = CheckFake(TopologyWith(nodes, last));
    EXPECT_TRUE(checked.ok()) << Lines(checked)[0];
    return checked.ok() && checked.plan->sources[0].enforce_schema;
  };
  const std::string check = "\"k\": {\"kind\": \"check\", \"inputs\": [\"in\"]},\n";
  EXPECT_TRUE(enforced("", "in"));
  EXPECT_FALSE(enforced(check, "k"));
  EXPECT_FALSE(enforced(check + Node("n", "\"in\"") + Node("j", "\"k\", \"n\""), "j"));
  EXPECT_TRUE(enforced(check + Node("n", "\"in\"") + Node("j", "\"k\", \"n\"", "\"join\": \"any\""), "j"));
  const CheckedTopology twice =
      CheckFake(TopologyWith(check + "\"k2\": {\"kind\": \"check\", \"inputs\": [\"k\"]},\n", "k2"));
  EXPECT_EQ(twice.plan->nodes[0].program->Facts().at("model"), "1 schemas@1");
  EXPECT_EQ(twice.plan->nodes[0].reads.size(), twice.plan->sources[0].schema->fields().size());
  EXPECT_TRUE(twice.plan->nodes[1].reads.empty());
  EXPECT_EQ(twice.plan->nodes[1].program->Facts().at("model"), "0 schemas@1");
}

TEST(Compile, UnitesSourcesByTheColumnsThatAllHave) {
  std::string text = TopologyWith(Node("n", "\"in\", \"two\"", "\"set\": {\"x\": \"a\", \"y\": \"b\"}"), "n");
  text = Replaced(text, "\"sources\": {", "\"sources\": {\"two\": {\"disk\": {\"path\": \"2\"}, \"schema\": \"u\"},\n");
  text = Replaced(text, "\"schemas\": {",
                  "\"schemas\": {\"u\": {\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"number\"}}},\n");
  EXPECT_EQ(
      Lines(CheckFake(text)),
      (Texts{
          "AB203 8:71 node \"n\" reads column \"b\", which \"in\" makes, but rows of source \"two\" do not have it"}));
  text = Replaced(text, "{\"a\": {\"type\": \"number\"}}}", "{\"a\": {\"type\": \"string\"}}}");
  EXPECT_EQ(Lines(CheckFake(text))[0],
            "AB209 8:40 the inputs bring two columns \"a\": float64 from \"in\" and string from \"two\"");
}

TEST(Compile, StoresTensorsAsFloat32WhenAllReadersAreContent) {
  const auto storage = [](const std::string& nodes, const std::string& last) {
    std::string text = TopologyWith(nodes, last);
    text = Replaced(
        text, "\"note\": {\"type\": \"string\"}",
        "\"note\": {\"type\": \"array\", \"items\": {\"type\": \"number\"}, \"minItems\": 4, \"maxItems\": 4}");
    const CheckedTopology checked = CheckFake(text);
    EXPECT_TRUE(checked.ok()) << Lines(checked)[0];
    if (!checked.ok()) return std::string();
    for (const auto& field : checked.plan->sources[0].decode.fields) {
      if (checked.plan->columns[field.column].name == "note") return field.type.ToString();
    }
    return std::string("not decoded");
  };
  const std::string narrow = Node("n", "\"in\"", "\"narrow\": true, \"set\": {\"x\": \"note\"}");
  EXPECT_EQ(storage(narrow, "n"), "tensor<float32>[4]");
  EXPECT_EQ(storage(narrow + Node("m", "\"n\"", "\"set\": {\"y\": \"note\"}"), "m"), "tensor<float64>[4]");
}

TEST(Compile, StoresATensorThatANodeMadeAsFloat32OnlyWhenItsMakerAdapts) {
  const auto storage = [](const std::string& made, const std::string& readers) {
    const CheckedTopology checked =
        CheckFake(TopologyWith(Node("n", "\"in\"", "\"set\": {\"t\": \"" + made + "\"}") + readers, "r"));
    EXPECT_TRUE(checked.ok()) << Lines(checked)[0];
    if (!checked.ok()) return std::string();
    for (const ColumnInfo& column : checked.plan->columns) {
      if (column.name == "t") return column.type.ToString();
    }
    return std::string("not made");
  };
  const std::string narrow = Node("r", "\"n\"", "\"narrow\": true, \"set\": {\"x\": \"t\"}");
  EXPECT_EQ(storage("#adapts", narrow), "tensor<float32>[4]");
  EXPECT_EQ(storage("#fixed", narrow), "tensor<float64>[4]");
  EXPECT_EQ(storage("#adapts", Node("r", "\"n\"", "\"set\": {\"x\": \"t\"}")), "tensor<float64>[4]");
  EXPECT_EQ(storage("#adapts", Node("r", "\"n\"", "\"set\": {\"x\": \"a\"}")), "tensor<float64>[4]") << "not read";
}

TEST(Delivery, IsTheBestThatEveryTargetCan) {
  const std::string pipe =
      "\"p\": {\"kind\": \"persist\", \"inputs\": [\"in\"], \"to\": {\"pipe\": {\"name\": \"x\"}}},\n";
  const CheckedTopology free = CheckFake(TopologyWith(pipe, "in"));
  ASSERT_TRUE(free.ok()) << Lines(free)[0];
  EXPECT_EQ(free.plan->delivery, Delivery::kAtLeastOnce);
  EXPECT_EQ(Faults(pipe, "in", ",\n\"delivery\": \"exactly_once\""),
            (Texts{"AB601 6:51 exactly_once cannot be given by \"p\" (pipe x): a pipe forgets"}));
  EXPECT_EQ(Faults(pipe, "in", ",\n\"delivery\": \"at_least_once\""), Texts{});
}

TEST(Delivery, RefusesATargetThatIsWrittenTwice) {
  EXPECT_EQ(
      Faults("\"p\": {\"kind\": \"persist\", \"inputs\": [\"in\"], \"to\": {\"disk\": {\"path\": \"out.jsonl\"}}},\n",
             "in"),
      (Texts{"AB602 7:70 \"out\" and \"p\" both write disk out.jsonl"}));
  EXPECT_EQ(Faults("", "in", ",\n\"dead_letters\": {\"disk\": {\"path\": \"out.jsonl\"}}"),
            (Texts{"AB602 7:35 \"dead_letters\" and \"out\" both write disk out.jsonl"}));
}

TEST(Compile, KeepsPathsInsideOfTheFolder) {
  std::string text = Replaced(TopologyWith("", "in"), "\"in.jsonl\"", "\"../in.jsonl\"");
  EXPECT_EQ(Codes(CheckFake(text)), (Texts{"AB106"}));
  EXPECT_EQ(Codes(CheckFake(Replaced(text, "../in.jsonl", "/etc/passwd"))), (Texts{"AB106"}));
  EXPECT_EQ(Codes(CheckFake(Replaced(text, "../in.jsonl", "a/../in.jsonl"))), Texts{});
}

TEST(Compile, GivesDefaultValuesTheirType) {
  const auto with = [](const std::string& values) {
    return Faults(Node("n", "\"in\"", "\"set\": {\"c\": \"a\"}, \"on_error\": {\"default\": " + values + "}"), "n");
  };
  EXPECT_EQ(with("{\"c\": 0.5}"), Texts{});
  EXPECT_EQ(with("{\"c\": \"x\"}"), (Texts{"AB103 6:90 the default of \"c\" must be float64, not string"}));
  EXPECT_EQ(with("{\"cc\": 1, \"c\": 1}"), (Texts{"AB203 6:85 node \"n\" makes no column \"cc\""}));
}

TEST(Compile, WarnsAboutWhatIsNotUsed) {
  std::string text = TopologyWith(Node("n", "\"in\"", "\"model\": \"used\""), "n",
                                  ",\n\"models\": {\"used\": {\"path\": \"m\"}, \"spare\": {\"path\": \"m\"}}");
  const CheckedTopology checked = CheckFake(text);
  EXPECT_EQ(Lines(checked), (Texts{"AB901 8:35 model \"spare\" is not used"}));
  ASSERT_TRUE(checked.ok());
  EXPECT_EQ(checked.plan->models, "used@1");
}

TEST(Speed, ChecksAThousandNodesInUnderASecond) {
  std::string nodes;
  for (int i = 0; i < 1000; ++i) {
    const std::string above = i == 0 ? "in" : "n" + std::to_string(i - 1);
    nodes += Node("n" + std::to_string(i), "\"" + above + "\"" + (i > 2 ? ", \"n" + std::to_string(i / 2) + "\"" : ""),
                  "\"set\": {\"c" + std::to_string(i) + "\": \"a\"}");
  }
  const std::string text = TopologyWith(nodes, "n999");
  const auto begin = std::chrono::steady_clock::now();
  const CheckedTopology checked = CheckFake(text);
  const auto elapsed = std::chrono::steady_clock::now() - begin;
  EXPECT_TRUE(checked.ok());
  RecordProperty("milliseconds",
                 static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()));
  EXPECT_LT(elapsed, std::chrono::seconds(1 * kSlower));
}

TEST(Speed, ChecksTenThousandNodesInBoundedTime) {
  std::string nodes;
  for (int i = 0; i < 9'999; ++i) {
    nodes += Node("n" + std::to_string(i), i == 0 ? "\"in\"" : "\"n" + std::to_string(i - 1) + "\"",
                  "\"set\": {\"c" + std::to_string(i) + "\": \"a\"}");
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(CheckFake(TopologyWith(nodes, "n9998")).ok());
  EXPECT_EQ(Codes(CheckFake(TopologyWith(nodes + Node("x", "\"in\""), "n9998"))), (Texts{"AB004"}));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4 * kSlower));
}

}  // namespace
}  // namespace anabranch

#include "topologies/language/graph.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/topologies/language/fake_parts.h"
#include "topologies/language/cycles.h"

namespace anabranch {
namespace {

using Texts = std::vector<std::string>;
using Chains = std::vector<std::vector<size_t>>;

std::string Make(const std::string& id, const std::string& inputs) {
  return "\"" + id + "\": {\"kind\": \"make\", \"inputs\": [" + inputs + "]},\n";
}

Texts Check(const std::string& nodes, const std::string& last) { return Lines(CheckFake(TopologyWith(nodes, last))); }

TEST(Cycles, AreOneShortestChainPerComponentAndEverySelfLoop) {
  EXPECT_EQ(FindCycles({{1}, {2}, {}}), Chains{});
  EXPECT_EQ(FindCycles({{1}, {2}, {0}}), (Chains{{0, 1, 2}}));
  EXPECT_EQ(FindCycles({{0, 1}, {0}}), (Chains{{0}, {0, 1}}));
  // 0→1→2→3→0 with the short cut 2→1; apart from it 4⇄5.
  EXPECT_EQ(FindCycles({{1}, {2}, {3, 1}, {0}, {5}, {4}}), (Chains{{1, 2}, {4, 5}}));
}

TEST(Cycles, OfTenThousandAreFoundInTime) {
  std::vector<std::vector<size_t>> edges(10'000);
  for (size_t i = 0; i < edges.size(); ++i) edges[i] = {(i + 1) % edges.size()};
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(FindCycles(edges)[0].size(), 10'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2 * kSlower));
}

TEST(Cycles, OfADenseComponentAreFoundInTime) {
  // A ring of two thousand with chords that jump ahead: every chain is long, and none is a ring's only one.
  std::vector<std::vector<size_t>> edges(2'000);
  for (size_t i = 0; i + 1 < edges.size(); ++i) edges[i] = {i + 1, std::min(i + 2, edges.size() - 1)};
  edges.back() = {0};
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(FindCycles(edges)[0].size(), 1'001u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2 * kSlower));
}

TEST(Graph, NamesTheClosedChain) {
  const Texts faults =
      Check(Make("clean", "\"in\", \"score\"") + Make("enrich", "\"clean\"") + Make("score", "\"enrich\""), "score");
  EXPECT_EQ(faults, (Texts{"AB201 6:44 cycle: clean -> enrich -> score -> clean"}));
}

TEST(Graph, NamesEveryCycleAtOnce) {
  const Texts faults = Check(
      Make("a", "\"a\", \"in\"") + Make("b", "\"c\", \"in\"") + Make("c", "\"b\"") + Make("d", "\"a\", \"c\""), "d");
  EXPECT_EQ(faults, (Texts{"AB201 6:34 cycle: a -> a", "AB201 7:34 cycle: b -> c -> b"}));
}

TEST(Graph, FindsCyclesThatFeedNothing) {
  EXPECT_EQ(Check(Make("a", "\"b\"") + Make("b", "\"a\""), "in"), (Texts{"AB201 6:34 cycle: a -> b -> a"}));
}

TEST(Graph, FindsUnknownInputsWithASuggestion) {
  const CheckedTopology checked = CheckFake(TopologyWith(Make("feature", "\"in\"") + Make("b", "\"featur\""), "b"));
  ASSERT_EQ(Lines(checked), (Texts{"AB202 7:34 node \"b\" reads \"featur\", which is neither a source nor a node"}));
  EXPECT_EQ(checked.faults[0].hint, "did you mean \"feature\"?");
  EXPECT_EQ(checked.faults[0].node, "b");
  EXPECT_EQ(checked.faults[0].pointer, "/nodes/b/inputs/0");
}

TEST(Graph, FindsDeadEndsMissingInputsAndReadersOfPersist) {
  EXPECT_EQ(Check(Make("lost", "\"in\""), "in"),
            (Texts{"AB206 6:1 nothing reads node \"lost\", and it writes nowhere"}));
  EXPECT_EQ(Check(Make("n", ""), "n"), (Texts{"AB208 6:33 node \"n\" has no inputs"}));
  EXPECT_EQ(Check("\"n\": {\"kind\": \"make\"},\n", "n"), (Texts{"AB208 6:1 node \"n\" has no inputs"}));
  const std::string second = R"("p": {"kind": "persist", "inputs": ["out"], "to": {"disk": {"path": "p"}}},)";
  EXPECT_EQ(Check(second, "in"), (Texts{"AB202 6:37 node \"p\" reads \"out\", a persist node: it passes nothing on"}));
  EXPECT_EQ(Check(Make("n", "\"out\""), "n"), (Texts{"AB201 6:34 cycle: n -> out -> n"}));
  EXPECT_EQ(Check(Make("n", "\"in\", \"in\""), "n"), (Texts{"AB104 6:40 node \"n\" names the input \"in\" twice"}));
}

TEST(Graph, RefusesANodeNamedAsASource) {
  EXPECT_EQ(
      Check("\"in\": {\"kind\": \"persist\", \"inputs\": [\"in\"], \"to\": {\"disk\": {\"path\": \"o\"}}},\n", "in")[0],
      "AB207 6:1 the id \"in\" is also a source's, in line 4");
}

TEST(Graph, OrdersByDependencyAndThenByPlaceInTheFile) {
  const CheckedTopology checked =
      CheckFake(TopologyWith(Make("z", "\"m\"") + Make("m", "\"in\"") + Make("c", "\"in\"") + Make("a", "\"in\"") +
                                 Make("e", "\"z\", \"a\", \"c\""),
                             "e"));
  ASSERT_TRUE(checked.ok()) << Lines(checked)[0];
  Texts order;
  for (const PlanNode& node : checked.plan->nodes) order.push_back(node.id);
  EXPECT_EQ(order, (Texts{"m", "z", "c", "a", "e", "out"}));
  EXPECT_EQ(checked.plan->nodes[4].inputs, (std::vector<StageId>{2, 4, 3}));
}

}  // namespace
}  // namespace anabranch

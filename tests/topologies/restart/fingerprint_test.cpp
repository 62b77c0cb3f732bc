#include "topologies/language/fingerprint.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/topologies/restart/patched_topology.h"

namespace anabranch {
namespace {

using Ids = std::set<std::string>;

struct Difference {
  Ids own;      // stages of both plans whose own fingerprint differs
  Ids closure;  // and whose fingerprint of everything above does
};

// By id; a renamed node counts under its new one.
Difference Compare(const Plan& before, const Plan& after) {
  Difference difference;
  for (const PlanSource& source : after.sources) {
    for (const PlanSource& was : before.sources) {
      if (was.id == source.id && was.fingerprint != source.fingerprint) difference.own.insert(source.id);
    }
  }
  for (const PlanNode& node : after.nodes) {
    for (const PlanNode& was : before.nodes) {
      if (was.id != node.id && was.id != node.was) continue;
      if (was.fingerprint != node.fingerprint) difference.own.insert(node.id);
      if (was.closure != node.closure) difference.closure.insert(node.id);
    }
  }
  return difference;
}

Difference Change(const std::string& patch, const std::string& base = PageTopology()) {
  const auto before = PlanOf(base), after = PlanOf(Patched(base, patch));
  if (before == nullptr || after == nullptr) return {{"faulty"}, {}};
  return Compare(*before, *after);
}

const Ids kAll = {"check", "feat", "gbt", "nn", "vote", "out", "keep"};

TEST(Fingerprint, IsThereForEveryStageAndAnotherForEach) {
  const auto plan = PlanOf(PageTopology());
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ(plan->sources[0].fingerprint.size(), 16u);
  Ids own, closures;
  for (const PlanNode& node : plan->nodes) {
    EXPECT_EQ(node.fingerprint.size(), node.kind == "infer" ? 33u : 16u) << node.id;
    EXPECT_EQ(node.closure.size(), 16u) << node.id;
    own.insert(node.fingerprint);
    closures.insert(node.closure);
  }
  EXPECT_EQ(own.size(), plan->nodes.size());
  EXPECT_EQ(closures.size(), plan->nodes.size());
}

TEST(Fingerprint, ChangesWithWhatChangesTheResultsThereAndBelow) {
  struct Case {
    const char* patch;
    Ids own, closure;
  };
  const Ids below_feat = {"feat", "gbt", "nn", "vote", "out", "keep"};
  const Ids below_gbt = {"gbt", "vote", "out", "keep"};
  const Case cases[] = {
      {R"({"nodes": {"check": {"rules": {"sane_amount": "amount < 1e5"}}}})", {"check"}, kAll},
      {R"({"nodes": {"check": {"rules": {"more": "amount > 1"}}}})", {"check"}, kAll},
      {R"j({"nodes": {"feat": {"set": {"log_amount": "log1p(amount + 1)"}}}})j", {"feat"}, below_feat},
      {R"({"nodes": {"feat": {"where": "amount > 2"}}})", {"feat"}, below_feat},
      {R"({"nodes": {"feat": {"on_error": "skip"}}})", {"feat"}, below_feat},
      {R"({"nodes": {"gbt": {"when": "amount > 1"}}})", {"gbt"}, below_gbt},
      {R"({"nodes": {"gbt": {"features": ["is_home", "log_amount"]}}})", {"gbt"}, below_gbt},
      {R"({"nodes": {"gbt": {"on_error": {"default": {"p_gbt": 0.5}}}}})", {"gbt"}, below_gbt},
      {R"({"nodes": {"gbt": {"inputs": ["feat", "check"]}}})", {}, below_gbt},
      {R"({"nodes": {"vote": {"join": "any"}}})", {"vote"}, {"vote", "out", "keep"}},
      {R"({"nodes": {"vote": {"members": {"p_nn": 3}}}})", {"vote"}, {"vote", "out", "keep"}},
      {R"({"models": {"gbt": {"path": "models/nn.onnx"}}})", {"gbt"}, below_gbt},
      {R"({"nodes": {"out": {"fields": ["score"]}}})", {"out"}, {"out"}},
      {R"({"nodes": {"out": {"to": {"kafka": {"topic": "elsewhere"}}}}})", {"out"}, {"out"}},
      {R"({"defaults": {"on_error": "skip"}})", kAll, kAll},
      {R"({"sources": {"payments": {"kafka": {"topics": ["paid"]}}}})", {"payments"}, kAll},
      {R"({"sources": {"payments": {"key": "position"}}})", {"payments"}, kAll},
      {R"({"schemas": {"payment": {"properties": {"amount": {"minimum": 1}}}}})", {"payments"}, kAll},
      {R"({"schemas": {"payment": {"properties": {"title": {"type": "string"}}}}})", {"payments"}, kAll},
  };
  for (const Case& each : cases) {
    const Difference difference = Change(each.patch);
    EXPECT_EQ(difference.own, each.own) << each.patch;
    EXPECT_EQ(difference.closure, each.closure) << each.patch;
  }
}

TEST(Fingerprint, StaysWithWhatSaysOnlyHowAndWhenAndForWhom) {
  const char* const patches[] = {
      R"({"description": "d", "owner": "o", "tags": ["t"], "x-note": 1, "tests": [{"name": "a", "given": {"payments": []}}]})",
      R"({"nodes": {"feat": {"description": "d", "x-note": {"a": 1}, "$comment": "c"}}})",
      R"({"nodes": {"feat": {"set": {"$comment": "c", "x-broken": "1 +"}}}})",
      R"({"nodes": {"check": {"rules": {"x-broken": "1 +", "$comment": "c"}}}})",
      R"({"nodes": {"gbt": {"outputs": {"x-broken": "nothing"}}, "vote": {"members": {"x-broken": 1}}}})",
      R"({"nodes": {"x-note": "n", "x-old": {"kind": "none"}}, "sources": {"x-note": 1}, "models": {"x-note": {}}})",
      R"({"schemas": {"x-note": 1}, "connections": {"x-note": {"none": {}}, "main": {"kafka": {"x-note": 1}}}})",
      R"({"sources": {"payments": {"key": {"x-note": 1, "field": "card"}, "kafka": {"x-note": 1}}}})",
      R"({"nodes": {"gbt": {"batch": {"max_rows": 8}, "timeout_ms": 900, "retry": {"max": 9}}}})",
      R"({"nodes": {"gbt": {"keep": "always", "dead_letter_max": {"share": 0.5}, "was": "older"}}})",
      R"({"nodes": {"gbt": {"on_error": "dead_letter"}, "vote": {"join": "all"}}})",
      R"({"nodes": {"gbt": {"on_error": {"record": "dead_letter", "stage": "stop"}}}})",
      R"({"batch": {"max_rows": 9}, "epoch": {"max_rows": 9}, "limits": {"kept_bytes": 1048576}})",
      R"({"delivery": "at_least_once", "defaults": {"retry": {"max": 1}, "timeout_ms": 5, "on_error": "dead_letter"}})",
      R"({"models": {"gbt": {"version": "8", "description": "d"}}})",
      R"({"connections": {"main": {"kafka": {"bootstrap.servers": "elsewhere:9092"}}}})",
      R"({"sources": {"payments": {"description": "d", "kafka": {"start": "latest", "properties": {"fetch.min.bytes": 9}}}}})",
      R"({"sources": {"payments": {"kafka": {"group": "mine", "connection": "main"}}}})",
      R"({"schemas": {"payment": {"title": "t", "properties": {"amount": {"description": "d", "$comment": "c"}}}}})",
      R"({"dead_letters": {"kafka": {"topic": "other.dead"}}})",
  };
  for (const char* patch : patches) {
    const Difference difference = Change(patch);
    EXPECT_EQ(difference.own, Ids{}) << patch;
    EXPECT_EQ(difference.closure, Ids{}) << patch;
  }
}

TEST(Fingerprint, OfARenamedNodeAndOfItsReadersStays) {
  const Difference difference = Change(R"j({"nodes": {"feat": null,
      "shape": {"kind": "transform", "inputs": ["check"], "was": "feat",
                "set": {"log_amount": "log1p(amount)", "is_home": "country == home"}},
      "gbt": {"inputs": ["shape"]}, "nn": {"inputs": ["shape"]}}})j");
  EXPECT_EQ(difference.own, Ids{});
  EXPECT_EQ(difference.closure, Ids{});
}

TEST(Fingerprint, IsOfTheModelsBytesAndNotOfTheirName) {
  const auto plan = PlanOf(PageTopology());
  const auto moved = PlanOf(Patched(PageTopology(), R"({"models": {"nn": {"path": "models/gbt.onnx"}}})"));
  ASSERT_TRUE(plan != nullptr && moved != nullptr);
  const std::string before = plan->nodes[3].fingerprint, after = moved->nodes[3].fingerprint;
  ASSERT_EQ(plan->nodes[3].id, "nn");
  EXPECT_EQ(before.substr(0, 16), after.substr(0, 16));
  EXPECT_NE(before.substr(16), after.substr(16));
  EXPECT_EQ(after.substr(16), moved->nodes[2].fingerprint.substr(16));
}

TEST(Fingerprint, CountsTheOrderInWhichMembersOfAnEnsembleStand) {
  const std::string first = Patched(PageTopology(), R"({"nodes": {"vote": {"members": null}}})");
  const std::string one = Patched(first, R"({"nodes": {"vote": {"members": {"p_gbt": 1, "p_nn": 1}}}})");
  const std::string other = Patched(first, R"({"nodes": {"vote": {"members": {"p_nn": 1, "p_gbt": 1}}}})");
  const auto a = PlanOf(one), b = PlanOf(other);
  ASSERT_TRUE(a != nullptr && b != nullptr);
  EXPECT_EQ(Compare(*a, *b).own, Ids{"vote"});
}

TEST(PositionOwner, IsWhatIsReadAndUnderWhichGroup) {
  const auto owner = [](const std::string& patch) {
    const auto plan = PlanOf(Patched(PageTopology(), patch));
    return plan == nullptr ? "faulty" : plan->sources[0].position_owner;
  };
  EXPECT_EQ(owner("{}"), R"(kafka {"topics":["payments"]} on connection main)");
  EXPECT_EQ(owner(R"({"sources": {"payments": {"kafka": {"connection": "main", "start": "latest"}}}})"), owner("{}"));
  EXPECT_NE(owner(R"({"sources": {"payments": {"kafka": {"group": "mine"}}}})"), owner("{}"));
}

}  // namespace
}  // namespace anabranch

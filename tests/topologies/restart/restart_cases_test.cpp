#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/restart/restart_plan.h"
#include "tests/topologies/cases/case_files.h"
#include "tests/topologies/restart/kept_cut.h"
#include "tests/topologies/restart/patched_topology.h"

// Each folder of tests/cases/restart is one change between a failure and its restart, in case.json:
//   before    a merge patch that makes the topology that failed from tests/cases/valid/topology_page (default: as it
//   is) failed    the stage kept      batches: {"done": stages that were finished, "rows": n}, "log": by "keep":
//   "always", "same": as the next
//             one's batch; or {"outputs": true, "rows": n}
//   after     a merge patch on `before`: the topology that is restarted; "identity": its name for groups and ids
//   choices   from, recompute, accept_stale, drop_unclaimed, new_identity
//   expected  the decision. refused: null, or texts that the refusal holds; changes: the beginning of each line.
//             What is not refused must also be possible: every frame is taken up by the plan as the decision says.

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;
using Texts = std::vector<std::string>;

std::vector<std::string> Cases() {
  Texts names;
  for (const auto& entry : std::filesystem::directory_iterator(CasesRoot() + "/restart")) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

struct Change {
  Json json;
  std::shared_ptr<const Plan> before, after;
  std::unique_ptr<KeptCut> cut;
  Failure failure;
  RestartChoices choices;
  std::string identity;

  RestartPlan Decide() const { return MakeRestartPlan(failure, cut->entries(), *after, identity, choices); }
};

void KeepRows(const Json& kept, KeptCut* cut) {
  for (const Json& each : kept) {
    if (each.value("outputs", false)) {
      cut->Outputs(each["rows"]);
    } else {
      cut->Batch(each["done"].get<Texts>(), each["rows"], each.value("log", false), each.value("same", false));
    }
  }
}

RestartChoices ReadChoices(const Json& json) {
  RestartChoices choices;
  choices.from = json.value("from", "");
  choices.recompute = json.value("recompute", false);
  choices.accept_stale = json.value("accept_stale", std::set<std::string>());
  choices.drop_unclaimed = json.value("drop_unclaimed", false);
  choices.new_identity = json.value("new_identity", false);
  return choices;
}

Change Load(const std::string& name) {
  Change change;
  change.json = Json::parse(ReadText(CasesRoot() + "/restart/" + name + "/case.json"));
  const std::string before = Patched(PageTopology(), change.json.value("before", Json::object()).dump());
  change.before = PlanOf(before);
  change.after = PlanOf(Patched(before, change.json["after"].dump()));
  change.identity = change.json.value("identity", "payment-scoring");
  change.choices = ReadChoices(change.json.value("choices", Json::object()));
  if (change.before == nullptr || change.after == nullptr) return change;
  change.cut = std::make_unique<KeptCut>(*change.before);
  KeepRows(change.json["kept"], change.cut.get());
  change.failure.stage = change.json["failed"];
  change.failure.error_class = ErrorClass::kStage;
  change.failure.kept_rows = change.cut->rows();
  change.failure.plan = FactsOf(*change.before, "payment-scoring");
  return change;
}

Texts Names(const std::vector<RestartPlan::Reused>& reused) {
  Texts names;
  for (const RestartPlan::Reused& each : reused) names.push_back(each.node);
  return names;
}

// What of a decision is not as expected; empty: all is.
std::string Wrong(const Json& expected, const RestartPlan& plan) {
  std::string wrong;
  const auto same = [&wrong, &expected](const char* what, const Json& is) {
    if (expected.contains(what) && expected[what] != is) {
      wrong += std::string(what) + " is " + is.dump() + ", expected " + expected[what].dump() + "\n";
    }
  };
  same("from", plan.from);
  same("stages_to_run", plan.stages_to_run);
  same("results_reused", Names(plan.results_reused));
  same("records", plan.records);
  same("unclaimed", plan.unclaimed);
  same("recompute", plan.recompute);
  const Json kept_as = expected.value("kept_as", Json::object());
  for (const auto& [id, kept_id] : kept_as.items()) {
    const auto found = plan.rules.reuse.find(id);
    if (found == plan.rules.reuse.end() || found->second != kept_id.get<std::string>())
      wrong += id + " is not taken as " + kept_id.dump() + "\n";
  }
  const std::string refused = plan.refused.value_or("");
  if (expected["refused"].is_null() != !plan.refused) wrong += "refused: " + refused + "\n";
  for (const Json& text : expected["refused"]) {
    if (refused.find(text.get<std::string>()) == std::string::npos)
      wrong += text.dump() + " is not in: " + refused + "\n";
  }
  bool lines = expected["changes"].size() == plan.changes.size();
  for (size_t i = 0; lines && i < plan.changes.size(); ++i) {
    lines = plan.changes[i].starts_with(expected["changes"][i].get<std::string>());
  }
  if (!lines) wrong += "changes are " + Json(plan.changes).dump() + "\n";
  return wrong;
}

class RestartChange : public testing::TestWithParam<std::string> {};

TEST_P(RestartChange, IsDecidedAsTheTableSays) {
  const Change change = Load(GetParam());
  ASSERT_NE(change.cut, nullptr);
  const RestartPlan plan = change.Decide();
  EXPECT_EQ(Wrong(change.json["expected"], plan), "") << change.json["about"];
  EXPECT_EQ(plan.token.size(), 12u);
  EXPECT_EQ(plan.token, change.Decide().token);
}

TEST_P(RestartChange, IsPossibleUnlessItIsRefused) {
  const Change change = Load(GetParam());
  ASSERT_NE(change.cut, nullptr);
  const RestartPlan plan = change.Decide();
  if (plan.refused) return;
  for (size_t i = 0; i < change.cut->frames().size(); ++i) {
    const KeptHeader& header = change.cut->entries()[i].header;
    if ((header.outputs && plan.recompute) || change.cut->entries()[i].log) continue;
    SourceTable partitions;
    RecordBatch batch;
    batch.Clear(change.after->columns.size(), change.after->stages());
    const Status taken = RestoreKeptBatch(*change.after, change.cut->frames()[i], plan.rules, partitions, &batch);
    EXPECT_TRUE(taken.ok()) << taken.message();
    if (header.outputs) continue;
    // No stage runs that the plan does not name.
    for (StageId stage = 0; stage < change.after->stages(); ++stage) {
      const std::string& id = change.after->StageName(stage);
      const bool named =
          std::find(plan.stages_to_run.begin(), plan.stages_to_run.end(), id) != plan.stages_to_run.end();
      const bool done = plan.rules.reuse.empty() ? false : batch.stages[stage].done;
      EXPECT_TRUE(done || named) << id << " would run";
    }
  }
}

TEST_P(RestartChange, IsNotMistakenForAnotherDecision) {
  const Change change = Load(GetParam());
  ASSERT_NE(change.cut, nullptr);
  const RestartPlan right = change.Decide();
  const Json& expected = change.json["expected"];
  const auto noticed = [&](const char* what, auto&& spoil) {
    RestartPlan plan = right;
    spoil(plan);
    EXPECT_NE(Wrong(expected, plan), "") << what;
  };
  noticed("refused turned round", [](RestartPlan& plan) {
    plan.refused = plan.refused ? std::optional<std::string>() : std::optional<std::string>("no");
  });
  noticed("another change", [](RestartPlan& plan) { plan.changes.push_back("more"); });
  noticed("another record", [](RestartPlan& plan) { ++plan.records; });
  noticed("another unclaimed row", [](RestartPlan& plan) { ++plan.unclaimed; });
  noticed("recompute turned round", [](RestartPlan& plan) { plan.recompute = !plan.recompute; });
  if (right.refused) return;
  noticed("a stage less", [](RestartPlan& plan) { plan.stages_to_run.pop_back(); });
  noticed("a result more", [](RestartPlan& plan) { plan.results_reused.push_back({"more", 1, 1}); });
}

INSTANTIATE_TEST_SUITE_P(Case, RestartChange, testing::ValuesIn(Cases()), [](const auto& made) { return made.param; });

TEST(RestartChanges, AreManyAndEveryCaseThatIsNotRefusedSaysWhatRuns) {
  EXPECT_GE(Cases().size(), 28u);
  for (const std::string& name : Cases()) {
    const Json expected = Json::parse(ReadText(CasesRoot() + "/restart/" + name + "/case.json"))["expected"];
    if (!expected["refused"].is_null()) continue;
    EXPECT_TRUE(expected.contains("stages_to_run") && expected.contains("results_reused")) << name;
  }
}

TEST(RestartToken, ChangesWithWhatIsKeptAndWhatIsSaid) {
  Change change = Load("ancestor_edited_and_accepted");
  ASSERT_NE(change.cut, nullptr);
  const std::string token = change.Decide().token;
  std::vector<KeptStore::Entry> kept = change.cut->entries();
  ++kept[0].bytes;
  EXPECT_NE(MakeRestartPlan(change.failure, kept, *change.after, change.identity, change.choices).token, token);
  kept = change.cut->entries();
  kept[0].file += "x";
  EXPECT_NE(MakeRestartPlan(change.failure, kept, *change.after, change.identity, change.choices).token, token);
  change.choices.drop_unclaimed = true;
  EXPECT_NE(change.Decide().token, token);
}

TEST(RulesAfterCrash, ReuseWhatIsUnchangedAndNothingElse) {
  const auto reuse = [](const std::string& patch) {
    const auto before = PlanOf(PageTopology()), after = PlanOf(Patched(PageTopology(), patch));
    KeptCut cut(*before);
    cut.Batch({"payments", "check", "feat"}, 10, true);
    Texts ids;
    for (const auto& [id, kept_id] : RulesAfterCrash(cut.entries(), *after).reuse) ids.push_back(id + "=" + kept_id);
    return ids;
  };
  EXPECT_EQ(reuse("{}"), (Texts{"check=check", "feat=feat", "payments=payments"}));
  EXPECT_EQ(reuse(R"({"nodes": {"gbt": {"when": "log_amount > 0"}}})"), reuse("{}"));
  EXPECT_EQ(reuse(R"({"nodes": {"feat": {"where": "amount > 1"}}})"), Texts{});       // it would need columns
  EXPECT_EQ(reuse(R"({"nodes": {"out": {"fields": ["id", "country"]}}})"), Texts{});  // not kept
  EXPECT_EQ(reuse(R"j({"nodes": {"feat": null, "gbt": {"inputs": ["shape"]}, "nn": {"inputs": ["shape"]},
      "shape": {"kind": "transform", "inputs": ["check"], "was": "feat",
                "set": {"log_amount": "log1p(amount)", "is_home": "country == home"}}}})j"),
            (Texts{"check=check", "payments=payments", "shape=feat"}));
}

}  // namespace
}  // namespace anabranch

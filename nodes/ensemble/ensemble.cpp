#include "nodes/ensemble/ensemble.h"

#include "nodes/ensemble/program.h"

namespace anabranch {

const std::vector<std::string> kEnsembleMethods = {"mean",          "weighted_mean",  "median",   "min",
                                                   "max",           "geometric_mean", "first",    "select",
                                                   "majority_vote", "weighted_vote",  "soft_vote"};
const std::vector<std::string> kEnsembleOutputs = {"value",   "probabilities", "confidence",
                                                   "margin",  "index",         "members_used",
                                                   "missing", "missing_why",   "disagreement"};

namespace {

constexpr const char* kAbout =
    "`members` are the columns to combine: a list, or an object column → weight. A weight is a number greater than "
    "0, or the name of a column that holds the weight of each record (at least 0). Sums are computed in the order "
    "declared, so a result has the same bytes in every run.\n\n"
    "| method | members | value |\n"
    "|---|---|---|\n"
    "| `mean`, `median`, `min`, `max` | numbers | float64 |\n"
    "| `weighted_mean` | numbers with weights | sum(w·x) / sum(w), float64 |\n"
    "| `geometric_mean` | numbers of at least 0, with or without weights | exp(sum(w·ln x) / sum(w)), float64 |\n"
    "| `first` | columns of one type, or numbers | the first member that is present |\n"
    "| `select` | a list of `{\"member\": column, \"when\": condition}` | the first member that is present and whose "
    "condition is true; if there is none, the first that is present |\n"
    "| `majority_vote` | labels of one type (string, int64, bool) | the label that most members give |\n"
    "| `weighted_vote` | labels with weights | the label with the most weight |\n"
    "| `soft_vote` | vectors of one shape, with or without weights | the class with the largest mean: its name where "
    "the classes are known (string), else its index (int64) |\n\n"
    "`soft_vote` knows the classes from the models (a ZipMap output taken whole) or from `classes`. Members whose "
    "model has the classes in another order are put into the order of the first. With `\"pool\": \"log\"` the "
    "vectors are multiplied instead of averaged (a log-opinion pool): each is raised to the power of its share of the "
    "weight, and the product is scaled to sum to 1.\n\n"
    "`tie` says which label or class wins among those of equal weight. `\"first\"`: the label of the member declared "
    "first (for vectors, the lowest index). `\"lowest\"`: the smallest label, as in scikit-learn. `\"fail\"`: none; "
    "the record fails.\n\n"
    "**Missing members.** A member is present where its column holds a result of its own. It is missing where the "
    "column is null or not a number (NaN), and where its node failed for the record and passed it on with a null or a "
    "default (`on_error`). Such a value never counts, even after a `transform` used it. `missing` says what happens "
    "then: `\"fail\"` fails the record, `\"renormalise\"` computes the result from the other members, and "
    "`{\"default\": v}` counts the member with the value v. A member that can be missing needs such a policy, except "
    "with `first` and `select`. A record without any member fails under every policy. `quorum` is checked first: if "
    "fewer members are present (an integer), or less of the weight (a fraction below 1), the record fails with the "
    "code `quorum`.\n\n"
    "If a member is missing in a share of 0.05 of the last 1,000 records, a warning names it and the causes "
    "(`missing_max`). With `\"then\": \"stop\"` the stage stops instead. Members that `when` skipped are not counted "
    "here. `anabranch status` prints how often each member was missing, and why.\n\n"
    "`outputs` maps new columns to:\n\n"
    "| output | type | holds |\n"
    "|---|---|---|\n"
    "| `value` | see above | the result |\n"
    "| `members_used` | int64 | how many members were present |\n"
    "| `missing` | list of strings | the names of the others |\n"
    "| `missing_why` | list of strings | the same names with the cause, `\"p_nn:error\"`: `skipped` (by `when`), "
    "`null`, "
    "`nan`, `error` and `timeout` (its node failed: `\"on_error\": \"null\"`), `defaulted` (its node failed: "
    "`{\"default\": …}`) |\n"
    "| `disagreement` | float64 | numbers: the population standard deviation of the combined values; votes: 1 − "
    "the winner's share |\n"
    "| `confidence`, `margin` | float64 | votes only: the winner's share of the weight (`soft_vote`: its mean), and "
    "its lead over the second |\n"
    "| `probabilities`, `index` | vector of float64, int64 | `soft_vote` only: the pooled vector, and the winner's "
    "place |";

NodeKind::Spec MakeSpec() {
  NodeKind::Spec spec;
  spec.name = "ensemble";
  spec.summary = "Combines the results of several models into one value per record.";
  spec.about = kAbout;
  const Shape chosen =
      Shape::Object({{"member", Shape::Column(), true, "", "a column"},
                     {"when", Shape::Expression(), false, "true", "records for which this member is considered"}});
  spec.fields = {
      {"method", Shape::Enum(kEnsembleMethods), true, "", "how the members are combined"},
      {"members",
       Shape::OneOf({Shape::List(Shape::OneOf({Shape::Column(), chosen}), true),
                     Shape::Map(Shape::OneOf({Shape::Number(), Shape::Column()}), true)}),
       true, "", "the columns to combine: a list, or an object column → weight (a number greater than 0, or a column)"},
      {"missing",
       Shape::OneOf(
           {Shape::Enum({"fail", "renormalise"}),
            Shape::Object({{"default", Shape::Any(), true, "", "the value that counts for a missing member"}})}),
       false, "", "what happens to a record with a missing member; required when a member can be missing"},
      {"quorum", Shape::Number(0), false, "",
       "members that must be present: an integer, or a share of the weight below 1; else the record fails"},
      {"tie", Shape::Enum({"first", "lowest", "fail"}), false, "\"first\"",
       "votes: which label or class of equal weight wins"},
      {"pool", Shape::Enum({"mean", "log"}), false, "\"mean\"", "soft_vote: how vectors become one"},
      {"classes", Shape::List(Shape::String(), true), false, "",
       "soft_vote: the names of the vectors' values, in order, if the models do not name them"},
      {"missing_max",
       Shape::OneOf({Shape::Enum({"warn", "stop"}),
                     Shape::Object({{"share", Shape::Number(0, 1), false, "0.05", "share of the records"},
                                    {"rows", Shape::Integer(1, 1'000'000), false, "1000", "the last records counted"},
                                    {"then", Shape::Enum({"warn", "stop"}), false, "\"warn\"",
                                     "whether the log warns or the stage stops"}})}),
       false, "\"warn\"", "how often a member may be missing (apart from its `when`)"},
      {"outputs", Shape::Map(Shape::Enum(kEnsembleOutputs), true), true, "", "new column → one of the outputs above"},
  };
  spec.example = R"({
  "kind": "ensemble",
  "inputs": ["gbt", "nn"],
  "method": "weighted_mean",
  "members": {"p_gbt": 2, "p_nn": 1},
  "missing": "renormalise",
  "outputs": {"score": "value", "spread": "disagreement", "absent": "missing_why"}
})";
  spec.version = 2;
  spec.results = true;
  return spec;
}

class EnsembleKind : public NodeKind {
 public:
  const Spec& spec() const override { return spec_; }
  std::shared_ptr<const NodeProgram> Bind(BindContext& context) const override {
    auto plan = BindEnsemble(context);
    return plan ? MakeEnsembleProgram(std::move(plan)) : nullptr;
  }

 private:
  const Spec spec_ = MakeSpec();
};

}  // namespace

void RegisterNodeEnsemble(Registry& registry) { registry.Add(std::make_unique<EnsembleKind>()); }

}  // namespace anabranch

#include "nodes/ensemble/ensemble.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/testing/node_runner.h"

namespace anabranch {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ConfigValue AllOutputs() {
  return ConfigObject({{"value", "value"}, {"used", "members_used"}, {"gone", "missing"}, {"spread", "disagreement"}});
}

ConfigValue Config(const char* method, ConfigValue members, ConfigItem missing = nullptr) {
  ConfigValue config =
      ConfigObject({{"kind", "ensemble"}, {"method", method}, {"members", members}, {"outputs", AllOutputs()}});
  if (missing.value.kind == ConfigValue::Kind::kNull) return config;
  missing.value.name = "missing";
  config.children.push_back(missing.value);
  return config;
}

ConfigValue Abc() { return ConfigList({"a", "b", "c"}); }
ConfigValue Weights(double a, double b, double c) { return ConfigObject({{"a", a}, {"b", b}, {"c", c}}); }

// Three members a, b, c of one kind.
class Ensemble : public testing::Test {
 protected:
  void AddMembers(Kind kind, bool nullable = true) {
    for (const char* name : {"a", "b", "c"}) runner_.AddColumn(name, Type::Scalar(kind), nullable, true);
  }
  void Run(ConfigValue config, const std::vector<Cell>& a, const std::vector<Cell>& b, const std::vector<Cell>& c) {
    ASSERT_TRUE(runner_.Bind(RegisterNodeEnsemble, std::move(config))) << runner_.FaultText();
    runner_.Fill("a", a);
    runner_.Fill("b", b);
    runner_.Fill("c", c);
    const Status status = runner_.Run();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void ExpectFault(FaultCode code, const std::string& pointer, const std::string& text) {
    ASSERT_EQ(runner_.faults().size(), 1U) << runner_.FaultText();
    EXPECT_EQ(runner_.faults()[0].code, code) << runner_.FaultText();
    EXPECT_EQ(runner_.faults()[0].pointer, pointer);
    EXPECT_NE(runner_.FaultText().find(text), std::string::npos) << runner_.FaultText();
  }

  NodeRunner runner_;
};

struct NumberCase {
  const char* method;
  bool weighted;
  double value;
};
class EnsembleNumbers : public Ensemble, public testing::WithParamInterface<NumberCase> {};

TEST_P(EnsembleNumbers, AreCombinedAsTheMethodSays) {
  AddMembers(Kind::kFloat32, false);
  Run(Config(GetParam().method, GetParam().weighted ? Weights(2, 1, 1) : Abc()), {0.5, 0.5}, {0.25, 0.25},
      {0.125, 0.125});
  EXPECT_EQ(runner_.Value("value", 0), Cell(GetParam().value));
  EXPECT_EQ(runner_.Value("value", 1), Cell(GetParam().value));
  EXPECT_EQ(runner_.Value("used", 0), Cell(3));
  EXPECT_EQ(runner_.Value("gone", 0), Cell(std::vector<Cell>{}));
  const double mean = 0.875 / 3;
  const double variance = (std::pow(0.5 - mean, 2) + std::pow(0.25 - mean, 2) + std::pow(0.125 - mean, 2)) / 3;
  EXPECT_NEAR(std::get<double>(runner_.Value("spread", 0).value), std::sqrt(variance), 1e-15);
}

INSTANTIATE_TEST_SUITE_P(Methods, EnsembleNumbers,
                         testing::Values(NumberCase{"mean", false, 0.875 / 3},
                                         NumberCase{"weighted_mean", true, 1.375 / 4},
                                         NumberCase{"median", false, 0.25}, NumberCase{"min", false, 0.125},
                                         NumberCase{"max", false, 0.5}),
                         [](const auto& test) { return std::string(test.param.method); });

TEST_F(Ensemble, MedianOfTwoIsTheirMiddle) {
  AddMembers(Kind::kInt64);
  Run(Config("median", Abc(), "renormalise"), {1}, {nullptr}, {4});
  EXPECT_EQ(runner_.Value("value", 0), Cell(2.5));
}

TEST_F(Ensemble, RenormaliseLetsTheOthersDecideAndSaysWhoIsMissing) {
  AddMembers(Kind::kFloat64);
  Run(Config("weighted_mean", Weights(2, 1, 1), "renormalise"), {0.5, nullptr, nullptr}, {0.25, 0.25, nullptr},
      {kNaN, 0.75, nullptr});
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{(2 * 0.5 + 0.25) / 3, 0.5, nullptr}));
  EXPECT_EQ(runner_.Values("used"), (std::vector<Cell>{2, 2, nullptr}));
  EXPECT_EQ(runner_.Value("gone", 0), Cell(std::vector<Cell>{"c"}));
  EXPECT_EQ(runner_.Value("gone", 1), Cell(std::vector<Cell>{"a"}));
  EXPECT_EQ(runner_.Value("spread", 1), Cell(0.25));
  EXPECT_EQ(runner_.outcome(2), Outcome::kFailed);
  EXPECT_EQ(runner_.ErrorText(2), "missing_member: every member of the ensemble is missing");
}

TEST_F(Ensemble, FailFailsTheRowAndNamesTheMember) {
  AddMembers(Kind::kFloat64);
  Run(Config("mean", Abc(), "fail"), {1.0, 1.0}, {2.0, nullptr}, {3.0, 3.0});
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{2.0, nullptr}));
  EXPECT_EQ(runner_.ErrorText(1), "missing_member: members are missing: \"b\" (null)");
}

TEST_F(Ensemble, DefaultCountsTheMemberWithTheValue) {
  AddMembers(Kind::kFloat64);
  Run(Config("mean", Abc(), ConfigObject({{"default", 0.5}})), {1.0, nullptr}, {nullptr, nullptr}, {3.0, nullptr});
  EXPECT_EQ(runner_.Value("value", 0), Cell(1.5));
  EXPECT_EQ(runner_.Value("used", 0), Cell(2));
  EXPECT_EQ(runner_.Value("gone", 0), Cell(std::vector<Cell>{"b"}));
  EXPECT_EQ(runner_.outcome(1), Outcome::kFailed);
}

TEST_F(Ensemble, ValuesThatAreNotFiniteFailTheirRows) {
  AddMembers(Kind::kFloat64, false);
  const double huge = std::numeric_limits<double>::max();
  Run(Config("mean", Abc()), {huge, 1.0}, {huge, 2.0}, {huge, 3.0});
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{nullptr, 2.0}));
  EXPECT_TRUE(runner_.ErrorText(0).starts_with("non_finite: ")) << runner_.ErrorText(0);
}

TEST_F(Ensemble, MajorityVoteTakesTheLabelOfMostAndOfEqualsTheFirstDeclared) {
  AddMembers(Kind::kString);
  Run(Config("majority_vote", Abc(), "renormalise"), {"x", "x", "x", nullptr}, {"y", "y", "y", "y"},
      {"y", "z", nullptr, nullptr});
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{"y", "x", "x", "y"}));
  EXPECT_NEAR(std::get<double>(runner_.Value("spread", 0).value), 1.0 / 3, 1e-15);
  EXPECT_EQ(runner_.Value("spread", 2), Cell(0.5));
  EXPECT_EQ(runner_.Value("spread", 3), Cell(0.0));
}

TEST_F(Ensemble, WeightedVoteTakesTheLabelWithTheMostWeight) {
  AddMembers(Kind::kInt64);
  Run(Config("weighted_vote", Weights(3, 1, 1), ConfigObject({{"default", 7}})), {1, nullptr}, {2, 2}, {2, 2});
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{1, 7}));
  EXPECT_EQ(runner_.made()[0].type, Type::Scalar(Kind::kInt64));
}

TEST_F(Ensemble, SoftVoteTakesTheIndexOfTheLargestMean) {
  for (const char* name : {"a", "b", "c"}) runner_.AddColumn(name, Type::Tensor(Kind::kFloat32, {3}), false, true);
  const auto vector = [](double x, double y, double z) { return std::vector<Cell>{Cell(std::vector<Cell>{x, y, z})}; };
  Run(Config("soft_vote", Abc()), vector(0.5, 0.25, 0.25), vector(0.0, 0.5, 0.5), vector(0.25, 0.5, 0.25));
  EXPECT_EQ(runner_.Value("value", 0), Cell(1));
  EXPECT_EQ(runner_.Value("spread", 0), Cell(1 - 1.25 / 3));
}

TEST_F(Ensemble, RowsThatAreNotActiveAreLeftAlone) {
  AddMembers(Kind::kFloat64);
  ASSERT_TRUE(runner_.Bind(RegisterNodeEnsemble, Config("mean", Abc(), "fail")));
  for (const char* name : {"a", "b", "c"}) runner_.Fill(name, {nullptr, 1.0});
  runner_.Deactivate(0);
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_TRUE(runner_.errors().empty());
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{nullptr, 1.0}));
  EXPECT_EQ(runner_.Value("gone", 1), Cell(std::vector<Cell>{}));
}

TEST_F(Ensemble, AMemberThatCanBeNullNeedsAPolicy) {
  runner_.AddColumn("a", Type::Scalar(Kind::kFloat64), false);
  runner_.AddColumn("b", Type::Scalar(Kind::kFloat64), true);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("mean", ConfigList({"a", "b"}))));
  ExpectFault(FaultCode::kMembers, "/members/1", "renormalise");
}

TEST_F(Ensemble, LabelsOfDifferentTypesDoNotFitTogether) {
  runner_.AddColumn("a", Type::Scalar(Kind::kString), false);
  runner_.AddColumn("b", Type::Scalar(Kind::kInt64), false);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("majority_vote", ConfigList({"a", "b"}))));
  ExpectFault(FaultCode::kMembers, "/members/1", "\"a\" is string");
}

TEST_F(Ensemble, NumbersAndLabelsAreToldApart) {
  runner_.AddColumn("a", Type::Scalar(Kind::kString), false);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("mean", ConfigList({"a"}))));
  ExpectFault(FaultCode::kMembers, "/members/0", "majority_vote combines labels");
}

TEST_F(Ensemble, AVoteOverProbabilitiesIsAFault) {
  AddMembers(Kind::kFloat32, false);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("majority_vote", ConfigList({"a"}))));
  ExpectFault(FaultCode::kMembers, "/members/0", "combine numbers");
}

TEST_F(Ensemble, WeightsMustBeGreaterThanZero) {
  AddMembers(Kind::kFloat64, false);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("weighted_mean", Weights(1, 0, 1))));
  ExpectFault(FaultCode::kBadValue, "/members/b", "greater than 0");
}

TEST_F(Ensemble, WeightsWithoutUseAndMissingWeightsAreFaults) {
  AddMembers(Kind::kFloat64, false);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("mean", Weights(1, 1, 1))));
  ExpectFault(FaultCode::kMembers, "/members", "weighted_mean");
  NodeRunner other;
  other.AddColumn("a", Type::Scalar(Kind::kFloat64), false);
  EXPECT_FALSE(other.Bind(RegisterNodeEnsemble, Config("weighted_mean", ConfigList({"a"}))));
  EXPECT_NE(other.FaultText().find("needs a weight"), std::string::npos) << other.FaultText();
}

TEST_F(Ensemble, UnknownAndRepeatedMembersAreFaults) {
  AddMembers(Kind::kFloat64, false);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("mean", ConfigList({"a", "a", "d"}))));
  ASSERT_EQ(runner_.faults().size(), 2U) << runner_.FaultText();
  EXPECT_EQ(runner_.faults()[0].code, FaultCode::kMembers);
  EXPECT_EQ(runner_.faults()[1].code, FaultCode::kUnknownColumn);
}

TEST_F(Ensemble, ADefaultOfAnotherTypeIsAFault) {
  AddMembers(Kind::kString);
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config("majority_vote", Abc(), ConfigObject({{"default", 0.5}}))));
  ExpectFault(FaultCode::kWrongType, "/missing/default", "string");
}

class Ties : public Ensemble {
 protected:
  ConfigValue WithTie(const char* tie) {
    ConfigValue config = Config("majority_vote", Abc(), "renormalise");
    config.children.push_back(ConfigItem(tie).value);
    config.children.back().name = "tie";
    return config;
  }
};

TEST_F(Ties, GoToTheSmallestLabelWhenAsked) {
  AddMembers(Kind::kString);
  Run(WithTie("lowest"), {"y", "y"}, {"x", "z"}, {"z", "y"});
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{"x", "y"}));
}

TEST_F(Ties, FailTheRecordWhenAsked) {
  AddMembers(Kind::kString);
  Run(WithTie("fail"), {"y", "y"}, {"x", "z"}, {"z", "y"});
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{nullptr, "y"}));
  EXPECT_EQ(runner_.ErrorText(0), "tie: two labels have the same weight");
}

// Members a and b with two classes.
class SoftVote : public testing::Test {
 protected:
  SoftVote() {
    for (const char* name : {"a", "b"}) runner_.AddColumn(name, Type::Tensor(Kind::kFloat32, {2}), false, true);
  }
  ConfigValue Config() {
    return ConfigObject({{"kind", "ensemble"},
                         {"method", "soft_vote"},
                         {"members", ConfigList({"a", "b"})},
                         {"outputs", ConfigObject({{"v", "value"}, {"i", "index"}, {"p", "probabilities"}})}});
  }
  NodeRunner runner_;
};

TEST_F(SoftVote, ClassesOfAnotherOrderArePutIntoTheOrderOfTheFirst) {
  runner_.SetClasses("a", {"no", "yes"});
  runner_.SetClasses("b", {"yes", "no"});
  ASSERT_TRUE(runner_.Bind(RegisterNodeEnsemble, Config())) << runner_.FaultText();
  runner_.Fill("a", std::vector<Cell>{Cell(std::vector<Cell>{0.5, 0.5})});
  runner_.Fill("b", std::vector<Cell>{Cell(std::vector<Cell>{0.75, 0.25})});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.Value("v", 0), Cell("yes"));
  EXPECT_EQ(runner_.Value("i", 0), Cell(1));
  EXPECT_EQ(runner_.Value("p", 0), Cell(std::vector<Cell>{0.375, 0.625}));
}

TEST_F(SoftVote, MembersWithOtherOrUnknownClassesAreFaults) {
  runner_.SetClasses("a", {"no", "yes"});
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, Config()));
  EXPECT_NE(runner_.FaultText().find("the classes of member \"b\" are not known"), std::string::npos);
  EXPECT_NE(runner_.FaultText().find("\"classes\": [\"no\""), std::string::npos) << runner_.FaultText();
  NodeRunner other;
  for (const char* name : {"a", "b"}) other.AddColumn(name, Type::Tensor(Kind::kFloat32, {2}), false, true);
  other.SetClasses("a", {"no", "yes"});
  other.SetClasses("b", {"no", "maybe"});
  EXPECT_FALSE(other.Bind(RegisterNodeEnsemble, Config()));
  EXPECT_NE(other.FaultText().find("member \"b\" has no class \"yes\""), std::string::npos) << other.FaultText();
}

TEST_F(Ensemble, AWeightColumnDecidesAndABadOneFailsTheRecord) {
  AddMembers(Kind::kFloat64, false);
  runner_.AddColumn("w", Type::Scalar(Kind::kFloat64), true);
  ASSERT_TRUE(runner_.Bind(RegisterNodeEnsemble,
                           Config("weighted_mean", ConfigObject({{"a", "w"}, {"b", 1.0}, {"c", 2.0}}), "renormalise")))
      << runner_.FaultText();
  runner_.Fill("a", {4.0, 4.0, 4.0});
  runner_.Fill("b", {0.0, 0.0, 0.0});
  runner_.Fill("c", {0.0, 0.0, 0.0});
  runner_.Fill("w", {3.0, -1.0, nullptr});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.Values("value"), (std::vector<Cell>{2.0, nullptr, nullptr}));
  EXPECT_EQ(runner_.ErrorText(1), "weight: the weight of member \"a\" is not a number of at least 0");
}

TEST_F(Ensemble, WeightsThatAreAllZeroFailTheRecord) {
  AddMembers(Kind::kFloat64);
  runner_.AddColumn("w", Type::Scalar(Kind::kFloat64), true);
  ASSERT_TRUE(runner_.Bind(RegisterNodeEnsemble,
                           Config("weighted_mean", ConfigObject({{"a", "w"}, {"b", 1.0}}), "renormalise")));
  runner_.Fill("a", {4.0});
  runner_.Fill("b", {nullptr});
  runner_.Fill("c", {nullptr});
  runner_.Fill("w", {0.0});
  ASSERT_TRUE(runner_.Run().ok());
  EXPECT_EQ(runner_.ErrorText(0), "weight: all members that are present have weight 0");
}

TEST_F(Ensemble, OutputsThatAMethodDoesNotHaveAreFaults) {
  AddMembers(Kind::kFloat64, false);
  ConfigValue config = Config("mean", Abc());
  config.children[3] = ConfigItem(ConfigObject({{"sure", "confidence"}})).value;
  config.children[3].name = "outputs";
  EXPECT_FALSE(runner_.Bind(RegisterNodeEnsemble, std::move(config)));
  ExpectFault(FaultCode::kNotSupported, "/outputs/sure", "votes have it");
}

}  // namespace
}  // namespace anabranch

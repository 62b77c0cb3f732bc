#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "nodes/infer/bind.h"
#include "nodes/infer/infer.h"
#include "tests/nodes/infer/registry_folder.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

constexpr const char* kTwoClasses = R"({"Y": {"type": "float32", "classes": ["ok", "fraud"]}})";

std::string FaultsOf(ManagedCase* managed, ConfigItem features = "package", const char* output = "Y") {
  EXPECT_FALSE(managed->Bind({{"y", output}}, std::move(features)));
  return managed->runner.FaultText();
}

TEST(InferPackage, ExpressionsOfThePackageFeedTheModel) {
  ManagedCase managed;
  managed.runner.AddColumn("other", Type::Scalar(Kind::kString));
  managed.registry.Pack("1", LookupModel(), R"({"set": {"at": "x * 2 - 1"}, "order": ["at"]})");
  ASSERT_TRUE(managed.Bind({{"y", "Y"}})) << managed.runner.FaultText();
  managed.runner.Fill("x", {1, 2, nullptr, 99});
  ASSERT_TRUE(managed.runner.Run().ok());
  EXPECT_EQ(managed.runner.Values("y"), (std::vector<Cell>{20.0, 40.0, nullptr, nullptr}));
  EXPECT_EQ(managed.runner.ErrorText(2), "null_feature: feature \"at\" of model m@1 is null");
  EXPECT_TRUE(managed.runner.ErrorText(3).starts_with("model: model m@1")) << managed.runner.ErrorText(3);
  EXPECT_EQ(managed.runner.made().size(), 1U);                                  // features stay inside
  EXPECT_EQ(managed.runner.reads(), (std::vector<std::string>{"other", "x"}));  // another version may read it
}

TEST(InferPackage, AFeatureOfThePackageCanBeShown) {
  ManagedCase managed;
  managed.runner.AddColumn("name", Type::Scalar(Kind::kString));
  managed.registry.Pack("1", LookupModel(),
                        R"json({"set": {"at": "x - 1", "loud": "upper(name)"}, "order": ["at"]})json");
  ASSERT_TRUE(managed.Bind({{"y", "Y"}, {"at", "@feature.at"}, {"loud", "@feature.loud"}}))
      << managed.runner.FaultText();
  managed.runner.Fill("x", {1, 2, 99, nullptr});
  managed.runner.Fill("name", {"a", nullptr, "c", "d"});
  ASSERT_TRUE(managed.runner.Run().ok());
  EXPECT_EQ(managed.runner.Values("at"), (std::vector<Cell>{0, 1, nullptr, nullptr}));
  EXPECT_EQ(managed.runner.Values("loud"), (std::vector<Cell>{"A", nullptr, nullptr, nullptr}));
  ManagedCase wrong;
  wrong.registry.Pack("1", LookupModel(), R"({"set": {"at": "x - 1"}, "order": ["at"]})");
  EXPECT_NE(FaultsOf(&wrong, "package", "@feature.att").find("did you mean \"at\""), std::string::npos);
  ManagedCase other;
  other.registry.Pack("1", LookupModel());
  EXPECT_NE(FaultsOf(&other, "package", "@versions").find("did you mean \"@version\""), std::string::npos);
}

TEST(InferPackage, ARowForWhichAnExpressionFailsFailsAlone) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel(), R"({"set": {"at": "6 % x"}, "order": ["at"]})");
  ASSERT_TRUE(managed.Bind({{"y", "Y"}})) << managed.runner.FaultText();
  managed.runner.Fill("x", {4, 0, 5});
  ASSERT_TRUE(managed.runner.Run().ok());
  EXPECT_EQ(managed.runner.Values("y"), (std::vector<Cell>{30.0, nullptr, 20.0}));
  EXPECT_EQ(managed.runner.ErrorText(1), "expression: feature \"at\" of model m@1: division by zero in \"6 % x\"");
  EXPECT_EQ(managed.runner.errors().size(), 1U);
}

TEST(InferPackage, FaultsOfExpressionsNameFeatureAndText) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel(), R"({"set": {"at": "xx + 1", "unused": "x + 'a'"}, "order": ["at"]})");
  const std::string faults = FaultsOf(&managed);
  EXPECT_NE(faults.find(R"(feature "unused" of model "m@1", "x + 'a'")"), std::string::npos) << faults;
  EXPECT_NE(faults.find(R"(feature "at" of model "m@1", "xx + 1")"), std::string::npos) << faults;
  EXPECT_NE(faults.find("did you mean \"x\""), std::string::npos) << faults;
}

TEST(InferPackage, TheColumnsThatThePackageReadsMustBeThereWithTheirTypes) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel(), R"({"set": {"at": "x + y"}, "order": ["at"]})", "{}",
                        R"({"x": "float64", "y": "int64"})");
  const std::string faults = FaultsOf(&managed);
  EXPECT_NE(faults.find("reads column \"x\" as float64; it is int64 here"), std::string::npos) << faults;
  EXPECT_NE(faults.find("column \"y\""), std::string::npos) << faults;
  EXPECT_EQ(managed.runner.faults().size(), 2U) << faults;
}

TEST(InferPackage, AFeatureOfTheWrongTypeIsAFault) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel(), R"({"set": {"at": "x / 2"}, "order": ["at"]})");
  EXPECT_NE(FaultsOf(&managed).find("column \"at\" is float64"), std::string::npos);
}

TEST(InferPackage, TheWordPackageNeedsAPackage) {
  ModelFolder folder("tiny.onnx", LookupModel());
  NodeRunner runner;
  runner.SetBasePath(folder.path());
  runner.SetSection("models", "m", ConfigObject({{"path", "tiny.onnx"}}));
  runner.AddColumn("x", Type::Scalar(Kind::kInt64));
  EXPECT_FALSE(runner.Bind(
      RegisterNodeInfer,
      ConfigObject(
          {{"kind", "infer"}, {"model", "m"}, {"features", "package"}, {"outputs", ConfigObject({{"y", "Y"}})}})));
  EXPECT_NE(runner.FaultText().find("is a file, not a package"), std::string::npos) << runner.FaultText();
}

TEST(InferPackage, AListOfColumnsIsEnoughForAPackageWithoutExpressions) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel());
  ASSERT_TRUE(managed.Bind({{"y", "Y"}}, ConfigList({"x"}))) << managed.runner.FaultText();
  ManagedCase with;
  with.registry.Pack("1", LookupModel(), R"({"set": {"at": "x - 1"}, "order": ["at"]})");
  EXPECT_NE(FaultsOf(&with, ConfigList({"x"})).find("write \"features\": \"package\""), std::string::npos);
}

TEST(InferPackage, TheFaultOfAMissingVersionNamesThoseThatAreThere) {
  ManagedCase managed;
  managed.registry.Pack("11", LookupModel());
  const std::string faults = FaultsOf(&managed);
  EXPECT_NE(faults.find("has no package of version \"1\""), std::string::npos) << faults;
  EXPECT_NE(faults.find("11"), std::string::npos) << faults;
}

TEST(InferPackage, ThePackageIsTheOneThatARunWouldFind) {
  ManagedCase twice;
  twice.registry.Pack("1", LookupModel());
  std::filesystem::rename(twice.registry.path() + "/m-1", twice.registry.path() + "/m-0");
  twice.registry.Pack("1", IntegerTableModel());
  EXPECT_NE(FaultsOf(&twice).find("two packages are version 1: "), std::string::npos) << twice.runner.FaultText();
  ManagedCase other;
  other.runner.SetSection("models", "flower", ConfigObject({{"registry", "."}, {"start", "1"}}));
  other.registry.Pack("1", LookupModel());
  EXPECT_FALSE(other.runner.Bind(
      RegisterNodeInfer,
      ConfigObject(
          {{"kind", "infer"}, {"model", "flower"}, {"features", "package"}, {"outputs", ConfigObject({{"y", "Y"}})}})));
  EXPECT_NE(other.runner.FaultText().find("no package of that name (known: m)"), std::string::npos)
      << other.runner.FaultText();
}

TEST(InferPackage, BytesThatChangedSinceThePackageWasVerifiedAreRefused) {
  ModelPackage package;
  package.manifest.name = "m";
  package.manifest.version = "1";
  package.manifest.files = {{"model.onnx", 0, ""}, {"table.bin", 0, ""}};
  const ModelFolder folder("model.onnx", ExternalModel("./table.bin"));
  std::ofstream(folder.path() + "/table.bin", std::ios::binary) << std::string(16, '\0');
  const auto read = ReadModelFile(folder.path() + "/model.onnx");
  ASSERT_TRUE(read.ok()) << read.status().message();
  const auto taken = [&](const std::string& model, const std::string& table) {
    package.manifest.files[0].sha256 = model;
    package.manifest.files[1].sha256 = table;
    InferPlan plan;
    return TakePackage(std::make_shared<ModelPackage>(package), *read, &plan);
  };
  const std::string model = (*read)->file_sha256, table = (*read)->data[0].sha256;
  EXPECT_TRUE(taken(model, table).ok()) << taken(model, table).message();
  EXPECT_EQ(taken(table, table).code(), Code::kUnavailable);
  EXPECT_EQ(taken(model, model).code(), Code::kUnavailable);
  EXPECT_NE(taken(model, model).message().find("\"table.bin\" of m@1 changed while it was read"), std::string::npos);
}

TEST(InferPackage, ADamagedPackageDoesNotBind) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel());
  std::string model = LookupModel();
  model[model.size() - 30] ^= 1;
  managed.registry.Pack("2", model);
  std::error_code error;
  std::filesystem::copy_file(managed.registry.path() + "/m-2/model.onnx", managed.registry.path() + "/m-1/model.onnx",
                             std::filesystem::copy_options::overwrite_existing, error);
  const std::string faults = FaultsOf(&managed);
  EXPECT_NE(faults.find("model.onnx: "), std::string::npos) << faults;
  EXPECT_NE(faults.find("SHA-256"), std::string::npos) << faults;
}

TEST(InferPackage, InputsTakeTheFeatureOfTheirName) {
  ManagedCase managed;
  managed.registry.Pack("1", DifferenceModel(), R"({"set": {"A": "x * 10"}, "order": ["x", "A"]})");
  EXPECT_NE(FaultsOf(&managed).find("input \"B\" of model \"m@1\" takes int64[N], and no feature has its name"),
            std::string::npos);
  EXPECT_NE(managed.runner.FaultText().find("feature \"x\" of model \"m@1\" feeds nothing"), std::string::npos);
  ManagedCase right;
  right.registry.Pack("1", DifferenceModel(), R"({"set": {"B": "x + 1", "A": "x * 10"}, "order": ["B", "A"]})");
  ASSERT_TRUE(right.Bind({{"y", "Y"}})) << right.runner.FaultText();
  right.runner.Fill("x", {1, 2, 3});
  ASSERT_TRUE(right.runner.Run().ok());
  EXPECT_EQ(right.runner.Values("y"), (std::vector<Cell>{8, 17, 26}));
}

TEST(InferPackage, StampsSayWhatScoredARecordThatHasAResult) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel());
  ASSERT_TRUE(managed.Bind({{"y", "Y"}, {"v", "@version"}, {"g", "@generation"}})) << managed.runner.FaultText();
  managed.runner.Fill("x", {1, 99});
  ASSERT_TRUE(managed.runner.Run().ok());
  EXPECT_EQ(managed.runner.Values("v"), (std::vector<Cell>{"1", nullptr}));
  EXPECT_EQ(managed.runner.Values("g"), (std::vector<Cell>{0, nullptr}));
  EXPECT_TRUE(managed.runner.batch().stages[1].version.empty());
}

TEST(InferPackage, ClassesOfAVectorComeFromThePackage) {
  ManagedCase managed;
  managed.registry.Pack("1", VectorModel({.1F, .9F, .2F, .8F}, 2), R"({"order": ["x"]})", kTwoClasses);
  ASSERT_TRUE(managed.Bind({{"p", "Y"}, {"fraud", "Y['fraud']"}})) << managed.runner.FaultText();
  managed.runner.Fill("x", {0, 1});
  ASSERT_TRUE(managed.runner.Run().ok());
  EXPECT_EQ(managed.runner.Values("fraud"), (std::vector<Cell>{double{.9F}, double{.8F}}));
  ManagedCase wrong;
  wrong.registry.Pack("1", VectorModel({.1F, .9F, .2F, .8F}, 2), R"({"order": ["x"]})", kTwoClasses);
  EXPECT_NE(FaultsOf(&wrong, "package", "Y['frau']").find("did you mean \"fraud\""), std::string::npos);
  ManagedCase few;
  few.registry.Pack("1", VectorModel({.1F, .9F, .2F, .8F}, 2), R"({"order": ["x"]})",
                    R"({"Y": {"type": "float32", "classes": ["ok"]}})");
  EXPECT_NE(FaultsOf(&few, "package", "Y").find("model.json names 1 class"), std::string::npos);
}

TEST(InferPackage, TheFingerprintHasNoBytesOfAManagedModel) {
  ManagedCase managed;
  managed.registry.Pack("1", LookupModel());
  ASSERT_TRUE(managed.Bind({{"y", "Y"}}));
  EXPECT_EQ(managed.runner.program()->FingerprintExtra(), "");
  EXPECT_EQ(managed.runner.program()->Facts().at("model"), "m@1");
}

}  // namespace
}  // namespace anabranch

#include <gtest/gtest.h>

#include "nodes/infer/infer.h"
#include "nodes/infer/model.h"
#include "tests/nodes/infer/model_case.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

struct FaultCase {
  const char* name;
  const char* model;  // file in tests/models
  ConfigValue features;
  ConfigValue outputs;
  std::vector<std::string> expected;  // "AB402 /features ... text within message or hint"
};

void PrintTo(const FaultCase& value, std::ostream* out) { *out << value.name; }

ConfigValue Four(const char* last = "d") { return ConfigList({"a", "b", "c", last}); }
ConfigValue Label() { return ConfigObject({{"y", "label"}}); }

std::vector<FaultCase> FaultCases() {
  const char* string_labels = "logistic_string_labels.onnx";
  const char* mixed = "columns_mixed.onnx";
  const char* image = "image_and_meta.onnx";
  return {
      {"TooFewFeatures", string_labels, ConfigList({"a", "b"}), Label(), {"AB402 /features: 4 features; 2 are given"}},
      {"UnknownColumn", string_labels, Four("e"), Label(), {"AB203 /features/3: \"e\""}},
      {"TextForNumber", string_labels, Four("text"), Label(), {"AB403 /features/3: column \"text\" is string"}},
      {"TimestampForNumber", string_labels, Four("when"), Label(), {"AB403 /features/3: convert it to a number"}},
      {"ListForNumber", string_labels, Four("list"), Label(), {"AB403 /features/3: minItems"}},
      {"ListForManyInputs", mixed, ConfigList({"a", "n", "text"}), Label(), {"AB402 /features: {\"amount\""}},
      {"UnknownInput",
       mixed,
       ConfigObject({{"amount", "a"}, {"age", "n"}, {"contry", "text"}}),
       Label(),
       {"AB402 /features/contry: \"country\"", "AB402 /features: no feature feeds it"}},
      {"NumberForInteger",
       mixed,
       ConfigObject({{"amount", "a"}, {"age", "b"}, {"country", "text"}}),
       Label(),
       {"AB403 /features/age: convert it to an integer"}},
      {"WrongTensorShape",
       image,
       ConfigObject({{"image", "small"}, {"meta", ConfigList({"a", "b"})}}),
       ConfigObject({{"y", "Y"}}),
       {"AB402 /features/image: tensor<float32>[2,2]"}},
      {"ScalarsForTensor",
       image,
       ConfigObject({{"image", ConfigList({"a", "b"})}, {"meta", ConfigList({"a", "b"})}}),
       ConfigObject({{"y", "Y"}}),
       {"AB402 /features/image: [1,4,4]"}},
      {"UnknownOutput", string_labels, Four(), ConfigObject({{"y", "lable"}}), {"AB404 /outputs/y: \"label\""}},
      {"IndexOutOfRange",
       string_labels,
       Four(),
       ConfigObject({{"y", "probabilities[3]"}}),
       {"AB404 /outputs/y: known: 0 to 2"}},
      {"IndexOfScalar", string_labels, Four(), ConfigObject({{"y", "label[0]"}}), {"AB404 /outputs/y: 0 dimension"}},
      {"ClassOfTensor",
       string_labels,
       Four(),
       ConfigObject({{"y", "probabilities['setosa']"}}),
       {"AB404 /outputs/y: no classes"}},
      {"MalformedReference",
       string_labels,
       Four(),
       ConfigObject({{"y", "probabilities[1"}}),
       {"AB404 /outputs/y: NAME['class']"}},
      {"UnknownClass",
       "logistic_zipmap_string.onnx",
       Four(),
       ConfigObject({{"y", "output_probability['setoza']"}}),
       {"AB404 /outputs/y: \"setosa\""}},
      {"UnknownClassNumber",
       "forest_zipmap_int.onnx",
       Four(),
       ConfigObject({{"y", "output_probability[7]"}}),
       {"AB404 /outputs/y: no class \"7\""}},
      {"AllAtOnce",
       string_labels,
       ConfigList({"a", "e", "text"}),
       ConfigObject({{"y", "lable"}, {"z", "probabilities[9]"}}),
       {"AB203 /features/1", "AB403 /features/2", "AB404 /outputs/y", "AB404 /outputs/z"}},
      {"NoSuchFile", "none.onnx", Four(), Label(), {"AB401 /path: cannot be read"}},
      {"NoModel", "expected.json", Four(), Label(), {"AB401 /path: not an ONNX model"}},
      {"PathOutside", "../x.onnx", Four(), Label(), {"AB106 /path"}},
  };
}

class InferFaults : public testing::TestWithParam<FaultCase> {};

TEST_P(InferFaults, AreReportedAtTheirPlaces) {
  NodeRunner runner;
  runner.SetBasePath(ANABRANCH_ROOT "/tests/models");
  runner.SetSection("models", "m", ConfigObject({{"path", GetParam().model}}));
  for (const char* name : {"a", "b", "c", "d"}) runner.AddColumn(name, Type::Scalar(Kind::kFloat64));
  runner.AddColumn("n", Type::Scalar(Kind::kInt64));
  runner.AddColumn("text", Type::Scalar(Kind::kString));
  runner.AddColumn("when", Type::Scalar(Kind::kTimestamp));
  runner.AddColumn("list", Type::List(Kind::kFloat64));
  runner.AddColumn("small", Type::Tensor(Kind::kFloat32, {2, 2}));
  EXPECT_FALSE(runner.Bind(
      RegisterNodeInfer,
      ConfigObject(
          {{"kind", "infer"}, {"model", "m"}, {"features", GetParam().features}, {"outputs", GetParam().outputs}})));
  ASSERT_EQ(runner.faults().size(), GetParam().expected.size()) << runner.FaultText();
  for (size_t i = 0; i < runner.faults().size(); ++i) {
    const Fault& fault = runner.faults()[i];
    const std::string& expected = GetParam().expected[i];
    const size_t colon = expected.find(": ");
    EXPECT_EQ(FaultName(fault.code) + " " + fault.pointer, expected.substr(0, colon)) << runner.FaultText();
    if (colon == std::string::npos) continue;
    EXPECT_NE((fault.message + " " + fault.hint).find(expected.substr(colon + 2)), std::string::npos)
        << runner.FaultText();
  }
  EXPECT_EQ(runner.made().size(), GetParam().outputs.children.size()) << "readers below get a second fault";
}

INSTANTIATE_TEST_SUITE_P(Cases, InferFaults, testing::ValuesIn(FaultCases()),
                         [](const auto& test) { return std::string(test.param.name); });

bool BindLookup(NodeRunner* runner, ConfigValue model) {
  runner->SetSection("models", "tiny", std::move(model));
  runner->AddColumn("x", Type::Scalar(Kind::kInt64));
  return runner->Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                       {"model", "tiny"},
                                                       {"features", ConfigList({"x"})},
                                                       {"outputs", ConfigObject({{"y", "Y"}})}}));
}

TEST(InferModel, AWrongDigestIsAFaultThatNamesTheRightOne) {
  const ModelFolder folder("tiny.onnx", LookupModel());
  const auto file = ReadModelFile(folder.path() + "/tiny.onnx");
  ASSERT_TRUE(file.ok()) << file.status().message();
  NodeRunner wrong;
  wrong.SetBasePath(folder.path());
  EXPECT_FALSE(BindLookup(&wrong, ConfigObject({{"path", "tiny.onnx"}, {"sha256", std::string(64, '0')}})));
  ASSERT_EQ(wrong.faults().size(), 1U);
  EXPECT_EQ(wrong.faults()[0].code, FaultCode::kModelDigest);
  EXPECT_NE(wrong.faults()[0].message.find((*file)->sha256), std::string::npos);

  NodeRunner right;
  right.SetBasePath(folder.path());
  EXPECT_TRUE(BindLookup(&right, ConfigObject({{"path", "tiny.onnx"}, {"sha256", (*file)->sha256}})));
  EXPECT_EQ(right.program()->FingerprintExtra(), (*file)->sha256);
  EXPECT_EQ(right.program()->Facts().at("model"), "tiny@" + (*file)->sha256.substr(0, 8));
}

TEST(InferModel, AnUndeclaredModelIsAFaultWithASuggestion) {
  NodeRunner runner;
  runner.SetSection("models", "tidy", ConfigObject({{"path", "tiny.onnx"}}));
  runner.AddColumn("x", Type::Scalar(Kind::kInt64));
  EXPECT_FALSE(runner.Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                            {"model", "tiny"},
                                                            {"features", ConfigList({"x"})},
                                                            {"outputs", ConfigObject({{"y", "Y"}})}})));
  ASSERT_EQ(runner.faults().size(), 1U) << runner.FaultText();
  EXPECT_EQ(runner.faults()[0].code, FaultCode::kUnknownReference);
  EXPECT_NE(runner.faults()[0].hint.find("tidy"), std::string::npos);
}

TEST(InferModel, SignatureTellsShapesNamesAndClasses) {
  const auto signature = ReadSignature(ANABRANCH_ROOT "/tests/models/logistic_zipmap_string.onnx");
  ASSERT_TRUE(signature.ok()) << signature.status().message();
  ASSERT_EQ(signature->inputs.size(), 1U);
  EXPECT_EQ(signature->inputs[0].element, Element::kFloat32);
  EXPECT_EQ(signature->inputs[0].shape, (std::vector<int64_t>{-1, 4}));
  ASSERT_EQ(signature->outputs.size(), 2U);
  EXPECT_EQ(signature->outputs[1].ToString(), "map<string, float32>");
  EXPECT_EQ(signature->outputs[1].classes, (std::vector<std::string>{"setosa", "versicolor", "virginica"}));
  EXPECT_EQ(ReadSignature(ANABRANCH_ROOT "/tests/models").status().code(), Code::kUnavailable);
}

TEST(InferModel, TheCacheReadsAChangedFileAgain) {
  const ModelFolder folder("tiny.onnx", LookupModel());
  const std::string path = folder.path() + "/tiny.onnx";
  ModelCache cache;
  const auto first = cache.Get(path);
  const auto again = cache.Get(path);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(*first, *again);
  const ModelFolder other("tiny.onnx", MixingModel());
  std::rename((other.path() + "/tiny.onnx").c_str(), path.c_str());
  const auto changed = cache.Get(path);
  ASSERT_TRUE(changed.ok());
  EXPECT_NE((*changed)->sha256, (*first)->sha256);
}

TEST(InferModel, TheLibraryTellsItsVersionAndPath) {
  const auto library = LoadOnnxLibrary();
  ASSERT_TRUE(library.ok()) << library.status().message();
  EXPECT_TRUE(library->version.starts_with("1.")) << library->version;
  EXPECT_NE(library->path.find("libonnxruntime"), std::string::npos) << library->path;
}

}  // namespace
}  // namespace anabranch

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "engine/clock.h"
#include "engine/models/sha256.h"
#include "nodes/infer/advice.h"
#include "nodes/infer/infer.h"
#include "nodes/infer/model.h"
#include "nodes/infer/read_file.h"
#include "tests/nodes/infer/model_case.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

const std::string kOdd = ANABRANCH_ROOT "/tests/models/odd/";

std::string Table(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}

void Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string Refusal(const std::string& path) {
  const auto file = ReadModelFile(path);
  return file.ok() ? "loaded" : file.status().message();
}

TEST(ModelDataFiles, AreReadFromBesideTheModel) {
  const ModelFolder folder("tiny.onnx", ExternalModel("table.bin", "4"));
  Write(folder.path() + "/table.bin", Table({-1, 10, 20, 30, 40, -1}));
  NodeRunner runner;
  runner.SetBasePath(folder.path());
  runner.SetSection("models", "tiny", ConfigObject({{"path", "tiny.onnx"}}));
  runner.AddColumn("x", Type::Scalar(Kind::kInt64));
  ASSERT_TRUE(runner.Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                           {"model", "tiny"},
                                                           {"features", ConfigList({"x"})},
                                                           {"outputs", ConfigObject({{"y", "Y"}})}})))
      << runner.FaultText();
  runner.Fill("x", {0, 1, 2, 3});
  ASSERT_TRUE(runner.Run().ok());
  EXPECT_EQ(runner.Values("y"), (std::vector<Cell>{10.0, 20.0, 30.0, 40.0}));
}

TEST(ModelDataFiles, AreReadAsPyTorchAndOnnxWriteThem) {
  const auto file = ReadModelFile(kOdd + "twice.onnx");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ((*file)->data.size(), 1U);
  EXPECT_EQ((*file)->data[0].location, "twice.onnx.data");
  EXPECT_EQ((**(*file)->bytes->Get()).find("twice.onnx.data"), std::string::npos) << "the runtime sees no file to open";
}

TEST(ModelDataFiles, AreInTheDigest) {
  const ModelFolder folder("tiny.onnx", ExternalModel());
  const std::string path = folder.path() + "/tiny.onnx";
  const std::string data = folder.path() + "/table.bin";
  Write(data, Table({10, 20, 30, 40}));
  ModelCache cache;
  const auto first = cache.Get(path);
  ASSERT_TRUE(first.ok()) << first.status().message();
  const auto again = cache.Get(path);
  EXPECT_EQ(*first, *again);
  const std::string lines = *Sha256(*ReadWholeFile(path)) + "\n" + *Sha256(*ReadWholeFile(data)) + "\n";
  EXPECT_EQ((*first)->sha256, *Sha256(lines));

  Write(data + ".new", Table({10, 20, 30, 41}));
  std::filesystem::rename(data + ".new", data);
  const auto changed = cache.Get(path);
  ASSERT_TRUE(changed.ok());
  EXPECT_NE((*changed)->sha256, (*first)->sha256);
}

TEST(ModelDataFiles, OutsideOfTheFolderAreRefused) {
  const ModelFolder outside("secret.bin", Table({10, 20, 30, 40}));
  const ModelFolder folder("tiny.onnx", "");
  std::filesystem::create_directories(folder.path() + "/below/*/_ORT_MEM_ADDR_");
  Write(folder.path() + "/below/inside.bin", Table({10, 20, 30, 40}));
  std::filesystem::create_symlink("below/inside.bin", folder.path() + "/link.bin");
  std::filesystem::create_symlink(outside.path() + "/secret.bin", folder.path() + "/leak.bin");
  std::filesystem::create_symlink(outside.path(), folder.path() + "/leak");
  const auto load = [&](const std::string& location) {
    Write(folder.path() + "/tiny.onnx", ExternalModel(location));
    return Refusal(folder.path() + "/tiny.onnx");
  };
  EXPECT_EQ(load("below/inside.bin"), "loaded");
  EXPECT_EQ(load("./below/../link.bin"), "loaded");
  const std::string up = "../" + outside.path().substr(outside.path().rfind('/') + 1) + "/secret.bin";
  for (const std::string& location : {up, outside.path() + "/secret.bin", std::string("leak.bin"),
                                      std::string("leak/secret.bin"), std::string("/proc/self/environ")}) {
    EXPECT_NE(load(location).find("outside the model's folder"), std::string::npos) << location;
  }
  EXPECT_NE(load("*/_ORT_MEM_ADDR_/*").find("is not a file"), std::string::npos);
  EXPECT_NE(load("none.bin").find("none.bin\" cannot be read"), std::string::npos) << load("none.bin");
  EXPECT_NE(load("below").find("not a regular file"), std::string::npos) << load("below");
  EXPECT_EQ(load(std::string("a\0b", 3)).find('\0'), std::string::npos);
}

// Before, a sparse initialiser was read from the working directory and omitted from the digest.
TEST(ModelDataFiles, OfASparseInitialiserDoNotComeFromTheWorkingDirectory) {
  const ModelFolder elsewhere("weights.bin", Table({2}));
  const ModelFolder folder("sparse.onnx", *ReadWholeFile(kOdd + "sparse_weight.onnx"));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(elsewhere.path());
  const std::string refusal = Refusal(folder.path() + "/sparse.onnx");
  std::filesystem::current_path(before);
  EXPECT_NE(refusal.find("weights.bin\" cannot be read"), std::string::npos) << refusal;
  Write(folder.path() + "/weights.bin", Table({2}));
  EXPECT_EQ(Refusal(folder.path() + "/sparse.onnx"), "loaded");
}

TEST(ModelAdvice, NamesTheLineToChangeInTheExport) {
  EXPECT_NE(Refusal(kOdd + "float64_zipmap.onnx").find("options={\"zipmap\": False}"), std::string::npos);
  EXPECT_NE(Refusal(kOdd + "newer.onnx").find("model.ir_version = 1"), std::string::npos);
  EXPECT_EQ(Refusal(kOdd + "newer.onnx").find("onnxruntime_src"), std::string::npos);
  const std::string pickle = Refusal(kOdd + "classifier.pkl");
  EXPECT_NE(pickle.find("is a Python pickle, not an ONNX model"), std::string::npos) << pickle;
  EXPECT_NE(pickle.find("skl2onnx.to_onnx"), std::string::npos) << pickle;
}

TEST(ModelAdvice, KnowsFilesOfOtherLibraries) {
  const std::pair<std::string, const char*> files[] = {
      {"", "empty"},
      {std::string("PK\x03\x04") + "archive/data.pkl", "PyTorch"},
      {"\x1f\x8b\x08", "gzip"},
      {"\x89HDF\r\n", "HDF5"},
      {std::string("\x1c\0\0\0ORTM", 8) + "....", "own format"},
      {std::string("\x1c\0\0\0TFL3", 8) + "....", "TensorFlow Lite"},
      {"tree\nversion=v4", "LightGBM"},
      {R"({"learner":{)", "XGBoost"},
      {"version https://git-lfs.github.com/spec/v1", "Git LFS"},
      {"<!DOCTYPE html>", "HTML"},
  };
  for (const auto& [bytes, word] : files) {
    const ModelFolder folder("model.onnx", bytes);
    const std::string text = Refusal(folder.path() + "/model.onnx");
    EXPECT_NE(text.find(word), std::string::npos) << word << ": " << text;
  }
}

TEST(ModelAdvice, ADictVectorizerIsToldWhatToUseInstead) {
  NodeRunner runner;
  runner.SetBasePath(kOdd);
  runner.SetSection("models", "m", ConfigObject({{"path", "dict_vectorizer.onnx"}}));
  runner.AddColumn("x", Type::Scalar(Kind::kFloat64));
  EXPECT_FALSE(runner.Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                            {"model", "m"},
                                                            {"features", ConfigList({"x"})},
                                                            {"outputs", ConfigObject({{"y", "label"}})}})));
  EXPECT_NE(runner.FaultText().find("takes map<string, float32>"), std::string::npos) << runner.FaultText();
  EXPECT_NE(runner.FaultText().find("OneHotEncoder"), std::string::npos) << runner.FaultText();
}

// Truncated and with flipped bytes: refused or loaded, never a crash, and in bounded time.
TEST(HostileModels, NeverCrashAndNeverHang) {
  std::mt19937 random(7);
  const std::string models[] = {*ReadWholeFile(ANABRANCH_ROOT "/tests/models/columns_mixed.onnx"),
                                *ReadWholeFile(ANABRANCH_ROOT "/tests/models/logistic_zipmap_string.onnx"),
                                ExternalModel(), LoopModel(), *ReadWholeFile(kOdd + "sparse_weight.onnx")};
  const ModelFolder folder("table.bin", Table({10, 20, 30, 40}));
  Write(folder.path() + "/weights.bin", Table({2}));
  const std::string path = folder.path() + "/hostile.onnx";
  size_t loaded = 0;
  size_t tried = 0;
  const int64_t begin = Clock::Real().NowNs();
  const auto attempt = [&](const std::string& bytes) {
    Write(path, bytes);
    const int64_t from = Clock::Real().NowNs();
    loaded += ReadModelFile(path).ok() ? 1 : 0;
    ++tried;
    EXPECT_LT(Clock::Real().NowNs() - from, 5'000'000'000);
  };
  for (const std::string& model : models) {
    for (int i = 0; i < 120; ++i) attempt(model.substr(0, random() % model.size()));
    for (int i = 0; i < 240; ++i) {
      std::string bytes = model;
      for (unsigned flips = 1 + random() % 4; flips > 0; --flips) bytes[random() % bytes.size()] ^= 1 << random() % 8;
      attempt(bytes);
    }
  }
  EXPECT_LT(loaded, tried);
  RecordProperty("tried", static_cast<int>(tried));
  std::printf("%zu damaged models: %zu loaded, %zu refused, %.1f s\n", tried, loaded, tried - loaded,
              static_cast<double>(Clock::Real().NowNs() - begin) / 1e9);
}

}  // namespace
}  // namespace anabranch

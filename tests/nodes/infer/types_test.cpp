#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nodes/infer/infer.h"
#include "nodes/infer/numbers.h"
#include "tests/nodes/infer/model_case.h"
#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

constexpr int kFloat = 1;
constexpr int kInt64 = 7;
constexpr int kHalf = 10;

// Cells of the column "x" through a model that takes `in` and gives `out` (TensorProto.DataType).
class InferTypes : public testing::Test {
 protected:
  void Run(int in, int out, Kind column, const std::vector<Cell>& cells, bool allow_nan = false) {
    folder_ = std::make_unique<ModelFolder>("tiny.onnx", CastModel(in, out));
    runner_ = std::make_unique<NodeRunner>();
    runner_->SetBasePath(folder_->path());
    runner_->SetSection("models", "tiny", ConfigObject({{"path", "tiny.onnx"}}));
    runner_->AddColumn("x", Type::Scalar(column));
    ASSERT_TRUE(runner_->Bind(RegisterNodeInfer, ConfigObject({{"kind", "infer"},
                                                               {"model", "tiny"},
                                                               {"features", ConfigList({"x"})},
                                                               {"allow_nan", allow_nan},
                                                               {"outputs", ConfigObject({{"y", "Y"}})}})))
        << runner_->FaultText();
    runner_->Fill("x", cells);
    const Status status = runner_->Run();
    ASSERT_TRUE(status.ok()) << status.message();
  }

  std::unique_ptr<ModelFolder> folder_;
  std::unique_ptr<NodeRunner> runner_;
};

TEST_F(InferTypes, IntegersOfEverySizeGoInAndOut) {
  struct Integer {
    int type;
    int64_t least, most;
  };
  const Integer integers[] = {{3, INT8_MIN, INT8_MAX},   {5, INT16_MIN, INT16_MAX}, {6, INT32_MIN, INT32_MAX},
                              {2, 0, UINT8_MAX},         {4, 0, UINT16_MAX},        {12, 0, UINT32_MAX},
                              {7, INT64_MIN, INT64_MAX}, {13, 0, INT64_MAX}};
  for (const Integer& each : integers) {
    Run(each.type, each.type, Kind::kInt64, {each.least, 0, 1, 100, each.most});
    EXPECT_EQ(runner_->Values("y"), (std::vector<Cell>{each.least, 0, 1, 100, each.most})) << each.type;
    if (each.type == kInt64) continue;
    std::vector<Cell> cells = {each.least - 1, 5};
    if (each.most != INT64_MAX) cells.emplace_back(each.most + 1);
    Run(each.type, each.type, Kind::kInt64, cells);
    EXPECT_EQ(runner_->Value("y", 0), Cell()) << each.type;
    EXPECT_EQ(runner_->Value("y", 1), Cell(5)) << each.type;
    EXPECT_EQ(runner_->errors().size(), cells.size() - 1) << each.type;
    EXPECT_NE(runner_->ErrorText(0).find("does not fit"), std::string::npos) << runner_->ErrorText(0);
  }
  Run(2, 2, Kind::kBool, {true, false, true});
  EXPECT_EQ(runner_->Values("y"), (std::vector<Cell>{1, 0, 1}));
}

TEST_F(InferTypes, AUint64BeyondAnInt64FailsItsRow) {
  Run(kInt64, 13, Kind::kInt64, {5, -1, 7});
  EXPECT_EQ(runner_->Values("y"), (std::vector<Cell>{5, nullptr, 7}));
  EXPECT_TRUE(runner_->ErrorText(1).starts_with("out_of_range: ")) << runner_->ErrorText(1);
}

// Expected: numpy.float64(x).astype(numpy.float16).
TEST_F(InferTypes, Float16GoesInAndOut) {
  Run(kHalf, kHalf, Kind::kFloat64,
      {0.1, -2.5, 65504.0, 65519.9, 1e-8, 5.9604644775390625e-08, 0.00006103515625, 1.00048828125, 1.00146484375});
  EXPECT_EQ(runner_->Values("y"), (std::vector<Cell>{0.0999755859375, -2.5, 65504.0, 65504.0, 0.0,
                                                     5.9604644775390625e-08, 0.00006103515625, 1.0, 1.001953125}));
  Run(kHalf, kFloat, Kind::kInt64, {3, 2049, 65520, -65520});
  EXPECT_EQ(runner_->Values("y"), (std::vector<Cell>{3.0, 2048.0, nullptr, nullptr}));
  EXPECT_NE(runner_->ErrorText(2).find("does not fit float16"), std::string::npos) << runner_->ErrorText(2);
  Run(kFloat, kHalf, Kind::kFloat64, {1e6, 2.0});
  EXPECT_TRUE(runner_->ErrorText(0).starts_with("non_finite: ")) << runner_->ErrorText(0);
  EXPECT_EQ(runner_->Value("y", 1), Cell(2.0));
}

TEST(Halves, RoundTripAndRoundToNearest) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    Half half;
    half.bits = static_cast<uint16_t>(bits);
    const auto value = static_cast<float>(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(Half(value)))) << bits;
      continue;
    }
    ASSERT_EQ(Half(value).bits, bits);
    const float next = std::nextafter(value, std::numeric_limits<float>::infinity());
    if (std::isfinite(next) && value != 0) {
      ASSERT_EQ(Half(next).bits, bits) << bits;
    }
  }
}

}  // namespace
}  // namespace anabranch

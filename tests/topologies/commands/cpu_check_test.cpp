#include "topologies/cpu_check.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace anabranch {
namespace {

TEST(CpuCheck, NamesTheFirstFeatureThatIsMissing) {
  EXPECT_EQ(MissingCpuFeature(kEveryCpuFeature), nullptr);
  const std::pair<CpuFeature, std::string> names[] = {{kAvx, "AVX"},   {kAvx2, "AVX2"}, {kBmi, "BMI1"},
                                                      {kBmi2, "BMI2"}, {kFma, "FMA"},   {kPclmul, "PCLMUL"}};
  for (const auto& [feature, name] : names) EXPECT_EQ(MissingCpuFeature(kEveryCpuFeature & ~feature), name);
  EXPECT_STREQ(MissingCpuFeature(0), "AVX");
}

}  // namespace
}  // namespace anabranch

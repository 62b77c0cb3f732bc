#include "engine/ids.h"

#include <gtest/gtest.h>

#include <concepts>
#include <type_traits>
#include <vector>

namespace anabranch {
namespace {

// Ids of different kinds do not mix, and a number that is not a literal becomes one only where that is written.
static_assert(!std::is_constructible_v<StageId, TargetId>);
static_assert(!std::is_convertible_v<ColumnId, PartitionId>);
static_assert(!std::equality_comparable_with<StageId, TargetId>);
static_assert(std::is_constructible_v<StageId, size_t>);
static_assert(sizeof(PartitionId) == sizeof(uint16_t) && std::is_trivially_copyable_v<PartitionId>);

TEST(Ids, IndexCountAndCompare) {
  const std::vector<int> values = {10, 20, 30};
  int sum = 0;
  for (StageId stage = 0; stage < values.size(); ++stage) sum += values[stage];
  EXPECT_EQ(sum, 60);
  EXPECT_EQ(StageId(values.size()), 3);
  EXPECT_GT(kNoStage, values.size());
  EXPECT_NE(PartitionId(1u), -1);
}

}  // namespace
}  // namespace anabranch

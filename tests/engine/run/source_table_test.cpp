#include <gtest/gtest.h>

#include "engine/ids.h"

namespace anabranch {
namespace {

TEST(SourceTable, RefusesOnePartitionMoreThanItHasIdsFor) {
  SourceTable table;
  for (int32_t partition = 0; partition < 65'536; ++partition) {
    const auto id = table.Find({"t", partition});
    ASSERT_TRUE(id.ok()) << id.status().message();
    ASSERT_EQ(*id, partition);
  }
  const auto more = table.Find({"t", 65'536});
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.status().code(), Code::kInvalid);
  EXPECT_NE(more.status().message().find("t/65536"), std::string::npos) << more.status().message();
  EXPECT_EQ(*table.Find({"t", 65'535}), 65'535) << "what is known is found all the same";
  EXPECT_EQ(table.at(65'535), (SourcePartition{"t", 65'535}));
}

}  // namespace
}  // namespace anabranch

#include <gtest/gtest.h>

#include "engine/ids.h"
#include "engine/record_batch.h"

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

TEST(SourceTable, APartitionOfABatchKnowsTheTimeOfItsLastRecordThatHasOne) {
  RecordBatch batch;
  batch.Clear(0, 0);
  const auto row = [&batch](uint16_t partition, int64_t ms) {
    batch.AddRow(PartitionId(partition), 0, ms, "", true, "");
  };
  row(0, 10), row(3, 30), row(0, 20), row(3, -1), row(3, -1), row(5, -1);
  for (const uint16_t partition : {5, 0, 7, 3}) batch.encoded.positions.push_back({PartitionId(partition), 0, 1});
  EXPECT_EQ(NewestOf(batch), (std::vector<int64_t>{-1, 20, -1, 30}));
}

}  // namespace
}  // namespace anabranch

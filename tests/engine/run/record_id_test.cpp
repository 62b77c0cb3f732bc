#include "engine/record_id.h"

#include <gtest/gtest.h>

namespace anabranch {
namespace {

TEST(RecordIds, AreReadAsTheyAreWritten) {
  const SourcePartition from{"payments.in", 7};
  const auto record = ParseRecordId(RecordId(from, 82));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->from, from);
  EXPECT_EQ(record->offset, 82);
  EXPECT_EQ(record->node, "");
  const auto result = ParseRecordId(RecordId({"file:cases", 0}, INT64_MAX) + "/out_2");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->from.topic, "file:cases");
  EXPECT_EQ(result->offset, INT64_MAX);
  EXPECT_EQ(result->node, "out_2");
}

TEST(RecordIds, WhatIsNoIdIsRefused) {
  for (const char* text : {"", "t", "t/0", "t/0/", "/0/1", "t//1", "t/0/1/", "t/0/1/out/x", "t/x/1", "t/0/1x", "t/-1/0",
                           "t/0/-1", "t/ 0/1", "t/2147483648/0", "t/0/9223372036854775808", "t/0x1/2"}) {
    EXPECT_FALSE(ParseRecordId(text)) << text;
  }
}

}  // namespace
}  // namespace anabranch

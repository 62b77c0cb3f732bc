#include "engine/models/control_log.h"

#include <gtest/gtest.h>

#include "connectors/kafka/kafka_control_log.h"
#include "tests/connectors/kafka/kafka_rig.h"

namespace anabranch {
namespace {

using Kind = ControlEntry::Kind;

// The topic is not cleaned yet: what is replaced is there, and is not read.
TEST(KafkaControlLog, CountsThatWereReplacedAreNotRead) {
  const KafkaControlProgram program(TestOptions(), TestBroker::MakeTopic("control", 1));
  auto log = program.Open({.topology = "t", .sources = {}});
  ASSERT_TRUE(log.ok()) << log.status().message();
  const auto append = [&](Kind kind, uint32_t generation) {
    ControlEntry entry;
    entry.kind = kind;
    entry.instance = "0";
    entry.generation_number = generation;
    entry.deployment = "d";
    ASSERT_TRUE((*log)->Append(entry).ok());
  };
  for (const Kind kind : {Kind::kCounts, Kind::kReady, Kind::kCounts, Kind::kCounts}) append(kind, 2);
  append(Kind::kCounts, 3);
  const auto numbers = [&](uint32_t after) {
    const auto entries = (*log)->Read(after, 0);
    EXPECT_TRUE(entries.ok());
    std::vector<uint32_t> all;
    for (const ControlEntry& entry : *entries) all.push_back(entry.number);
    return all;
  };
  EXPECT_EQ(numbers(0), (std::vector<uint32_t>{2, 4, 5}));
  append(Kind::kCounts, 2);
  EXPECT_EQ(numbers(5), (std::vector<uint32_t>{6}));
}

}  // namespace
}  // namespace anabranch

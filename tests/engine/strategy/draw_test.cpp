#include "engine/strategy/draw.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/engine/strategy/oracles.h"

namespace anabranch {
namespace {

std::string Key(int i) { return "customer-" + std::to_string(i); }

TEST(Draws, AreThoseOfXxhashOverSaltAndUnit) {
  for (const auto& each : Oracle("draws")) {
    const uint64_t salt = std::stoull(each["salt"].get<std::string>());
    EXPECT_EQ(Draw(salt, each["unit"].get<std::string>()), each["u"].get<double>()) << each["unit"];
  }
}

TEST(Draws, FivePercentOfAHundredThousandKeysAreFivePercent) {
  for (const uint64_t generation : {1, 2, 17, 4711}) {
    const uint64_t salt = SaltOf("canary", generation);
    int on_arm = 0;
    for (int i = 0; i < 100'000; ++i) on_arm += IsWithin(salt, Key(i), 0.05);
    std::printf("generation %d: %.3f %% of the keys\n", static_cast<int>(generation), on_arm / 1000.0);
    EXPECT_NEAR(on_arm, 5000, 300);
  }
}

TEST(Draws, NoKeyLeavesItsArmWhenTheShareGrows) {
  const uint64_t salt = SaltOf("canary", 9);
  int changed = 0;
  for (int i = 0; i < 100'000; ++i) {
    bool before = false;
    for (const double share : {0.01, 0.05, 0.25, 0.5, 1.0}) {
      const bool now = IsWithin(salt, Key(i), share);
      changed += before && !now;
      before = now;
    }
    EXPECT_TRUE(before);
  }
  EXPECT_EQ(changed, 0);
}

TEST(Draws, OtherGenerationsAndPurposesPickOtherKeys) {
  const uint64_t salts[] = {SaltOf("canary", 9), SaltOf("canary", 10), SaltOf("shadow", 9)};
  for (int other = 1; other < 3; ++other) {
    int both = 0;
    for (int i = 0; i < 100'000; ++i) both += IsWithin(salts[0], Key(i), 0.1) && IsWithin(salts[other], Key(i), 0.1);
    EXPECT_NEAR(both, 1000, 150);  // as if independent: σ = 31
  }
}

// Kafka's partitioner takes murmur2 of the same key: the share must be the same in each partition.
uint32_t Murmur2(const std::string& key) {
  constexpr uint32_t kM = 0x5bd1e995;
  uint32_t hash = 0x9747b28c ^ static_cast<uint32_t>(key.size());
  size_t at = 0;
  for (; at + 4 <= key.size(); at += 4) {
    uint32_t word = 0;
    for (size_t i = 0; i < 4; ++i) word |= static_cast<uint32_t>(static_cast<unsigned char>(key[at + i])) << (8 * i);
    word *= kM;
    word ^= word >> 24;
    hash = hash * kM ^ word * kM;
  }
  uint32_t tail = 0;
  for (size_t i = key.size(); i-- > at;) tail = tail << 8 | static_cast<unsigned char>(key[i]);
  if (at < key.size()) hash = (hash ^ tail) * kM;
  hash ^= hash >> 13;
  hash *= kM;
  return hash ^ hash >> 15;
}

TEST(Draws, EachPartitionHasTheSameShareOfKeys) {
  constexpr int kPartitions = 16;
  std::array<int, kPartitions> keys{}, on_arm{};
  const uint64_t salt = SaltOf("canary", 9);
  for (int i = 0; i < 100'000; ++i) {
    const size_t partition = (Murmur2(Key(i)) & 0x7fffffff) % kPartitions;
    keys[partition] += 1;
    on_arm[partition] += IsWithin(salt, Key(i), 0.05);
  }
  double chi2 = 0;
  for (int i = 0; i < kPartitions; ++i) {
    const double expected = keys[i] * 0.05;
    chi2 += (on_arm[i] - expected) * (on_arm[i] - expected) / (expected * 0.95);
  }
  std::printf("chi2 = %.1f with 16 degrees of freedom\n", chi2);
  EXPECT_LT(chi2, 39.3);  // 0.1 %
}

TEST(Draws, AnArmIsDrawnWithItsProbability) {
  const std::vector<double> p = {0.2, 0, 0.7, 0.1, 0};
  std::vector<int> count(p.size());
  for (int i = 0; i < 100'000; ++i) ++count[ArmOf(Draw(SaltOf("bandit", 3), Key(i)), p)];
  EXPECT_NEAR(count[0], 20'000, 600);
  EXPECT_EQ(count[1], 0);
  EXPECT_NEAR(count[2], 70'000, 700);
  EXPECT_NEAR(count[3], 10'000, 450);
  EXPECT_EQ(count[4], 0);
  EXPECT_EQ(ArmOf(0, p), 0U);
  EXPECT_EQ(ArmOf(0.2, p), 2U);
  const std::vector<double> rounded = {0.3, 0.3, 0.3, 0};  // sums to less than 1
  EXPECT_EQ(ArmOf(0.95, rounded), 2U);
}

}  // namespace
}  // namespace anabranch

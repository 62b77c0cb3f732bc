#include "engine/state/key_table.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace anabranch {
namespace {

std::string Text(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

TEST(KeyTable, HoldsWhatAMapHolds) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    KeyTable table;
    std::unordered_map<std::string, std::string> model;
    const auto some_key = [&] { return "key" + std::to_string(random() % 700) + std::string(random() % 3 * 20, 'x'); };
    for (int step = 0; step < 20'000; ++step) {
      const std::string key = some_key();
      const uint32_t what = random() % 10;
      if (what < 6) {
        KeyTable::Place place = table.FindOrAdd(key);
        std::string& expected = model[key];
        ASSERT_EQ(Text(table.value(place)), expected);
        const size_t size = random() % 100 == 0 ? random() % 300'000 : random() % 200;
        expected.resize(size);
        const std::span<char> value = table.Resize(&place, size);
        ASSERT_EQ(Text(value), expected) << "seed " << seed << " step " << step;
        ASSERT_EQ(reinterpret_cast<uintptr_t>(value.data()) % 8, 0U);
        if (size > 0) expected[size / 2] = value[size / 2] = static_cast<char>(random());
        ASSERT_EQ(table.key(place), key);
      } else if (what < 8) {
        const KeyTable::Place place = table.Find(key);
        ASSERT_EQ(place != KeyTable::kNone, model.contains(key));
        if (place != KeyTable::kNone) table.Erase(place);
        model.erase(key);
      } else {
        const std::vector<std::string> names{some_key(), some_key()};
        table.Prefetch(std::vector<std::string_view>{names[0], {}, names[1]});
        const KeyTable::Place place = table.Find(key);
        if (place != KeyTable::kNone) {
          ASSERT_EQ(Text(table.value(place)), model.at(key));
        }
      }
      ASSERT_EQ(table.size(), model.size());
    }
    size_t seen = 0;
    table.ForEach([&](KeyTable::Place place) {
      ++seen;
      EXPECT_EQ(Text(table.value(place)), model.at(std::string(table.key(place))));
    });
    EXPECT_EQ(seen, model.size());
  }
}

TEST(KeyTable, TakesTheEmptyKeyAndLongOnes) {
  KeyTable table;
  KeyTable::Place empty = table.FindOrAdd("");
  table.Resize(&empty, 3)[0] = 'a';
  const std::string long_key(100'000, 'k');
  KeyTable::Place large = table.FindOrAdd(long_key);
  table.Resize(&large, 5'000'000)[4'999'999] = 'z';
  EXPECT_EQ(table.key(table.Find(long_key)), long_key);
  EXPECT_EQ(table.value(table.Find(long_key))[4'999'999], 'z');
  EXPECT_EQ(table.value(table.Find(""))[0], 'a');
  EXPECT_THROW(table.FindOrAdd(std::string(KeyTable::kMostKeyBytes + 1, 'k')), std::length_error);
  const size_t before = table.memory_bytes();
  table.Erase(table.Find(long_key));
  EXPECT_LT(table.memory_bytes(), before - 4'000'000);
}

TEST(KeyTable, GivesMemoryOfErasedEntriesToNewOnes) {
  KeyTable table;
  const auto fill = [&table](int from) {
    for (int i = 0; i < 10'000; ++i) {
      KeyTable::Place place = table.FindOrAdd("key" + std::to_string(from + i));
      table.Resize(&place, 64);
    }
  };
  fill(0);
  const size_t once = table.memory_bytes();
  for (int round = 1; round < 20; ++round) {
    for (int i = 0; i < 10'000; ++i) table.Erase(table.Find("key" + std::to_string((round - 1) * 10'000 + i)));
    fill(round * 10'000);
  }
  EXPECT_LE(table.memory_bytes(), once + (size_t{1} << 20));
}

}  // namespace
}  // namespace anabranch

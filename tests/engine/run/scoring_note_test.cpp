#include "engine/scoring_note.h"

#include <gtest/gtest.h>

#include "engine/run/ledger_progress.h"

namespace anabranch {
namespace {

constexpr Scoring kScored{GenerationId{17}, 12345, {}, 0xbadcafe};

TEST(ScoringNote, StandsBehindWhatIsThereAndIsTakenOffAgain) {
  const std::string note = WithScoring("partitions=4", kScored);
  EXPECT_EQ(note, "partitions=4;g=17;s=12345;h=0badcafe");
  std::string_view left = note;
  EXPECT_EQ(TakeScoring(&left), kScored);
  EXPECT_EQ(left, "partitions=4");
  EXPECT_EQ(WithScoring("", {GenerationId{1}, 0, {}, UINT32_MAX}), "g=1;s=0;h=ffffffff");
  EXPECT_EQ(WithScoring("partitions=4", {}), "partitions=4");
}

TEST(ScoringNote, OfBeforeThereWereChecksCanBeRead) {
  std::string_view note = "partitions=4;g=17;s=12345";
  EXPECT_EQ(TakeScoring(&note), (Scoring{GenerationId{17}, 12345, {}}));
  EXPECT_EQ(note, "partitions=4");
}

TEST(ScoringNote, ThatIsDamagedIsNone) {
  for (const std::string_view text : {"g=17;s=12345;h=", "g=17;s=12345;h=badcafe", "g=17;s=12345;h=0badcafg",
                                      "g=17;s=12345;h=0badcafe0", "g=17;s=;h=0badcafe", "g=17;h=0badcafe;s=12345"}) {
    std::string_view note = text;
    EXPECT_EQ(TakeScoring(&note), Scoring()) << text;
    EXPECT_EQ(note, text);
  }
}

TEST(ScoringNote, IsPartOfTheLedger) {
  StoredProgress progress;
  progress.next[{"in", 3}] = 20000;
  progress.scoring[{"in", 3}] = kScored;
  const auto read = ParseProgress(PrintProgress(progress));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->next, progress.next);
  EXPECT_EQ(read->scoring, progress.scoring);
}

}  // namespace
}  // namespace anabranch

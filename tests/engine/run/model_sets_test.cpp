#include "engine/model_sets.h"

#include <random>

#include "tests/engine/run/worker_fixture.h"

namespace anabranch {
namespace {

// Stages 1 to n hold the models; the outcome of each row is the test's.
RecordBatch BatchOf(size_t models, const std::vector<std::vector<Outcome>>& rows) {
  RecordBatch batch;
  batch.Clear(0, models + 1);
  for (size_t row = 0; row < rows.size(); ++row) batch.AddRow(0, static_cast<int64_t>(row), 0, "", false, "");
  batch.PrepareStages();
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t m = 0; m < models; ++m) batch.stages[m + 1].outcome[row] = rows[row][m];
  }
  return batch;
}

TEST(ModelSets, NameWhatScoredEachRowInPlanOrder) {
  ModelSets sets({{1, "a@1"}, {2, "b@2"}, {3, "c@3"}});
  constexpr auto kOk = Outcome::kOk;
  const RecordBatch batch = BatchOf(3, {{kOk, kOk, kOk},
                                        {Outcome::kSkipped, kOk, kOk},
                                        {kOk, Outcome::kMissed, Outcome::kDefaulted},
                                        {kOk, kOk, kOk},
                                        {Outcome::kAbsent, Outcome::kMissed, Outcome::kSkipped}});
  const auto found = sets.Find(batch);
  const char* wanted[] = {"a@1,b@2,c@3", "b@2,c@3", "a@1", "a@1,b@2,c@3", ""};
  for (size_t row = 0; row < batch.rows(); ++row) EXPECT_EQ(sets.names(found[row]), wanted[row]) << row;
}

TEST(ModelSets, AModelOfTwoStagesIsNamedOnce) {
  ModelSets sets({{1, "a@1"}, {2, "a@1"}});
  const RecordBatch batch = BatchOf(2, {{Outcome::kOk, Outcome::kOk}, {Outcome::kSkipped, Outcome::kOk}});
  const auto found = sets.Find(batch);
  EXPECT_EQ(sets.names(found[0]), "a@1");
  EXPECT_EQ(sets.names(found[1]), "a@1");
}

TEST(ModelSets, OfAModelWithVersionsTheOneThatScoredTheRowIsNamed) {
  ModelSets sets({{1, "a@1"}, {2, "b@1"}, {3, "b@1"}});
  constexpr auto kOk = Outcome::kOk;
  RecordBatch batch = BatchOf(3, {{kOk, kOk, kOk}, {kOk, kOk, kOk}, {kOk, Outcome::kSkipped, kOk}, {kOk, kOk, kOk}});
  const auto found = sets.Find(batch);
  for (size_t row = 0; row < batch.rows(); ++row) EXPECT_EQ(sets.names(found[row]), "a@1,b@1") << row;
  batch.stages[2].versions = {"b@2", "b@3"};
  batch.stages[2].version = {0, 1, 1, 1};
  batch.stages[3].versions = {"b@3"};
  batch.stages[3].version = {0, 0, 0, 0};
  const char* wanted[] = {"a@1,b@2,b@3", "a@1,b@3", "a@1,b@3", "a@1,b@3"};
  const auto now = sets.Find(batch);
  for (size_t row = 0; row < batch.rows(); ++row) EXPECT_EQ(sets.names(now[row]), wanted[row]) << row;
  // The next batch was scored by the plan's alone.
  const RecordBatch plain = BatchOf(3, {{kOk, kOk, kOk}});
  EXPECT_EQ(sets.names(sets.Find(plain)[0]), "a@1,b@1");
  EXPECT_EQ(sets.names(sets.Find(batch)[0]), "a@1,b@2,b@3");
}

TEST(ModelSets, MoreThan64ModelsInRandomPatternsAreRightAndBounded) {
  constexpr size_t kModels = 70;
  std::vector<ResultIdentity::Model> models;
  for (size_t m = 0; m < kModels; ++m) models.push_back({StageId(m + 1), "m" + std::to_string(m)});
  ModelSets sets(models);
  std::mt19937_64 random(5);
  for (int round = 0; round < 40; ++round) {
    std::vector<std::vector<Outcome>> rows(256, std::vector<Outcome>(kModels));
    for (auto& row : rows) {
      for (Outcome& outcome : row) outcome = random() % 2 == 0 ? Outcome::kOk : Outcome::kSkipped;
    }
    const RecordBatch batch = BatchOf(kModels, rows);
    const auto found = sets.Find(batch);
    for (size_t row = 0; row < rows.size(); ++row) {
      std::string wanted;
      for (size_t m = 0; m < kModels; ++m) {
        if (rows[row][m] == Outcome::kOk) wanted += (wanted.empty() ? "m" : ",m") + std::to_string(m);
      }
      ASSERT_EQ(sets.names(found[row]), wanted);
    }
    EXPECT_LE(sets.size(), ModelSets::kMostSets + rows.size());
  }
}

}  // namespace
}  // namespace anabranch

#include "tests/nodes/infer/arm_case.h"

#include <gtest/gtest.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/nodes/infer/tiny_models.h"

namespace anabranch {
namespace {

GenerationRecord RecordOfArms(const std::vector<ModelVersion>& arms, ArmRule rule, double share, uint64_t salt) {
  GenerationRecord record = RecordOf(arms[0]);
  for (size_t i = 1; i < arms.size(); ++i) record.arms.push_back({arms[i].version, arms[i].digest});
  record.rule = rule;
  record.share = share;
  record.salt = salt;
  return record;
}

}  // namespace

double DrawnNumber(uint64_t salt, const std::string& unit) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(salt >> (8 * i)));
  bytes += unit;
  return static_cast<double>(XXH3_64bits(bytes.data(), bytes.size()) >> 11) / 9007199254740992.0;
}

GenerationRecord CanaryOf(const ModelVersion& serving, const ModelVersion& candidate, double share, uint64_t salt) {
  return RecordOfArms({serving, candidate}, ArmRule::kCanary, share, salt);
}

GenerationRecord ShadowOf(const ModelVersion& serving, const ModelVersion& candidate, double share, uint64_t salt) {
  return RecordOfArms({serving, candidate}, ArmRule::kShadow, share, salt);
}

GenerationRecord BanditOf(const std::vector<ModelVersion>& arms, std::vector<double> probabilities, uint64_t salt) {
  GenerationRecord record = RecordOfArms(arms, ArmRule::kBandit, 0, salt);
  record.probabilities = std::move(probabilities);
  return record;
}

ArmCase::ArmCase() {
  one = managed.registry.Pack("1", VectorModel({10, 11, 12, 13, 14, 15, 16, 17}, 1));
  two = managed.registry.Pack("2", VectorModel({20, 21, 22, 23}, 1));
  three = managed.registry.Pack("3", VectorModel({30, 31, 32, 33, 34, 35, 36, 37}, 1));
}

bool ArmCase::Bind() {
  return managed.Bind({{"y", "Y"},
                       {"version", "@version"},
                       {"generation", "@generation"},
                       {"arm", "@arm"},
                       {"propensity", "@propensity"}});
}

void ArmCase::Add(uint32_t generation, const GenerationRecord& record) { Add(generation, record, {one, two, three}); }

void ArmCase::Add(uint32_t generation, const GenerationRecord& record, const std::vector<ModelVersion>& versions) {
  for (const ModelVersion& version : versions) {
    const Status prepared = managed.managed().Prepare(version);
    ASSERT_TRUE(prepared.ok()) << prepared.message();
  }
  managed.managed().Add(GenerationId(generation), record);
}

void ArmCase::FillKeys(size_t rows, int64_t values, size_t first) {
  runner.ClearRows();
  std::vector<Cell> cells;
  for (size_t i = first; i < first + rows; ++i) {
    runner.AddRow({.key = "k" + std::to_string(i)});
    cells.emplace_back(static_cast<int64_t>(i) % values);
  }
  runner.Fill("x", cells);
}

int64_t ArmCase::x(uint32_t row) { return std::get<int64_t>(runner.Value("x", row).value); }

}  // namespace anabranch

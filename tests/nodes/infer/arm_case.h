#pragma once

#include <string>
#include <vector>

#include "engine/arm_scores.h"
#include "tests/nodes/infer/registry_folder.h"

namespace anabranch {

// Where a generation scores a partition.
inline Scoring ScoringFrom(uint32_t generation, int64_t since = 0, uint32_t before = 0) {
  return {GenerationId(generation), since, GenerationId(before)};
}

// The number that a unit draws, computed apart from engine/strategy.
double DrawnNumber(uint64_t salt, const std::string& unit);

GenerationRecord CanaryOf(const ModelVersion& serving, const ModelVersion& candidate, double share, uint64_t salt = 7);
GenerationRecord ShadowOf(const ModelVersion& serving, const ModelVersion& candidate, double share, uint64_t salt = 7);
GenerationRecord BanditOf(const std::vector<ModelVersion>& arms, std::vector<double> probabilities, uint64_t salt = 7);

// A managed node whose generations have arms. Versions 1 and 3 are tables of x from 0 to 7, version 2 one of 0 to 3: it
// fails what is above. A value says which version and which x: 21 is version 2 of x = 1.
struct ArmCase {
  ManagedCase managed;
  NodeRunner& runner = managed.runner;
  ModelVersion one, two, three;

  ArmCase();
  // Binds the node: columns y, version, generation, arm, propensity.
  bool Bind();
  // Prepares versions 1 to 3, or those that are given, and adds the record.
  void Add(uint32_t generation, const GenerationRecord& record);
  void Add(uint32_t generation, const GenerationRecord& record, const std::vector<ModelVersion>& versions);
  // Rows with the keys "k0", "k1", … and x = 0, 1, … `values` - 1 in turn.
  void FillKeys(size_t rows, int64_t values = 4, size_t first = 0);
  StageRows& rows() { return runner.batch().stages[1]; }
  const ArmScores& scores(size_t i = 0) { return *rows().arms.at(i); }
  int64_t x(uint32_t row);
};

}  // namespace anabranch

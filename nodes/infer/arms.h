#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/arm_scores.h"
#include "engine/node.h"
#include "nodes/infer/version_table.h"

namespace anabranch {

// Which generation scores a row, and which of its arms the row draws.

// The generation of all rows; null when there are several.
const VersionTable::Entry* OnlyGeneration(const VersionTable& table, const RecordBatch& batch);

// The rows of one generation.
struct GenerationRows {
  const VersionTable::Entry* entry = nullptr;
  std::vector<uint8_t> active;
  uint32_t count = 0;
};

// Divides the active rows of a batch by their generations. Rows of a partition usually stand side by side.
class RowDivision {
 public:
  Status Divide(const VersionTable& table, const NodeRun& run);
  // Valid until the next call.
  std::span<const GenerationRows> parts() const { return {parts_.data(), count_}; }

 private:
  GenerationRows& PartOf(const VersionTable::Entry& entry, uint32_t rows);

  std::vector<GenerationRows> parts_;  // the first `count_` of them are in use
  size_t count_ = 0;
};

// Draws for rows. It depends on the record of the generation and on the row's key, or the record's id, alone.
class ArmDraw {
 public:
  // The arm of each active row; ArmScores::kNoArm of the others. Of a shadow: 1 where it scores too.
  void DrawAll(const GenerationRecord& record, const NodeRun& run, std::vector<uint8_t>* arms);

 private:
  std::string_view UnitOf(const GenerationRecord& record, const RecordBatch& batch, uint32_t row);

  std::string id_;
};

// The probability with which a row draws this arm. Where only one may answer: 1.
double PropensityOf(const GenerationRecord& record, size_t arm);

}  // namespace anabranch

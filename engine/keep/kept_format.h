#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/keep/bytes.h"
#include "engine/keep/kept_batch.h"

namespace anabranch {

// A frame: prefix, header (KeptHeader), body. Numbers are little-endian, texts are a length (u32) and bytes.
//   prefix   magic (u32), version (u16), flags (u16), bytes of the header (u32), CRC32C of all that and the header
//   (u32),
//            CRC32C of the body (u32)
//   body     partitions, which rows refer to by index; then, unless the frame holds outputs only, the rows, the
//            stages of header.done and the columns of header.columns, in that order; then encoded rows by target id
inline constexpr uint32_t kFrameMagic = 0x4b4e4241;  // "ABNK"
// Version 2: stages may have the outcomes kMissed and kDefaulted, cells may be marked (column.h). A frame of version 1
// is read as well: it has neither. Version 3: ranges have their scoring, stages the versions of their model. Version
// 4: as 3, and the rows have their event times. A version above 2 is written only where there is what it adds.
inline constexpr uint16_t kFrameVersion = 4;
inline constexpr uint16_t kScoringVersion = 3;
inline constexpr uint16_t kPlainVersion = 2;
inline bool HasScoring(const KeptHeader& header) { return header.version >= kScoringVersion; }
inline bool HasTimes(const KeptHeader& header) { return header.version > kScoringVersion; }
inline constexpr size_t kFramePrefixBytes = 20;

std::string SealFrame(const KeptHeader& header, std::string_view body, std::string_view rest_of_body = {});
// Header and body of a frame with correct checksums.
Status OpenFrame(std::string_view frame, KeptHeader* header, std::string_view* body);

// What a plan is repeatedly asked about the batches of one source.
struct SourceView {
  SourceView(const Plan& plan, StageId source);
  bool InBatch(StageId stage) const {
    return stage < plan.sources.size() ? stage == source : plan.node(stage).from_source[source];
  }
  // Columns that unfinished stages read and finished ones made, ascending.
  std::vector<ColumnId> Needed(const std::vector<bool>& done) const;

  const Plan& plan;
  const StageId source;
  std::vector<StageId> maker;  // by ColumnId; kNoStage: not filled in these batches
};

// A column's type in the batches of `source`: tensors may be stored narrower than the plan says.
const Type& StoredType(const Plan& plan, StageId source, ColumnId column);

// The rows of a frame that are restored.
struct RowPick {
  static constexpr uint32_t kLeftOut = UINT32_MAX;
  explicit RowPick(uint32_t rows) : place(rows) {}
  bool all() const { return kept == place.size(); }
  uint32_t total() const { return static_cast<uint32_t>(place.size()); }

  std::vector<uint32_t> place;  // by row of the frame: the row of the batch, or kLeftOut
  uint32_t kept = 0;
};

// One column: states, values, misfits. Cells that are not valid are written as zero.
void AppendColumn(const Column& column, uint32_t first, uint32_t count, std::string* out);
// False: the bytes are not a column of this type. `column` is then undefined. Texts point into the bytes.
bool ReadColumn(std::string_view bytes, const Type& type, const RowPick& pick, Column* column);

}  // namespace anabranch

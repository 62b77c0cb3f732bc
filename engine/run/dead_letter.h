#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/restart/failure.h"
#include "engine/run/refused_rows.h"

namespace anabranch {

// Headers of dead letters (docs/records.md) begin with this. Beyond those named there:
//   source          id of the record's source
//   results         a kept frame (engine/keep/kept_batch.h) with what the stage needs of the stages above it
//   behind          stages that the record failed in before this one (a list): what lies below them too is theirs
//   beside          stages that it failed in after this one (a list): each has a letter of its own
//   origin.*        failed_at, node, code, message of an earlier failure: the first one of a record that was replayed;
//                   of a record that was given up (code "given_up"), the one that stopped its stage
//   original.NAME   a header anabranch.error.NAME that the record came with: any producer can send one
// Only a letter that a replay read from the dead letters' own target counts as one: its headers but those of its record
// are ours, and are written anew when it fails again.
// Where the letters' target refused the record as it came (LetterForm):
//   timestamp                 the record's, in milliseconds since 1970; the letter has the time at which it was written
//   value_bytes, value_xxh3   length and XXH3 (64 bits, 16 hex digits) of the value; the letter's is empty
//   key_bytes, key_xxh3       the same of the key; the letter's is topic/partition/offset
//   headers_dropped           how many headers of the record are omitted
inline constexpr std::string_view kErrorPrefix = "anabranch.error.";
inline constexpr std::string_view kOriginalPrefix = "anabranch.error.original.";

// Under which name the record came with the header `name` of a dead letter; nullopt: it is one of ours.
std::optional<std::string> RecordHeaderName(std::string_view name);

// Writes dead letters: the record's key, value, timestamp and headers byte for byte, then the anabranch.error.*
// headers. Each of these is at most 1 KiB long, all together at most 8 KiB: the texts that are written last are cut,
// then omitted. `behind` and `results` do not count: cut, they would say something else. Results stay out where they
// are larger than 64 KiB (the value: 512 KiB), and where no node made any that the stage needs: a replay then computes
// from the record. One per compute thread; the plan, `refused` and `given_up` outlive it.
class DeadLetterWriter {
 public:
  // `given_up`: why the stage stopped whose rows the operator gave up; null: none is given up.
  DeadLetterWriter(const Plan& plan, const RefusedRows& refused, const Failure* given_up = nullptr);

  struct Failed {
    const RowError* error;
    StageId stage;
  };
  // All failures of one batch, by row, those of one row by stage.
  void Append(const RecordBatch& batch, std::span<const Failed> failures, std::string_view failed_at, EncodedRows* out);

 private:
  struct StageText {
    std::string headers;          // those that are the same for every letter of the stage, encoded
    size_t header_bytes;          // their names and values
    std::vector<bool> and_below;  // by StageId
    std::vector<bool> needs;      // by StageId: those and what is above them
  };
  bool HasLetter(const RecordBatch& batch, std::span<const Failed> of_row, size_t index) const;
  void AppendList(std::string_view name, const RecordBatch& batch, std::span<const Failed> stages,
                  EncodedRows* out) const;
  void AppendOne(const RecordBatch& batch, std::span<const Failed> of_row, size_t index, std::string_view failed_at,
                 EncodedRows* out);
  void AppendRecord(const RecordBatch& batch, uint32_t r, EncodedRows* out, EncodedRows::Row* row) const;
  static void AppendRecordHeaders(const RecordBatch& batch, uint32_t r, EncodedRows* out);
  void AppendReduced(const RecordBatch& batch, uint32_t r, const LetterForm& form, EncodedRows* out,
                     EncodedRows::Row* row) const;
  void AppendResults(const RecordBatch& batch, std::span<const Failed> of_row, StageId stage, EncodedRows* out);

  const Plan& plan_;
  const RefusedRows& refused_;
  const Failure* const given_up_;
  std::vector<StageText> stages_;
  std::vector<bool> done_;  // scratch
};

}  // namespace anabranch

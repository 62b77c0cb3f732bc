#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "engine/cancel.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/registry.h"
#include "engine/run/run_options.h"
#include "engine/source.h"
#include "engine/status.h"
#include "engine/target.h"

namespace anabranch {

// The headers of a dead letter (engine/run/dead_letter.h), parsed. Views into the batch that it was read from.
struct DeadLetter {
  bool ours = false;  // it has the headers that name its record
  std::string_view node, kind, error_class, code, message, attempts, failed_at, source, behind, beside, results;
  std::string_view topology, models;  // name@hash, and all models of the topology that wrote it
  // Of its first failure: `origin.*`, or, when this is the first, the same as above.
  std::string_view first_node, first_code, first_message, first_failed_at;
  bool without_value = false;  // the letters' target did not take the record's value: it is not here
  SourcePartition from;        // of the record
  int64_t offset = -1;
  int64_t timestamp_ms = -1;  // of the record, where the letter could not bear it
  std::string Id() const;     // topic/partition/offset
};
DeadLetter ReadDeadLetter(const RecordBatch& batch, uint32_t row);

// Selects dead letters; an empty member accepts any.
struct LetterFilter {
  std::string node, code, id;
  std::set<std::string> ids = {};  // any of them
  bool Takes(const DeadLetter& letter) const;
};

// The state folder under which dead letters are replayed: that of the pipeline where its ledger knows how far its
// targets are (it must not run meanwhile), else one below it.
std::string ReplayStateDir(const Plan& plan, const std::string& state_dir);

Result<std::shared_ptr<const SourceProgram>> OpenDeadLetters(const Plan& plan, const Registry& registry,
                                                             const std::string& state_dir);

// Calls `visit` for every dead letter that was not replayed, from the first to the last there is now. Reads only.
// `options`: state_dir, instance, make_command.
Status VisitDeadLetters(const Plan& plan, const SourceProgram& letters, const RunOptions& options, CancelToken& cancel,
                        const std::function<void(const RecordBatch&, uint32_t row, const DeadLetter&)>& visit);

}  // namespace anabranch

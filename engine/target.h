#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/encoded.h"
#include "engine/ids.h"
#include "engine/record_batch.h"
#include "engine/status.h"
#include "engine/type.h"

namespace anabranch {

class StateStore;
class SourceProgram;

// One field of what a sink node writes: a column under a name.
struct TargetField {
  std::string name;
  ColumnId column;
  Type type;
  bool nullable = true;
  const ConfigValue* at = nullptr;
};

// What a sink node writes.
struct TargetFields {
  using Field = TargetField;
  std::string node_id;
  std::vector<Field> fields;
  std::string envelope;                 // "", "plain", "raw", "cloudevents": the connector decides what it supports
  const ConfigValue* config = nullptr;  // the sink node's object
};

// Encodes rows of a batch for one target; one per compute thread.
class RowEncoder {
 public:
  virtual ~RowEncoder() = default;
  // Appends one encoded row per active row, in row order, to `out`.
  virtual Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) = 0;
};

// Constants that encoders put on every record.
struct ResultIdentity {
  // A model above the sink node. It scored the rows whose outcome in its stage is kOk, and no others.
  struct Model {
    StageId stage;
    std::string name;  // name@version
  };
  std::string topology;       // name@hash
  std::vector<Model> models;  // in plan order
};

// A bound target. Immutable, shared.
class TargetProgram {
 public:
  virtual ~TargetProgram() = default;
  // Targets of one connector with the same unit commit atomically together: one connection, one database file.
  // One Committer is opened per unit and lane.
  virtual std::string commit_unit() const = 0;
  virtual std::string connector() const = 0;
  // Whether rows and progress can be made durable together for this kind of source. `explain` shows the reason, and so
  // does the fault when the topology asks for exactly_once and it cannot be given.
  virtual bool ExactlyOnce(const SourceProgram& source, std::string* why) const = 0;
  // Whether several nodes may write this target if they share no source. False where the target has one writer, which
  // keeps one progress for it.
  virtual bool ManyWriters() const { return false; }
  // Whether a transaction of this target ends at its commit unit and carries the source's positions, so that exactly
  // once is possible with one such unit of the connector only. False where each unit keeps its own progress.
  virtual bool OneUnitOnly() const { return false; }
  virtual std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& identity) const = 0;
  // The model whose draws its rows reward; empty: none.
  virtual std::string rewards() const { return {}; }
  // What was written here, for reading by position, as SourceProgram::Reader(): rows with their keys and headers. Null:
  // it cannot be read so.
  virtual std::shared_ptr<const SourceProgram> Reader() const { return nullptr; }
  // For people: the connector and what is written, such as "file scores.jsonl". The same for the same target.
  virtual std::string Describe() const = 0;
  // Whether the rows that `ledger` lists as committed still exist here; asked before a finished run is called done.
  // Asks nothing over a network. The text of kInvalid and kUnavailable says what is missing, and the cure.
  virtual Status CheckThere(const std::string& /*state_dir*/, StateStore& /*store*/) const { return Status::Ok(); }
  // Describe() with the whole path where the target lies in the state folder.
  virtual std::string DescribeIn(const std::string& /*state_dir*/) const { return Describe(); }
  // Whether Discard can do its work. Every target is asked before the first one is emptied.
  virtual bool CanDiscard() const { return false; }
  // `run --fresh`: removes the rows that `ledger` owns. kInvalid from targets whose rows others may have read already:
  // they need a new identity instead.
  virtual Status Discard(StateStore& /*store*/) const {
    return {Code::kInvalid,
            Describe() + " cannot be emptied: add --new-identity to write it again under a new identity"};
  }
};

}  // namespace anabranch

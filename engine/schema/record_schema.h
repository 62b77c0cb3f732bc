#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/fault.h"
#include "engine/record_batch.h"
#include "engine/scope.h"

namespace anabranch {

// One readable field of a source: where it is in the record and what column it becomes.
struct SchemaField {
  std::string path;                // column name: "a.b" for nested objects
  std::vector<std::string> steps;  // {"a", "b"}
  Type type;
  bool required = false;       // by every object on its path: absent = a record error
  bool required_here = false;  // by the object that holds it: absent = a record error where that object is present
  bool null_allowed = false;   // "type": ["number", "null"]
  std::string timestamp_unit;  // "s", "ms", "us", "ns" for epoch integers; "" = RFC 3339 text
  std::string decode;          // x-decode of a string: "csv<f32>" …; "" = none
  bool sensitive = false;      // x-sensitive, here or on an object around it
  ColumnId column;             // set when the source is bound
};

// One object of a schema: the root, then the nested ones, each after its parent.
struct SchemaObject {
  std::vector<std::string> steps;   // empty for the root
  bool required = false;            // by the object that holds it
  bool null_allowed = false;        // "type": ["object", "null"]
  bool closed = false;              // "additionalProperties": false
  std::vector<std::string> unread;  // properties without a type: known, but never a column
};

// A source's JSON Schema (draft-07) compiled: the columns it gives, and the checks that its
// validate stage makes on them. Immutable, shared, thread-safe.
class RecordSchema {
 public:
  virtual ~RecordSchema() = default;
  const std::vector<SchemaField>& fields() const { return fields_; }
  // An object with "additionalProperties": false at "" (root) or a nested path: keys not named are record errors.
  const std::vector<std::string>& closed_objects() const { return closed_objects_; }
  const std::vector<SchemaObject>& objects() const { return objects_; }
  // The steps of each value that is x-sensitive, whether it becomes a column or not; {} means the whole record.
  const std::vector<std::vector<std::string>>& sensitive() const { return sensitive_; }

  // Checks the active rows: cell states left by decode (missing, wrong type, range) and the compiled
  // constraints. Calls fail(row, message) for the first broken rule of each bad row, rows in any order.
  // The message names field, value (cut at 64 bytes) and rule. Fields whose column was not decoded are not judged:
  // a plan that enforces a schema decodes all of its fields. This is the one place that enforces a schema, for validate
  // nodes and for the source's own stage alike; rows it failed are not tested by anything else of that stage.
  virtual void Check(const RecordBatch& batch, std::span<const uint8_t> active,
                     const std::function<void(uint32_t, std::string)>& fail) const = 0;

  // The stage of the source whose batches it judges; batches of other sources pass. Unset: it judges every batch.
  void SetSource(StageId source) { source_ = source; }
  bool Judges(const RecordBatch& batch) const { return !source_ || *source_ == batch.source; }

  // Called when the source is bound: `columns[i]` is the column of fields()[i].
  void SetColumns(const std::vector<ColumnId>& columns) {
    for (size_t i = 0; i < fields_.size(); ++i) fields_[i].column = columns[i];
  }

 protected:
  std::vector<SchemaField> fields_;
  std::vector<std::string> closed_objects_;
  std::vector<SchemaObject> objects_;
  std::vector<std::vector<std::string>> sensitive_;
  std::optional<StageId> source_;
};

// Compiles the schema at `at` (an entry of "schemas"). Keywords that cannot be enforced are faults,
// never ignored. Null when faulty.
std::shared_ptr<RecordSchema> CompileSchema(const ConfigValue& at, FaultSink& faults);

}  // namespace anabranch

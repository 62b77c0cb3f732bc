#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/ids.h"
#include "engine/record_batch.h"
#include "engine/row_layout.h"
#include "engine/status.h"
#include "engine/type.h"

namespace anabranch {

class RecordSchema;

// What to decode: some of a schema's fields, with the types in which their columns are stored.
struct DecodePlan {
  std::shared_ptr<const RecordSchema> schema;
  struct Field {
    size_t index;  // into schema->fields()
    ColumnId column;
    Type type;  // storage: a tensor may be float32
  };
  std::vector<Field> fields;
  size_t max_depth = 64;  // of nested objects and arrays
};

// Turns payloads into the columns that the plan reads. Each compute thread has one of its own. A decoder keeps its
// parser and what it learnt about the payloads from batch to batch.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Resets the wanted columns and fills them for all rows of `batch` whose outcome at the source is kOk; other rows
  // stay null. A payload that cannot be read at all is a row error of stage `batch.source`: outcome kFailed and an
  // entry in the stage's errors, with the codes that record_batch.h lists. A cell that does not fit its field gets the
  // CellState that says why, and the misfit text where there is one; its row goes on.
  virtual void Decode(RecordBatch& batch) = 0;
};

// How the value of a record is written: one folder under engine/formats/. Stateless; lives as long as the registry.
class Format {
 public:
  virtual ~Format() = default;

  struct Spec {
    std::string name;  // as the topology says it: "format": NAME
    std::string summary;
    bool needs_header = false;  // a header row names the cells, so it can only be read row by row from a text
  };
  virtual const Spec& spec() const = 0;

  // Called once per compute thread, from any thread. kInvalid when the plan's fields cannot be read from such rows: the
  // message names the field and says how to fix it.
  virtual Result<std::unique_ptr<Decoder>> MakeDecoder(DecodePlan plan, const RowLayout& layout) const = 0;
};

}  // namespace anabranch

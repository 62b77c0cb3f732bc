#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/status.h"
#include "topologies/operate/tap_hub.h"

namespace anabranch {

// What a tap shows at one stage: the request, checked against a plan.
struct TapView {
  struct Shown {
    std::string name;
    ColumnId column;
    bool hidden = false;
  };
  StageId stage;
  std::vector<Shown> before, after;
  std::shared_ptr<const Expression> where;  // null: every row
};

struct TapViews {
  std::vector<TapView> views;
  std::vector<std::string> masked;            // names that are shown as stars
  std::vector<std::string> sinks;             // of the views' stages: those that write
  std::vector<bool> hide_key, hide_messages;  // by source
  std::vector<ColumnId> hidden_texts;  // keys and headers that equal one of them, or a sensitive field, are hidden too
};

// kInvalid: what is wrong with the request, and the cure.
Result<TapViews> CompileTap(const Plan& plan, const TapRequest& request);

// The rows of `batch` that this view sees: 1 in `out`. Their number.
uint32_t RowsAt(const TapView& view, const RecordBatch& batch, bool at_inputs, std::vector<uint8_t>* out);
// Clears the bytes of rows that do not match. False: the batch lacks a column that `where` reads, so that no row
// matches.
bool Matching(const TapView& view, const RecordBatch& batch, Evaluator& evaluator, std::vector<uint8_t>* rows);

// What is copied of a row: its members as JSON, without braces, and the record as it came.
struct TapRow {
  std::string members;
  std::string payload;  // with TapRequest::record
  StageId source;

  size_t bytes() const { return sizeof(TapRow) + members.size() + payload.size(); }
};
// At most; an upper bound that costs little.
size_t BytesOf(const TapView& view, const RecordBatch& batch, uint32_t row, bool record);
TapRow CopyRow(const Plan& plan, const TapViews& views, const TapView& view, bool record, const RecordBatch& batch,
               uint32_t row);

}  // namespace anabranch

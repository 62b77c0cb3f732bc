#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/format.h"
#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/letter.h"

namespace anabranch {

// Chooses dead letters by an expression over the fields of their records, which are read as their sources do. Used by
// one thread.
class LetterWhere {
 public:
  // kInvalid: no source has fields for it, it is faulty, or it reads what masking.h hides, without `reveal`. An empty
  // text takes every letter.
  static Result<LetterWhere> Make(const Plan& plan, const std::string& text, bool reveal);
  // False also where the record cannot be read, or the expression is null or fails for it.
  bool Takes(const RecordBatch& letters, uint32_t row, const DeadLetter& letter);

 private:
  struct OfSource {
    std::shared_ptr<const Expression> expression;  // null: this source has no such fields
    std::unique_ptr<Decoder> decoder;
  };
  explicit LetterWhere(const Plan& plan) : plan_(&plan) {}

  const Plan* plan_;
  std::vector<OfSource> sources_;  // empty: every letter
  Evaluator evaluator_;
  std::unique_ptr<RecordBatch> record_;
};

}  // namespace anabranch

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/plan.h"
#include "engine/record_batch.h"
#include "engine/run/letter.h"

namespace anabranch {

// Dead letters that wait, by stage and code.
struct LetterGroup {
  int64_t count = 0;
  std::string oldest, newest;  // failed_at
};
using LetterGroups = std::map<std::pair<std::string, std::string>, LetterGroup>;
void AddLetter(const DeadLetter& letter, LetterGroups* groups);

std::string GroupsText(const LetterGroups& groups);
// {"letters": n, "groups": [{"node", "code", "count", "oldest", "newest"}]}
std::string GroupsJson(const LetterGroups& groups);

// One line per letter: when and where it failed, and the ID that the other commands take. `now_ms`: wall clock.
std::string RecordsHead();
std::string RecordLine(const RecordBatch& batch, uint32_t row, const DeadLetter& letter, int64_t now_ms);
// {"id", "node", "code", "failed_at", "age_s", "letter": where the letter itself is}; "id" null: not a letter of ours
std::string RecordJson(const RecordBatch& batch, uint32_t row, const DeadLetter& letter, int64_t now_ms);

// One letter whole; upstream results as columns by stage, as far as this plan can read them.
std::string LetterText(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter);
// {"id", "node", "kind", "class", "code", "message", "attempts", "failed_at", "timestamp", "key", "value",
//  "headers": [[name, value]], "results": {stage: {column: value}}}; bytes that are no text as {"base64": …}
std::string LetterJson(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter);

}  // namespace anabranch

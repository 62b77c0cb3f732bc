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

// Waiting dead letters, by stage and code.
struct LetterGroup {
  int64_t count = 0;
  std::string oldest, newest;  // failed_at
};
using LetterGroups = std::map<std::pair<std::string, std::string>, LetterGroup>;
void AddLetter(const DeadLetter& letter, LetterGroups* groups);

std::string GroupsText(const LetterGroups& groups);
// {"letters": n, "groups": [{"node", "code", "count", "oldest", "newest"}]}
std::string GroupsJson(const LetterGroups& groups);

// One line per letter: when and where it failed, and the ID for the other commands. `now_ms`: wall clock.
std::string RecordsHead();
std::string RecordLine(const RecordBatch& batch, uint32_t row, const DeadLetter& letter, int64_t now_ms);
// {"id", "node", "code", "failed_at", "age_s", "letter": the position of the letter}; "id" is null if it is not a
// letter of this program
std::string RecordJson(const RecordBatch& batch, uint32_t row, const DeadLetter& letter, int64_t now_ms);

// One complete letter; upstream results as columns by stage, as far as this plan can read them. `masks` as below.
std::string LetterText(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter,
                       bool masks = false);
// {"id", "node", "kind", "class", "code", "message", "attempts", "failed_at", "timestamp", "key", "value",
//  "headers": [[name, value]], "results": {stage: {column: value}}}; bytes that are not text are {"base64": …}
// `masks`: what masking.h hides, and whatever may quote it, is "***"; then there is "masked": true.
std::string LetterJson(const Plan& plan, const RecordBatch& batch, uint32_t row, const DeadLetter& letter,
                       bool masks = false);
// Whether the message of a letter may quote what masking.h hides.
bool QuotesHidden(const Plan& plan, const DeadLetter& letter);

}  // namespace anabranch

#include "engine/restart/kept_match.h"

#include <algorithm>

#include "engine/keep/kept_format.h"

namespace anabranch {
namespace {

// The same for all frames of one batch.
std::string BatchKey(const KeptHeader& header) {
  std::string key = header.source;
  for (const KeptHeader::Range& range : header.ranges) {
    key += "\n" + range.partition.topic;
    for (const int64_t n : {int64_t{range.partition.partition}, range.first, range.next})
      key += "/" + std::to_string(n);
  }
  return key;
}

void AddOnce(std::string text, std::vector<std::string>* texts) {
  if (std::find(texts->begin(), texts->end(), text) == texts->end()) texts->push_back(std::move(text));
}

}  // namespace

KeptMatch::KeptMatch(const Plan& plan, const std::vector<KeptStore::Entry>& kept, const KeptId& kept_id) : plan_(plan) {
  for (StageId stage = 0; stage < plan.stages(); ++stage) kept_ids_.push_back(kept_id(stage));
  std::map<std::string, const KeptHeader*> last;
  for (const KeptStore::Entry& entry : kept) last[BatchKey(entry.header)] = &entry.header;
  for (const KeptStore::Entry& entry : kept) {
    const KeptHeader& header = entry.header;
    if (last[BatchKey(header)] != &header) continue;
    Frame frame;
    frame.header = &header;
    frame.stages.resize(plan.stages(), nullptr);
    for (StageId source = 0; source < plan.sources.size(); ++source) {
      if (plan.sources[source].id == header.source) frame.source = source;
    }
    for (StageId stage = 0; stage < plan.stages(); ++stage) {
      for (const KeptHeader::Stage& done : header.done) {
        if (InFrame(frame, stage) && done.id == kept_ids_[stage]) frame.stages[stage] = &done;
      }
    }
    frames_.push_back(std::move(frame));
  }
}

bool KeptMatch::InFrame(const Frame& frame, StageId stage) const {
  if (frame.source == kNoStage) return false;
  return stage < plan_.sources.size() ? stage == frame.source : plan_.node(stage).from_source[frame.source];
}

bool KeptMatch::Held(StageId stage) const {
  return std::any_of(frames_.begin(), frames_.end(), [&](const Frame& each) { return each.stages[stage] != nullptr; });
}

bool KeptMatch::Changed(StageId stage) const {
  const bool source = stage < plan_.sources.size();
  return !AllHave(stage, source ? plan_.sources[stage].fingerprint : plan_.node(stage).closure);
}

bool KeptMatch::AllHave(StageId stage, const std::string& closure) const {
  return std::all_of(frames_.begin(), frames_.end(), [&](const Frame& each) {
    return each.stages[stage] == nullptr || each.stages[stage]->closure == closure;
  });
}

// The stages that are finished after restoring the frame: none without its source.
std::vector<bool> KeptMatch::Restored(const Frame& frame, const std::vector<bool>& reused) const {
  std::vector<bool> restored(plan_.stages(), false);
  if (frame.source == kNoStage || !reused[frame.source] || frame.stages[frame.source] == nullptr) return restored;
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    restored[stage] = reused[stage] && frame.stages[stage] != nullptr;
  }
  return restored;
}

std::vector<bool> KeptMatch::Running(const std::vector<bool>& reused) const {
  std::vector<bool> running(plan_.stages(), false);
  for (const Frame& frame : frames_) {
    if (frame.header->outputs) continue;
    const std::vector<bool> restored = Restored(frame, reused);
    for (StageId stage = 0; stage < plan_.stages(); ++stage) {
      if (InFrame(frame, stage) && !restored[stage]) running[stage] = true;
    }
  }
  return running;
}

std::vector<std::string> KeptMatch::Lacks(const std::vector<bool>& reused) const {
  std::vector<std::string> lacks;
  for (const Frame& frame : frames_) {
    if (frame.source == kNoStage || frame.header->positions_only()) continue;
    if (frame.header->outputs) {
      LacksOfOutputs(frame, reused, &lacks);
    } else {
      LacksOfRows(frame, reused, &lacks);
    }
  }
  return lacks;
}

// The first stage that would run and that reads the column.
StageId KeptMatch::ReaderOf(const Frame& frame, const std::vector<bool>& restored, ColumnId column) const {
  auto stage = StageId(plan_.sources.size());
  for (; stage + 1u < plan_.stages(); ++stage) {
    const std::vector<ColumnId>& reads = plan_.node(stage).reads;
    if (restored[stage] || !InFrame(frame, stage)) continue;
    if (std::find(reads.begin(), reads.end(), column) != reads.end()) break;
  }
  return stage;
}

void KeptMatch::LacksOfRows(const Frame& frame, const std::vector<bool>& reused,
                            std::vector<std::string>* lacks) const {
  const SourceView view(plan_, frame.source);
  const std::vector<bool> restored = Restored(frame, reused);
  for (const ColumnId id : view.Needed(restored)) {
    const ColumnInfo& column = plan_.columns[id];
    const std::string what = "node \"" + plan_.StageName(ReaderOf(frame, restored, id)) + "\" needs column \"" +
                             column.name + "\" of \"" + plan_.StageName(view.maker[id]) + "\", which was ";
    const auto kept = std::find_if(frame.header->columns.begin(), frame.header->columns.end(), [&](const auto& each) {
      return each.name == column.name && each.maker == kept_ids_[view.maker[id]];
    });
    if (kept == frame.header->columns.end()) {
      AddOnce(what + "not kept", lacks);
      continue;
    }
    const std::string type = StoredType(plan_, frame.source, id).ToString();
    if (kept->type != type) AddOnce(what + "kept as " + kept->type + ", but is " + type + " now", lacks);
  }
}

// Only encoded rows exist, so none of the stages that made them can run again.
void KeptMatch::LacksOfOutputs(const Frame& frame, const std::vector<bool>& reused,
                               std::vector<std::string>* lacks) const {
  if (!reused[frame.source]) {
    AddOnce("rows had left the last node, and source \"" + plan_.StageName(frame.source) + "\" was edited", lacks);
  }
  for (auto stage = StageId(plan_.sources.size()); stage < plan_.stages(); ++stage) {
    if (!InFrame(frame, stage) || plan_.node(stage).program->target() == nullptr) continue;
    const std::string what = "rows had left the last node before \"" + plan_.StageName(stage) + "\" ";
    if (frame.stages[stage] == nullptr) {
      AddOnce(what + "existed", lacks);
    } else if (!reused[stage]) {
      AddOnce(what + "or a stage above it changed", lacks);
    }
  }
}

std::map<std::string, std::string> KeptMatch::Reuse(const std::vector<bool>& reused) const {
  std::map<std::string, std::string> reuse;
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    if (reused[stage]) reuse[plan_.StageName(stage)] = kept_ids_[stage];
  }
  return reuse;
}

}  // namespace anabranch

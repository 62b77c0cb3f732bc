#include "engine/run/switches.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/fault_point.h"

namespace anabranch {
namespace {

bool SameSwitch(const Scoring& a, const Scoring& b) { return a.generation == b.generation && a.since == b.since; }

std::tuple<int64_t, GenerationId> AgeOf(const Scoring& cut) { return {cut.since, cut.generation}; }

std::tuple<GenerationId, uint32_t, bool> MeaningOf(const CommittedGeneration& committed) {
  return {committed.generation, committed.check, committed.scores};
}

}  // namespace

// Where the partition has a track already, its uncommitted rows are computed again.
Switches::Track Switches::MakeTrack(PartitionId id, size_t index, int64_t next,
                                    const std::vector<KeptHeader::Range>& scored,
                                    std::vector<CommittedGeneration>* needed) {
  Track track{.id = id, .next = next, .most = kNoPosition, .stored = {}, .now = {}, .ahead = {}, .past = {}};
  std::vector<Scoring> cuts;
  for (size_t committer = 0; committer < writer_.committers(); ++committer) {
    for (const TargetProgress& target : writer_.progress(committer)) {
      const int64_t position = target.next[index];
      if (position == kNoPosition || position == kWantsNothing) continue;
      track.most = std::max(track.most, position);
      cuts.push_back(target.scoring.empty() ? Scoring() : target.scoring[index]);
    }
  }
  if (!parts_.source->position_owner().empty()) cuts.push_back(parts_.source->StoredScoring(id));
  if (!cuts.empty()) track.stored = *std::ranges::max_element(cuts, {}, AgeOf);
  track.untold = std::ranges::any_of(cuts, [&](const Scoring& cut) { return !SameSwitch(cut, track.stored); });
  for (const KeptHeader::Range& range : scored) {
    if (range.partition != parts_.partitions->at(id)) continue;
    track.most = std::max(track.most, range.next);
    cuts.push_back(range.scoring);
  }
  if (const Track* before = Find(id); before != nullptr) {
    track.most = std::max(track.most, before->next);
    track.past = before->past;
    cuts.insert(cuts.end(), before->past.begin(), before->past.end());
  }
  std::ranges::sort(cuts, {}, AgeOf);
  // Of rows below all cuts nobody knows: an operator set a position back.
  if (!cuts.empty()) track.now = {cuts.front().generation, 0, cuts.front().generation};
  for (const Scoring& cut : cuts) {
    if (cut.since > next) {
      track.ahead.push_back(cut);
    } else if (!SameSwitch(cut, track.now)) {
      track.now = {cut.generation, cut.since, track.now.generation};
    }
  }
  for (const Scoring& cut : cuts) {
    if (cut.since <= next && cut.generation != track.now.generation) continue;
    needed->push_back({cut.generation, cut.check, parts_.partitions->at(id), false});
  }
  return track;
}

Status Switches::Begin(const std::vector<PartitionId>& partitions, std::span<const int64_t> next,
                       const std::vector<KeptHeader::Range>& scored) {
  if (generations_ == nullptr) return Status::Ok();
  if (!std::exchange(repeats_, false)) tracks_.clear();
  std::vector<Track> tracks;
  std::vector<CommittedGeneration> needed;
  const GenerationId active = generations_->active();
  for (size_t i = 0; i < partitions.size(); ++i) {
    Track track = MakeTrack(partitions[i], i, next[i], scored, &needed);
    if (track.next == kNoPosition && track.most == kNoPosition) {
      track.now = {active, 0, active};
    } else if (track.next >= track.most && Advance(&track, active)) {
      track.past.push_back(track.now);
      track.untold = true;
    } else if (track.next >= track.most && !SameSwitch(track.now, track.stored)) {
      track.untold = true;  // it switched, and what was to commit that was dropped
    }
    const bool scores = track.next < track.most;
    needed.push_back({track.now.generation, 0, parts_.partitions->at(track.id), scores});
    for (const Scoring& cut : track.ahead) {
      if (scores) needed.push_back({cut.generation, 0, parts_.partitions->at(track.id), true});
    }
    tracks.push_back(std::move(track));
  }
  tracks_ = std::move(tracks);
  waiting_ = true;
  RETURN_IF_ERROR(Require(std::move(needed)));
  told_.clear();
  for (const Track& track : tracks_) Tell(track.id, track.stored);
  Computed(oldest());
  return Status::Ok();
}

// Each generation once. What was stored without a check has one from now on.
Status Switches::Require(std::vector<CommittedGeneration> needed) {
  std::ranges::sort(needed, {}, MeaningOf);
  const auto rest = std::ranges::unique(needed, {}, MeaningOf);
  needed.erase(rest.begin(), rest.end());
  RETURN_IF_ERROR(generations_->Require(parts_.number, needed, stop_));
  for (Track& track : tracks_) {
    track.now.check = generations_->Check(track.now.generation);
    for (Scoring& cut : track.ahead) cut.check = generations_->Check(cut.generation);
  }
  return Status::Ok();
}

void Switches::Move(const std::vector<PartitionId>& partitions, std::span<const int64_t> from,
                    std::span<const int64_t> to) {
  for (size_t i = 0; i < partitions.size(); ++i) {
    Track* track = from[i] != to[i] ? Find(partitions[i]) : nullptr;
    if (track == nullptr) continue;
    const GenerationId newest = track->ahead.empty() ? track->now.generation : track->ahead.back().generation;
    *track = {.id = track->id,
              .next = to[i],
              .most = kNoPosition,
              .stored = {},
              .now = {newest, to[i], newest, generations_->Check(newest)},
              .ahead = {},
              .past = {},
              .untold = true};
    told_.erase(track->id);
    waiting_ = true;
  }
}

void Switches::End() {
  if (generations_ == nullptr) return;
  tracks_.clear();
  Computed(generations_->active());
}

Switches::Track* Switches::Find(PartitionId id) {
  const auto track = std::ranges::find(tracks_, id, &Track::id);
  return track == tracks_.end() ? nullptr : &*track;
}

// At a batch boundary, where no target has rows from there on. True: it switched.
bool Switches::Advance(Track* track, GenerationId active) {
  const Scoring before = track->now;
  while (!track->ahead.empty() && track->ahead.front().since <= track->next) {
    const Scoring& cut = track->ahead.front();
    track->now = {cut.generation, cut.since, track->now.generation, cut.check};
    track->ahead.erase(track->ahead.begin());
  }
  if (active > track->now.generation) {
    const std::optional<PlannedSwitch> planned = generations_->Planned(parts_.partitions->at(track->id));
    track->ahead.clear();
    if (!planned || planned->position <= track->next) {
      track->now = {active, track->next, track->now.generation, generations_->Check(active)};
    } else if (planned->generation > track->now.generation) {
      track->ahead.push_back({planned->generation, planned->position, {}, generations_->Check(planned->generation)});
    }
  }
  return !SameSwitch(before, track->now);
}

std::vector<PositionRange> Switches::Take() {
  std::vector<PositionRange> ranges;
  if (generations_ == nullptr) return ranges;
  const GenerationId active = generations_->active();
  if (active == looked_at_ && !waiting_) return ranges;
  const bool changed = looked_at_ != active;
  looked_at_ = active;
  waiting_ = false;
  bool untouched = true;
  for (Track& track : tracks_) {
    SwitchUntouched(&track, active);
    untouched = untouched && track.next == kNoPosition;
    const bool ready = track.next != kNoPosition && track.next >= track.most;
    const bool switched = ready && Advance(&track, active);
    if (switched) track.past.push_back(track.now);
    if (switched || (ready && track.untold)) {
      ranges.push_back({track.id, track.next, track.next, track.now});
      track.untold = false;
    }
    waiting_ = waiting_ || !ready || !track.ahead.empty();
  }
  if (changed && untouched) Computed(oldest());
  return ranges;
}

// Nothing of it was read, and no target has any of it: there is nothing to commit.
void Switches::SwitchUntouched(Track* track, GenerationId active) const {
  if (track->next != kNoPosition || track->most != kNoPosition || active <= track->now.generation) return;
  if (generations_->Planned(parts_.partitions->at(track->id))) return;
  track->now = {active, 0, active, generations_->Check(active)};
}

bool Switches::Stamp(RecordBatch* batch) {
  if (generations_ == nullptr) return false;
  bool switched = false;
  for (PositionRange& range : batch->positions) {
    Track* track = Find(range.partition);
    if (track == nullptr) continue;
    if (track->next == kNoPosition) track->next = range.first;
    const GenerationId first = track->now.At(range.first);
    while (!track->ahead.empty() && track->ahead.front().since < range.next) {
      const Scoring& cut = track->ahead.front();
      track->now = {cut.generation, cut.since, first, cut.check};
      track->ahead.erase(track->ahead.begin());
      track->past.push_back(track->now);
      switched = true;
    }
    range.scoring = track->now;
    track->next = std::max(track->next, range.next);
  }
  if (!batch->encoded.positions.empty()) batch->encoded.positions = batch->positions;
  return switched;
}

bool Switches::Follow(RecordBatch* batch) {
  if (generations_ == nullptr) return false;
  bool switched = false;
  for (PositionRange& range : batch->positions) {
    Track* track = Find(range.partition);
    if (track == nullptr) continue;
    range.scoring.check = generations_->Check(range.scoring.generation);
    switched = switched || !SameSwitch(track->now, range.scoring);
    track->now = range.scoring;
    track->next = std::max(track->next, range.next);
    std::erase_if(track->ahead, [&](const Scoring& cut) { return cut.since <= range.scoring.since; });
  }
  if (!batch->encoded.positions.empty()) batch->encoded.positions = batch->positions;
  return switched;
}

GenerationId Switches::oldest() const {
  GenerationId oldest = generations_->active();
  for (const Track& track : tracks_) oldest = std::min(oldest, track.now.generation);
  return oldest;
}

bool Switches::settled() const {
  return std::ranges::all_of(tracks_, [](const Track& track) { return track.next >= track.most; });
}

void Switches::Computed(GenerationId oldest) const {
  if (generations_ != nullptr) generations_->Uses(parts_.number, oldest);
}

void Switches::Committed(const std::vector<PositionRange>& positions) {
  if (generations_ == nullptr) return;
  for (const PositionRange& range : positions) {
    if (IsTold(range.partition, range.scoring)) continue;
    FaultPoint("lane.switched");
    Tell(range.partition, range.scoring);
  }
}

bool Switches::IsTold(PartitionId id, const Scoring& scoring) const {
  const auto told = told_.find(id);
  return scoring.generation == 0 || (told != told_.end() && AgeOf(scoring) <= AgeOf(told->second));
}

void Switches::Tell(PartitionId id, const Scoring& scoring) {
  if (scoring.generation == 0) return;
  told_[id] = scoring;
  generations_->Switched(parts_.partitions->at(id), scoring);
}

}  // namespace anabranch

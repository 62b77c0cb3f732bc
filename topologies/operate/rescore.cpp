#include "topologies/operate/rescore.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "engine/managed_model.h"
#include "engine/printable.h"
#include "engine/run/record_reader.h"

namespace anabranch {
namespace {

constexpr size_t kMostNamed = 8;

// "a, b and 3 more"
std::string NamesText(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostNamed) text += " and " + std::to_string(names.size() - kMostNamed) + " more";
  return text;
}

bool FeedsModel(const Plan& plan, StageId source, const std::string& model) {
  return std::ranges::any_of(plan.nodes, [&](const PlanNode& node) {
    const ManagedModel* const managed = node.program->managed();
    return managed != nullptr && managed->model() == model && node.from_source[source];
  });
}

std::string PlaceName(const SourcePartition& partition) {
  return partition.topic + "/" + std::to_string(partition.partition);
}

// One source: the ranges of its partitions.
class SourceRanges {
 public:
  SourceRanges(const PlanSource& source, const ModelEvent& event) : source_(source), event_(event) {}

  Status Find(const std::string& identity, const std::string& state_dir, CancelToken& cancel) {
    const std::shared_ptr<const SourceProgram> program = source_.program->Reader();
    if (program == nullptr) {
      return {Code::kStage, "source \"" + source_.id + "\": " + source_.program->Describe() +
                                " passed by and cannot be read again; nothing was scored"};
    }
    RecordReader::Options options;
    options.topology = identity;
    options.state_dir = state_dir;
    options.source_id = source_.id;
    options.cancel = &cancel;
    ASSIGN_OR_RETURN(const auto reader, RecordReader::Open(*program, std::move(options)));
    ASSIGN_OR_RETURN(const std::vector<int64_t> stored, reader->StoredPositions());
    ASSIGN_OR_RETURN(const std::vector<RecordReader::Range> readable, reader->Readable());
    counts_ = program->NumbersRecords();
    for (size_t i = 0; i < readable.size(); ++i) {
      seen_.insert(readable[i].partition.topic);
      Add(readable[i].partition, stored[i], readable[i].first, readable[i].next);
    }
    AddVanished();
    return Status::Ok();
  }

  std::vector<RescoreRange> Take() { return std::move(ranges_); }

 private:
  void Add(const SourcePartition& partition, int64_t stored, int64_t first, int64_t next) {
    const auto from = event_.from.find(PlaceName(partition));
    if (from == event_.from.end()) return;
    found_.insert(from->first);
    RescoreRange range{.source = source_.id, .partition = partition, .counts = counts_};
    range.from = from->second;
    range.until = event_.until.at(from->first);
    if (range.until <= range.from) return;
    const int64_t begin = std::clamp(stored, range.from, range.until);
    const int64_t end = std::clamp(next, begin, range.until);
    range.done = begin - range.from;
    range.first = std::clamp(first, begin, end);
    range.gone = (range.first - begin) + (range.until - end);
    range.until = end;
    ranges_.push_back(std::move(range));
  }

  // Partitions of a topic that was made anew with fewer of them.
  void AddVanished() {
    for (const auto& [name, from] : event_.from) {
      const size_t slash = name.rfind('/');
      const int64_t until = event_.until.at(name);
      if (found_.contains(name) || !seen_.contains(name.substr(0, slash)) || until <= from) continue;
      RescoreRange range{.source = source_.id,
                         .partition = {name.substr(0, slash), std::stoi(name.substr(slash + 1))},
                         .counts = counts_};
      range.from = range.until = range.first = from;
      range.gone = until - from;
      ranges_.push_back(std::move(range));
    }
  }

  const PlanSource& source_;
  const ModelEvent& event_;
  bool counts_ = true;
  std::set<std::string> found_, seen_;
  std::vector<RescoreRange> ranges_;
};

}  // namespace

Result<ModelEvent> GenerationToRescore(const ControlState& state, const std::string& model, uint32_t generation,
                                       uint32_t now) {
  const std::string label = "generation " + std::to_string(generation);
  const std::vector<ModelEvent> events = ModelEvents(state, model);
  const auto found = std::ranges::find(events, generation, &ModelEvent::generation);
  if (found == events.end()) {
    return Status(Code::kStage,
                  "model \"" + model + "\" has no " + label + " in its history; `anabranch model history` lists them");
  }
  const ControlState::Generation* const serving = state.Newest(model, now);
  if (found->state == "serves") {
    return Status(Code::kStage, label + " still scores: deploy or roll back first, then score its records again");
  }
  const bool one_version = found->rule == ArmRule::kOne;
  const bool has_cut = serving != nullptr && serving->record().rule == ArmRule::kEventTime;  // an older one scores, too
  if (one_version && !has_cut && serving != nullptr && serving->serving().digest == found->digest) {
    return Status(Code::kStage, label + " scored with version " + Printable(found->version) +
                                    ", and this version serves now: the results would be the same");
  }
  std::vector<std::string> open;
  for (const auto& [partition, from] : found->from) {
    if (!found->until.contains(partition)) open.push_back(partition);
  }
  if (open.empty()) return *found;
  return Status(Code::kRetry, label + " still scores " + NamesText(open) +
                                  ": no later commit of it is known. Run the topology, so that it switches, then "
                                  "repeat this");
}

Result<std::vector<RescoreRange>> FindRescoreRanges(const Plan& plan, const ModelEvent& event,
                                                    const std::string& identity, const std::string& state_dir,
                                                    CancelToken& cancel) {
  std::vector<RescoreRange> ranges;
  for (StageId source = 0; source < plan.sources.size(); ++source) {
    if (!FeedsModel(plan, source, event.model)) continue;
    SourceRanges own(plan.sources[source], event);
    RETURN_IF_ERROR(own.Find(identity, state_dir, cancel));
    for (RescoreRange& range : own.Take()) ranges.push_back(std::move(range));
  }
  return ranges;
}

std::shared_ptr<const RescoreInput> InputOf(const Plan& plan, StageId source, const std::string& identity,
                                            const std::vector<RescoreRange>& ranges) {
  RescoreInput::Ranges read;
  for (const RescoreRange& range : ranges) {
    if (range.source != plan.sources[source].id || range.first >= range.until) continue;
    read[range.partition] = {range.first, range.until};
  }
  if (read.empty()) return nullptr;
  return MakeRescoreInput(plan.sources[source].program->Reader(), source, plan.sources[source].id, identity,
                          std::move(read));
}

}  // namespace anabranch

#include "connectors/kafka/kafka_positions.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>

#include "engine/scoring_note.h"

namespace anabranch {

namespace {

constexpr char kMarkFollows[] = "; ";

KafkaSource* ConsumerOf(const SourceProgram& program, Source& source) {
  // Made by that program, so of its kind.
  return dynamic_cast<const KafkaSourceProgram*>(&program) != nullptr ? static_cast<KafkaSource*>(&source) : nullptr;
}

}  // namespace

KafkaPositions::KafkaPositions(const LaneContext& lane, const KafkaTargets& targets,
                               const SourceProgram& source_program, Source& source)
    : lane_(lane),
      options_(targets.front().second->settings().options),
      topic_(targets.front().second->settings().topic),
      source_program_(source_program),
      description_(source_program.PlaceInProject()),
      consumer_(ConsumerOf(source_program, source)) {}

KafkaPositions::~KafkaPositions() = default;

Status KafkaPositions::Open() {
  if (consumer_ != nullptr) return Status::Ok();
  ASSIGN_OR_RETURN(const std::string mark, source_program_.Identity());
  metadata_ = mark.empty() ? description_ : description_ + kMarkFollows + mark;
  return Status::Ok();
}

// Whether a position stored with `metadata` is one in the input that is there now.
Result<bool> KafkaPositions::IsOfThisInput(std::string_view metadata) const {
  // Older versions stored the absolute path.
  const std::string absolute = source_program_.Describe();
  const bool old = !metadata.starts_with(description_) && metadata.starts_with(absolute);
  if (!old && !metadata.starts_with(description_)) return false;
  metadata.remove_prefix(old ? absolute.size() : description_.size());
  if (!metadata.empty() && !metadata.starts_with(kMarkFollows)) return false;
  if (!metadata.empty()) metadata.remove_prefix(std::string_view(kMarkFollows).size());
  bool grown = false;
  return source_program_.SameInput(std::string(metadata), &grown);
}

std::string KafkaPositions::group() const { return "anabranch." + lane_.topology + "." + lane_.source_id; }

Result<std::vector<int64_t>> KafkaPositions::Stored(std::span<const PartitionId> partitions) {
  return consumer_ != nullptr ? consumer_->StoredPositions(partitions) : StoredByGroup(partitions);
}

Result<std::vector<int64_t>> KafkaPositions::StoredByGroup(std::span<const PartitionId> partitions) {
  if (partitions.empty()) return std::vector<int64_t>();
  if (partitions.size() > 1) {
    return Status(Code::kInternal, "positions of " + std::to_string(partitions.size()) + " partitions of " +
                                       description_ + " in group \"" + group() + "\": only one can be kept");
  }
  if (reader_ == nullptr) {
    ClientHooks hooks;
    hooks.warn = lane_.warn;
    ASSIGN_OR_RETURN(reader_, KafkaClient::Make(KafkaClient::Kind::kConsumer, options_, {},
                                                {{"group.id", group()},
                                                 {"isolation.level", "read_committed"},
                                                 {"enable.auto.commit", "false"},
                                                 {"allow.auto.create.topics", "false"}},
                                                std::move(hooks)));
  }
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(1));
  const rd_kafka_topic_partition_t& stored = *rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), 0);
  RETURN_IF_ERROR(AskStored(*reader_, group(), options_, lane_.cancel, list.get()));
  scoring_ = {};
  if (stored.offset < 0) return std::vector<int64_t>{kNoPosition};
  std::string_view metadata(static_cast<const char*>(stored.metadata), stored.metadata_size);
  scoring_ = TakeScoring(&metadata);
  ASSIGN_OR_RETURN(const bool same, IsOfThisInput(metadata));
  if (!same) {
    return Status(Code::kInvalid, "group \"" + group() + "\" on " + options_.Servers() + " holds the position of \"" +
                                      std::string(metadata) + "\", not of \"" + metadata_ +
                                      "\"; run with --new-identity or under another name");
  }
  return std::vector<int64_t>{stored.offset};
}

Scoring KafkaPositions::StoredScoring(PartitionId partition) const {
  return consumer_ != nullptr ? consumer_->StoredScoring(partition) : scoring_;
}

// `ahead`: the stored position is.
std::string KafkaPositions::Note(const PositionRange& range, bool ahead) const {
  const Scoring scoring = ahead ? StoredScoring(range.partition) : range.scoring;
  if (consumer_ == nullptr) return WithScoring(metadata_, scoring);
  return consumer_->PositionNote(lane_.partitions->at(range.partition).topic, scoring);
}

KafkaPartitions KafkaPositions::ToSend(const EpochEnd& end, std::span<const int64_t> progress) const {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(end.positions.size())));
  for (const PositionRange& range : end.positions) {
    const bool known = range.partition < progress.size() && progress[range.partition] != kNoPosition;
    const bool ahead = known && range.next < progress[range.partition];
    const bool ours = consumer_ != nullptr;
    const SourcePartition& partition = lane_.partitions->at(range.partition);
    rd_kafka_topic_partition_t* element = rd_kafka_topic_partition_list_add(
        list.get(), ours ? partition.topic.c_str() : topic_.c_str(), ours ? partition.partition : 0);
    element->offset = ahead ? progress[range.partition] : range.next;
    SetMetadata(element, Note(range, ahead));
  }
  return list;
}

KafkaGroupMetadata KafkaPositions::Metadata() const {
  if (consumer_ != nullptr) return consumer_->GroupMetadata();
  return KafkaGroupMetadata(rd_kafka_consumer_group_metadata_new(group().c_str()));
}

}  // namespace anabranch

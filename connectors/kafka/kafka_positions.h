#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/kafka/kafka_producer.h"
#include "connectors/kafka/kafka_source.h"
#include "engine/committer.h"
#include "engine/lane_context.h"

namespace anabranch {

// Where a transaction stores the positions of its source, and how they are sent. Used like the committer that owns it.
class KafkaPositions {
 public:
  KafkaPositions(const LaneContext& lane, const KafkaTargets& targets, const SourceProgram& source_program,
                 Source& source);
  ~KafkaPositions();

  // Takes the mark of an input that is not Kafka's; before all else.
  Status Open();
  // The lane's consumer; null when the source is not Kafka.
  KafkaSource* consumer() const { return consumer_; }
  // kInvalid when what is stored is a position in another input.
  Result<std::vector<int64_t>> Stored(std::span<const PartitionId> partitions);
  // What was stored with the position that Stored() last found.
  Scoring StoredScoring(PartitionId partition) const;
  // What to send within a transaction: a position below `progress` (by PartitionId) moves the stored one not back, and
  // leaves its scoring.
  // Null metadata = the consumer has no partitions.
  KafkaPartitions ToSend(const EpochEnd& end, std::span<const int64_t> progress) const;
  KafkaGroupMetadata Metadata() const;
  std::string group() const;

 private:
  Result<std::vector<int64_t>> StoredByGroup(std::span<const PartitionId> partitions);
  Result<bool> IsOfThisInput(std::string_view metadata) const;
  std::string Note(const PositionRange& range, bool ahead) const;

  const LaneContext& lane_;
  const ClientOptions options_;
  const std::string topic_;  // carries the position of a source that is not Kafka
  const SourceProgram& source_program_;
  const std::string description_;  // of that source
  std::string metadata_;           // description and mark
  Scoring scoring_;                // stored with the position of that source
  KafkaSource* const consumer_;
  std::shared_ptr<KafkaClient> reader_;  // asks for it
};

}  // namespace anabranch

#include <algorithm>

#include "connectors/kafka/kafka_source.h"

namespace anabranch {

std::string GroupOf(const KafkaSourceSettings& settings, const std::string& topology) {
  return settings.group.empty() ? "anabranch." + topology : settings.group;
}

KafkaSourceProgram::KafkaSourceProgram(std::shared_ptr<const KafkaSourceSettings> settings)
    : settings_(std::move(settings)) {}

int KafkaSourceProgram::Lanes(int workers) const {
  const MutexLock lock(mutex_);
  if (partitions_ == 0) {
    // A missing topic is reported by the lane, which knows the command that makes it.
    const Result<std::vector<TopicFacts>> found =
        FindTopics(settings_->options, settings_->topics, kConnectWaitNs, nullptr, nullptr);
    unavailable_ = found.status();
    if (!found.ok()) return 1;
    for (const TopicFacts& topic : *found) partitions_ += topic.partitions;
  }
  return std::max(1, std::min(workers, partitions_));
}

Result<std::unique_ptr<Source>> KafkaSourceProgram::OpenLane(const LaneContext& lane) const {
  {
    const MutexLock lock(mutex_);
    if (!unavailable_.ok()) return unavailable_;
  }
  return std::unique_ptr<Source>(std::make_unique<KafkaSource>(settings_, lane));
}

std::shared_ptr<const SourceProgram> KafkaSourceProgram::Reader() const {
  auto settings = std::make_shared<KafkaSourceSettings>(*settings_);
  settings->start = PositionRule::Earliest();
  settings->end = PositionRule::Latest();
  settings->read_back = true;
  return std::make_shared<KafkaSourceProgram>(std::move(settings));
}

std::string KafkaSourceProgram::Describe() const {
  std::string text = settings_->topics.size() == 1 ? "kafka topic " : "kafka topics ";
  for (size_t i = 0; i < settings_->topics.size(); ++i) text += (i == 0 ? "" : ", ") + settings_->topics[i];
  return text + " on " + settings_->options.Servers();
}

}  // namespace anabranch

#include "connectors/kafka/kafka_topics.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <map>

#include "connectors/kafka/kafka_target.h"
#include "engine/clock.h"

namespace anabranch {

namespace {

// The topics that one connection is asked for, with who needs each.
struct Wanted {
  const ClientOptions* options = nullptr;
  std::vector<std::string> topics;
  std::map<std::string, std::string> who;

  void Add(const std::string& topic, const std::string& needs) {
    std::string& all = who[topic];
    if (all.empty()) topics.push_back(topic);
    all += (all.empty() ? "" : ", ") + needs;
  }
};

std::map<std::string, Wanted> ByConnection(std::span<const OutsideNeed> needs) {
  std::map<std::string, Wanted> all;
  for (const OutsideNeed& need : needs) {
    const auto* source =
        need.source == nullptr ? nullptr : dynamic_cast<const KafkaSourceProgram*>(&need.source->origin());
    const auto* target = dynamic_cast<const KafkaTargetProgram*>(need.target);
    if (source == nullptr && target == nullptr) continue;
    const ClientOptions& options = source != nullptr ? source->settings().options : target->settings().options;
    Wanted& wanted = all[options.connection];
    wanted.options = &options;
    if (target != nullptr) wanted.Add(target->settings().topic, need.who);
    if (source == nullptr) continue;
    for (const std::string& topic : source->settings().topics) wanted.Add(topic, need.who);
  }
  return all;
}

std::string MissingText(const Wanted& wanted, const std::vector<int>& counts) {
  std::string text;
  size_t missing = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) continue;
    ++missing;
    text += "\n  \"" + wanted.topics[i] + "\" (" + wanted.who.at(wanted.topics[i]) +
            "): " + CreateTopicCommand(wanted.topics[i], *wanted.options);
  }
  if (missing == 0) return text;
  return (missing == 1 ? "one topic does" : std::to_string(missing) + " topics do") +
         (" not exist on " + wanted.options->Servers()) + ". Make " + (missing == 1 ? "it" : "them") +
         " first; the number of partitions is up to you:" + text;
}

// The groups of topics and partitions that exist, none asked yet.
Result<KafkaPartitions> AllPartitions(const KafkaSourceSettings& settings, int64_t wait_ns) {
  ASSIGN_OR_RETURN(const std::vector<int> counts,
                   FindTopics(settings.options, settings.topics, wait_ns, nullptr, nullptr));
  KafkaPartitions list(rd_kafka_topic_partition_list_new(16));
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    rd_kafka_topic_partition_list_add_range(list.get(), settings.topics[i].c_str(), 0, counts[i] - 1);
  }
  return list;
}

}  // namespace

Status CheckTopics(std::span<const OutsideNeed> needs, const CancelToken* cancel) {
  std::string missing;
  for (const auto& [connection, wanted] : ByConnection(needs)) {
    ASSIGN_OR_RETURN(const std::vector<int> counts,
                     FindTopics(*wanted.options, wanted.topics, kConnectWaitNs, cancel, nullptr));
    const std::string text = MissingText(wanted, counts);
    if (!text.empty()) missing += (missing.empty() ? "" : "\n") + text;
  }
  return missing.empty() ? Status::Ok() : Status(Code::kUnavailable, missing);
}

Result<std::vector<PartitionLag>> AskLag(const KafkaSourceSettings& settings, const std::string& topology,
                                         int64_t wait_ms) {
  const int64_t deadline = Clock::Real().NowNs() + wait_ms * kNsPerMs;
  const auto left_ms = [&] {
    return static_cast<int>(std::max<int64_t>(1, (deadline - Clock::Real().NowNs()) / kNsPerMs));
  };
  ASSIGN_OR_RETURN(const KafkaPartitions list, AllPartitions(settings, wait_ms * kNsPerMs));
  const std::string group = GroupOf(settings, topology);
  ASSIGN_OR_RETURN(const auto client, KafkaClient::Make(KafkaClient::Kind::kConsumer, settings.options, {},
                                                        {{"group.id", group},
                                                         {"enable.auto.commit", "false"},
                                                         {"isolation.level", "read_committed"},
                                                         {"allow.auto.create.topics", "false"}},
                                                        {}));
  const auto failed = [&](const std::string& what, int error) {
    return Status(Code::kUnavailable, what + " cannot be read: " + ErrorText(error) + "; " + client->Complaint());
  };
  if (list->cnt > 0) {
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT;
    while (error == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT && Clock::Real().NowNs() < deadline) {
      error = rd_kafka_committed(client->get(), list.get(), left_ms());
      for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) error = list->elems[i].err;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return failed("the positions of group \"" + group + "\"", error);
  }
  std::vector<PartitionLag> all;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& stored = list->elems[i];
    PartitionLag lag{.partition = std::string(stored.topic) + "/" + std::to_string(stored.partition)};
    int64_t low = 0;
    const rd_kafka_resp_err_t error =
        rd_kafka_query_watermark_offsets(client->get(), stored.topic, stored.partition, &low, &lag.end, left_ms());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return failed("the end of topic " + lag.partition, error);
    if (stored.offset >= 0) lag.committed = stored.offset;
    lag.records = std::max<int64_t>(0, lag.end - std::max(low, lag.committed));
    all.push_back(std::move(lag));
  }
  return all;
}

}  // namespace anabranch

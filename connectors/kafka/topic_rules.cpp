#include "connectors/kafka/topic_rules.h"

#include <librdkafka/rdkafka.h>

#include <charconv>

namespace anabranch {

namespace {

constexpr std::string_view kPolicy = "cleanup.policy";
constexpr std::string_view kInSync = "min.insync.replicas";
constexpr std::string_view kListed[] = {kPolicy, "retention.ms", kInSync};

std::string SettingIn(const OutsideThing& thing, std::string_view name) {
  for (const auto& [setting, value] : thing.settings) {
    if (setting == name) return value;
  }
  return {};
}

std::string SetTopicCommand(const TopicNeed& need, const ClientOptions& options, const std::string& setting) {
  return KafkaTool("kafka-configs.sh", options) + " --alter --entity-type topics --entity-name " + need.topic +
         " --add-config " + setting;
}

// Entries are the history of the models: none expires, and they have one order.
void JudgeControl(const TopicNeed& need, const TopicFacts& facts, const ClientOptions& options, OutsideThing* thing) {
  if (!need.control) return;
  if (facts.partitions != 1) {
    thing->problems.push_back("has " + std::to_string(facts.partitions) +
                              " partitions, and entries of control have one order: name another topic");
  }
  const std::string policy = SettingIn(*thing, kPolicy);
  if (policy == "compact" || SettingIn(*thing, "retention.ms") == "-1" || policy.empty()) return;
  thing->problems.push_back("cleanup.policy is \"" + policy +
                            "\": Kafka deletes entries of control when they are old. Set it to \"compact\": " +
                            SetTopicCommand(need, options, "cleanup.policy=compact"));
}

void JudgePolicy(const TopicNeed& need, const ClientOptions& options, OutsideThing* thing) {
  const std::string policy = SettingIn(*thing, kPolicy);
  if (need.control && !need.source && !need.result && !need.dead_letters) return;
  if (policy.find("compact") == std::string::npos) return;
  const std::string is = "cleanup.policy is \"" + policy + "\": ";
  if (need.result || need.dead_letters) {
    thing->problems.push_back(is + "Kafka deletes a " + (need.dead_letters ? "dead letter" : "result") +
                              " once a newer one has the same key. Set it to \"delete\": " +
                              SetTopicCommand(need, options, "cleanup.policy=delete"));
  } else {
    thing->notes.push_back(is + "Kafka may delete a record before it is read, once a newer one has the same key");
  }
}

void JudgeReplicas(const TopicNeed& need, const TopicFacts& facts, const ClientOptions& options, OutsideThing* thing) {
  const std::string text = SettingIn(*thing, kInSync);
  int in_sync = 0;
  std::from_chars(text.data(), text.data() + text.size(), in_sync);
  if (!(need.result || need.dead_letters || need.control) || in_sync <= facts.replicas) return;
  const std::string replicas = std::to_string(facts.replicas);
  thing->problems.push_back("min.insync.replicas is " + text + ", but a partition has only " + replicas + " replica" +
                            (facts.replicas == 1 ? "" : "s") + ": every write fails. Add replicas, or lower it: " +
                            SetTopicCommand(need, options, "min.insync.replicas=" + replicas));
}

void JudgeWishes(const TopicNeed& need, const TopicFacts& facts, const OutsideWishes& wishes,
                 const ClientOptions& options, OutsideThing* thing) {
  const int partitions = WishedPartitions(need, wishes);
  if (partitions > 0 && partitions != facts.partitions) {
    std::string text = "has " + std::to_string(facts.partitions) + " partition" + (facts.partitions == 1 ? "" : "s") +
                       ", and " + std::to_string(partitions) + " were asked for. An existing topic is not changed: ";
    if (partitions < facts.partitions) {
      text += "Kafka cannot remove partitions. Ask for the number that it has, or delete the topic and make it again";
    } else {
      text += "with more partitions, keys go to other partitions than before. If that may be: " +
              KafkaTool("kafka-topics.sh", options) + " --alter --topic " + need.topic + " --partitions " +
              std::to_string(partitions);
    }
    thing->problems.push_back(text);
  }
  if (wishes.replicas > 0 && wishes.replicas != facts.replicas) {
    thing->problems.push_back("has replication " + std::to_string(facts.replicas) + ", and " +
                              std::to_string(wishes.replicas) +
                              " was asked for. An existing topic is not changed: use kafka-reassign-partitions.sh, or "
                              "ask for the number that it has");
  }
}

}  // namespace

std::span<const std::string_view> ListedTopicSettings() { return kListed; }

int WishedPartitions(const TopicNeed& need, const OutsideWishes& wishes) {
  if (const auto own = wishes.partitions_of.find(need.topic); own != wishes.partitions_of.end()) return own->second;
  return need.source || need.result ? wishes.partitions : 0;
}

NewTopic PlanTopic(const TopicNeed& need, const OutsideWishes& wishes, int source_partitions) {
  NewTopic topic;
  topic.name = need.topic;
  if (wishes.replicas > 0) topic.replicas = wishes.replicas;
  if (need.result || need.dead_letters) topic.settings.emplace_back(kPolicy, "delete");
  if (need.control) {
    topic.settings.emplace_back(kPolicy, "compact");
    // Counts replace those before. Kafka cleans only what is no longer written to, by default 1 GB.
    topic.settings.emplace_back("segment.bytes", "16777216");
    topic.settings.emplace_back("min.cleanable.dirty.ratio", "0.1");
  }
  if (const int wished = WishedPartitions(need, wishes); wished > 0) {
    topic.partitions = wished;
  } else if (need.result && source_partitions > 0) {
    topic.partitions = source_partitions;
  } else if (!need.source && !need.result) {
    topic.partitions = 1;
  }
  return topic;
}

void JudgeTopic(const TopicNeed& need, const TopicFacts& facts, const OutsideWishes& wishes,
                const ClientOptions& options, OutsideThing* thing) {
  if (facts.leaderless > 0) {
    thing->problems.push_back(std::to_string(facts.leaderless) + " of " + std::to_string(facts.partitions) +
                              " partitions have no leader: nobody can read or write them. Start the brokers that hold "
                              "them");
  }
  JudgeControl(need, facts, options, thing);
  JudgePolicy(need, options, thing);
  JudgeReplicas(need, facts, options, thing);
  JudgeWishes(need, facts, wishes, options, thing);
}

std::string WhyNotMade(const std::string& topic, int error, const std::string& text) {
  std::string why = "could not be made: " + (text.empty() ? ErrorText(error) : text);
  while (why.ends_with('.')) why.pop_back();
  switch (error) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return why + ". This user may not create it: grant CREATE on the topic \"" + topic + "\" or on the cluster";
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
      return why + ". Ask for a replication of at most the number of brokers";
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS: return why + ". Ask for another number of partitions";
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return why + ". The brokers have a policy for new topics: follow it, or ask those who run them";
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
      return why + ". Brokers below 2.4 have no default: ask for a number of partitions and a replication";
    default: return why;
  }
}

}  // namespace anabranch

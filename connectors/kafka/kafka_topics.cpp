#include "connectors/kafka/kafka_topics.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <map>

#include "connectors/kafka/kafka_admin.h"
#include "connectors/kafka/kafka_control_log.h"
#include "connectors/kafka/kafka_target.h"
#include "connectors/kafka/topic_rules.h"
#include "engine/clock.h"

namespace anabranch {

namespace {

constexpr int64_t kCreateWaitNs = 30'000'000'000;  // a large cluster takes its time
constexpr int64_t kLeadersWaitNs = 15'000'000'000;
constexpr int64_t kLeadersPauseNs = 100'000'000;

// The topics that one connection is asked for.
struct Wanted {
  const ClientOptions* options = nullptr;
  std::vector<TopicNeed> topics;

  TopicNeed& Add(const std::string& topic, const std::string& who) {
    const auto at = std::ranges::find(topics, topic, &TopicNeed::topic);
    TopicNeed& need = at != topics.end() ? *at : topics.emplace_back();
    need.topic = topic;
    need.who.push_back(who);
    return need;
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const TopicNeed& need : topics) names.push_back(need.topic);
    return names;
  }
};
using WantedTopics = std::map<std::string, Wanted>;  // by connection

WantedTopics ByConnection(std::span<const OutsideNeed> needs) {
  WantedTopics all;
  for (const OutsideNeed& need : needs) {
    const auto* source =
        need.source == nullptr ? nullptr : dynamic_cast<const KafkaSourceProgram*>(&need.source->origin());
    const auto* target = dynamic_cast<const KafkaTargetProgram*>(need.target);
    const auto* control = dynamic_cast<const KafkaControlProgram*>(need.control);
    if (source == nullptr && target == nullptr && control == nullptr) continue;
    const ClientOptions& options = source != nullptr   ? source->settings().options
                                   : target != nullptr ? target->settings().options
                                                       : control->options();
    Wanted& wanted = all[options.connection];
    wanted.options = &options;
    if (target != nullptr) {
      TopicNeed& topic = wanted.Add(target->settings().topic, need.who);
      (target->settings().dead_letters ? topic.dead_letters : topic.result) = true;
    }
    if (control != nullptr) wanted.Add(control->topic(), need.who).control = true;
    if (source == nullptr) continue;
    for (const std::string& topic : source->settings().topics) wanted.Add(topic, need.who).source = true;
  }
  return all;
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::string MissingText(const Wanted& wanted, const std::vector<TopicFacts>& found, const std::string& make_command) {
  std::string text;
  size_t missing = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].partitions != 0) continue;
    ++missing;
    const TopicNeed& need = wanted.topics[i];
    text += "\n  \"" + need.topic + "\" (" + Joined(need.who) + "): " + CreateTopicCommand(need.topic, *wanted.options);
  }
  if (missing == 0) return text;
  const std::string them = missing == 1 ? "it" : "them";
  return (missing == 1 ? "one topic does" : std::to_string(missing) + " topics do") +
         (" not exist on " + wanted.options->Servers()) + ". Make " + them + " first" +
         (make_command.empty() ? "" : ": " + make_command + "\nOr with the tool of Kafka") +
         "; the number of partitions is up to you:" + text;
}

OutsideThing ThingOf(const TopicNeed& need, const TopicFacts& facts, const ClientOptions& options) {
  OutsideThing thing;
  thing.kind = "topic";
  thing.name = need.topic;
  thing.place = options.Servers();
  thing.connection = options.connection;
  thing.who = need.who;
  thing.exists = facts.partitions > 0;
  thing.partitions = facts.partitions;
  thing.replicas = facts.replicas;
  return thing;
}

void SetSettings(const TopicSettings& found, OutsideThing* thing) {
  for (const std::string_view name : ListedTopicSettings()) {
    const auto value = found.values.find(std::string(name));
    if (value != found.values.end()) thing->settings.emplace_back(name, value->second);
  }
  if (found.error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    thing->notes.push_back(
        "this user may not read the settings, so they were not checked: grant DESCRIBE_CONFIGS on the topic");
  } else if (found.error != 0) {
    thing->notes.push_back("the settings could not be read, so they were not checked: " + ErrorText(found.error));
  }
}

Status ListConnection(const Wanted& wanted, const OutsideWishes& wishes, int64_t missing_wait_ns,
                      const CancelToken* cancel, std::vector<OutsideThing>* things) {
  const ClientOptions& options = *wanted.options;
  ASSIGN_OR_RETURN(const std::vector<TopicFacts> found,
                   FindTopics(options, wanted.Names(), kConnectWaitNs, cancel, nullptr, missing_wait_ns));
  std::vector<std::string> there;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].partitions > 0) there.push_back(wanted.topics[i].topic);
  }
  ASSIGN_OR_RETURN(const std::vector<TopicSettings> settings, DescribeTopics(options, there, kConnectWaitNs, cancel));
  size_t next = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const TopicNeed& need = wanted.topics[i];
    OutsideThing& thing = things->emplace_back(ThingOf(need, found[i], options));
    if (!thing.exists) continue;
    SetSettings(settings[next++], &thing);
    JudgeTopic(need, found[i], wishes, options, &thing);
  }
  return Status::Ok();
}

// `missing_wait_ns`: how long a topic that does not exist may take to appear.
Result<std::vector<OutsideThing>> ListAll(const WantedTopics& all, const OutsideWishes& wishes, int64_t missing_wait_ns,
                                          const CancelToken* cancel) {
  std::vector<OutsideThing> things;
  for (const auto& [connection, wanted] : all) {
    RETURN_IF_ERROR(ListConnection(wanted, wishes, missing_wait_ns, cancel, &things));
  }
  return things;
}

// Makes the topics that a list found missing.
class TopicMaker {
 public:
  // `things` as ListAll() gives them for `all`; both outlive the maker.
  TopicMaker(const WantedTopics& all, const OutsideWishes& wishes, const CancelToken* cancel,
             std::vector<OutsideThing>* things)
      : cancel_(cancel), things_(things) {
    int source_partitions = 0;
    size_t next = 0;
    for (const auto& [connection, wanted] : all) {
      for (const TopicNeed& need : wanted.topics) {
        const OutsideThing& thing = (*things)[next++];
        const int partitions = thing.exists ? thing.partitions : WishedPartitions(need, wishes);
        if (need.source) source_partitions = std::max(source_partitions, partitions);
      }
    }
    next = 0;
    for (const auto& [connection, wanted] : all) {
      Batch& batch = batches_.emplace_back();
      batch.options = wanted.options;
      for (const TopicNeed& need : wanted.topics) {
        const size_t thing = next++;
        if ((*things)[thing].exists) continue;
        batch.topics.push_back(PlanTopic(need, wishes, source_partitions));
        batch.things.push_back(thing);
      }
    }
    std::erase_if(batches_, [](const Batch& batch) { return batch.topics.empty(); });
  }

  // All of them, or, where the brokers say beforehand that one cannot be made, none. What was refused has a problem.
  Status Make() {
    size_t refused = 0;
    for (const Batch& batch : batches_) RETURN_IF_ERROR(Send(batch, true, &refused));
    if (refused > 0) return Status::Ok();
    for (const Batch& batch : batches_) {
      const Status sent = Send(batch, false, &refused);
      if (!sent.ok()) {
        return {sent.code(), sent.message() +
                                 ". Some topics may have been made: run the command again, it makes only "
                                 "those that are missing"};
      }
    }
    for (const Batch& batch : batches_) RETURN_IF_ERROR(AwaitLeaders(batch));
    return Status::Ok();
  }

 private:
  struct Batch {
    const ClientOptions* options = nullptr;
    std::vector<NewTopic> topics;
    std::vector<size_t> things;  // by topic: its index in *things_
  };

  Status Send(const Batch& batch, bool only_ask, size_t* refused) {
    ASSIGN_OR_RETURN(const std::vector<TopicAnswer> answers,
                     CreateTopics(*batch.options, batch.topics, only_ask, kCreateWaitNs, cancel_));
    for (size_t i = 0; i < answers.size(); ++i) {
      OutsideThing& thing = (*things_)[batch.things[i]];
      const int error = answers[i].error;
      if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        thing.exists = true;  // somebody else made it meanwhile
      } else if (error != 0) {
        ++*refused;
        thing.problems.push_back(WhyNotMade(thing.name, error, answers[i].text));
      } else if (!only_ask) {
        thing.exists = thing.made = true;
      }
    }
    return Status::Ok();
  }

  // A topic is made before every broker knows it. One that stays without a leader is found by the list that follows.
  Status AwaitLeaders(const Batch& batch) const {
    std::vector<std::string> names;
    for (const size_t thing : batch.things) {
      if ((*things_)[thing].exists) names.push_back((*things_)[thing].name);
    }
    if (names.empty()) return Status::Ok();
    const int64_t deadline = Clock::Real().NowNs() + kLeadersWaitNs;
    Patience patience(cancel_);
    while (Clock::Real().NowNs() < deadline) {
      ASSIGN_OR_RETURN(const std::vector<TopicFacts> found,
                       FindTopics(*batch.options, names, kConnectWaitNs, cancel_, nullptr));
      if (std::ranges::all_of(found,
                              [](const TopicFacts& each) { return each.partitions > 0 && each.leaderless == 0; })) {
        break;
      }
      patience.Pause(kLeadersPauseNs);
    }
    return Status::Ok();
  }

  const CancelToken* const cancel_;
  std::vector<OutsideThing>* const things_;
  std::vector<Batch> batches_;
};

// The groups of topics and partitions that exist, none asked yet.
Result<KafkaPartitions> AllPartitions(const KafkaSourceSettings& settings, int64_t wait_ns) {
  ASSIGN_OR_RETURN(const std::vector<TopicFacts> found,
                   FindTopics(settings.options, settings.topics, wait_ns, nullptr, nullptr));
  KafkaPartitions list(rd_kafka_topic_partition_list_new(16));
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].partitions == 0) continue;
    rd_kafka_topic_partition_list_add_range(list.get(), settings.topics[i].c_str(), 0, found[i].partitions - 1);
  }
  return list;
}

}  // namespace

Status CheckTopics(std::span<const OutsideNeed> needs, const std::string& make_command, const CancelToken* cancel) {
  std::string missing;
  for (const auto& [connection, wanted] : ByConnection(needs)) {
    ASSIGN_OR_RETURN(const std::vector<TopicFacts> found,
                     FindTopics(*wanted.options, wanted.Names(), kConnectWaitNs, cancel, nullptr));
    const std::string text = MissingText(wanted, found, make_command);
    if (!text.empty()) missing += (missing.empty() ? "" : "\n") + text;
  }
  return missing.empty() ? Status::Ok() : Status(Code::kUnavailable, missing);
}

Result<std::vector<OutsideThing>> ListTopics(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                             const CancelToken* cancel) {
  return ListAll(ByConnection(needs), wishes, 0, cancel);
}

Result<std::vector<OutsideThing>> MakeTopics(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                             const CancelToken* cancel) {
  const WantedTopics all = ByConnection(needs);
  ASSIGN_OR_RETURN(std::vector<OutsideThing> before, ListAll(all, wishes, 0, cancel));
  if (std::ranges::all_of(before, &OutsideThing::exists)) return before;
  RETURN_IF_ERROR(TopicMaker(all, wishes, cancel, &before).Make());
  const bool made = std::ranges::any_of(before, &OutsideThing::made);
  ASSIGN_OR_RETURN(std::vector<OutsideThing> after, ListAll(all, wishes, made ? kMissingWaitNs : 0, cancel));
  for (size_t i = 0; i < after.size(); ++i) {
    after[i].made = before[i].made;
    if (!after[i].exists) after[i].problems = before[i].problems;
  }
  return after;
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

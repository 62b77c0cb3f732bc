#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/kafka/kafka_client.h"
#include "engine/outside_thing.h"

namespace anabranch {

// What makes a topic right for its readers and writers, and what a new one is made with. Pure functions.

// A topic, and the parts of a topology that need it. A topic may have several roles.
struct TopicNeed {
  std::string topic;
  std::vector<std::string> who;  // OutsideNeed::who
  bool source = false;           // is read
  bool result = false;           // gets results
  bool dead_letters = false;
  bool control = false;  // holds the control log
};

// A topic to be made; -1: the default of the brokers.
struct NewTopic {
  std::string name;
  int partitions = -1;
  int replicas = -1;
  std::vector<std::pair<std::string, std::string>> settings;
};

// The settings of a topic that are listed, in this order.
std::span<const std::string_view> ListedTopicSettings();

// How many partitions were asked for; 0: nobody said. A number for all topics is not for dead letters: they are few.
int WishedPartitions(const TopicNeed& need, const OutsideWishes& wishes);

// `source_partitions`: the most that a source topic of the topology has or gets; 0: it is not known. Results get as
// many, dead letters get one; results and dead letters are kept by age, whatever the default of the brokers is.
NewTopic PlanTopic(const TopicNeed& need, const OutsideWishes& wishes, int source_partitions);

// Adds the problems and notes of a topic that exists to `thing`, whose settings are set.
void JudgeTopic(const TopicNeed& need, const TopicFacts& facts, const OutsideWishes& wishes,
                const ClientOptions& options, OutsideThing* thing);

// Why a topic was not made, and what to do: `error` and `text` are the answer of the brokers.
std::string WhyNotMade(const std::string& topic, int error, const std::string& text);

}  // namespace anabranch

#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace anabranch {

// What a user asks of the things outside. 0 everywhere: the defaults of the connector.
struct OutsideWishes {
  int partitions = 0;                        // of each thing that has no entry below; dead letters do not follow it
  std::map<std::string, int> partitions_of;  // by name
  int replicas = 0;
};

// One thing outside that parts of a topology need, as it is now: a topic, for example.
struct OutsideThing {
  std::string kind;              // a noun: "topic"
  std::string name;              // unique within its place
  std::string place;             // "localhost:9092"
  std::string connection;        // its name in the topology; with the place it says where to look
  std::vector<std::string> who;  // OutsideNeed::who of the parts that need it
  bool exists = false;
  bool made = false;                                          // by Connector::MakeOutside
  int partitions = 0;                                         // 0: it does not exist
  int replicas = 0;                                           // of the partition that has the fewest
  std::vector<std::pair<std::string, std::string>> settings;  // those that matter here, in a fixed order
  std::vector<std::string> problems;  // why it cannot be used as it is, or could not be made; with what to do
  std::vector<std::string> notes;     // what to know; nothing has to be done

  bool ok() const { return exists && problems.empty(); }
};

}  // namespace anabranch

#pragma once

#include <string>
#include <vector>

#include "engine/outside_thing.h"

namespace anabranch {

// The topics of one topology, and how it went to ask for them.
struct TopicsReport {
  std::string file;  // as given
  std::string name;  // of the topology
  std::vector<OutsideThing> topics;
  std::string error;  // why the brokers could not be asked; empty: they were, and `topics` is complete
};

// "made", "ok", "missing" or "problem".
std::string TopicState(const OutsideThing& topic);

// A table per place, then problems and notes, one per line.
std::string TopicsText(const TopicsReport& report);
// {"ok": bool, "files": [{"file", "name", "error": text|null, "topics": [{"name", "state", "needed_by": […], "servers",
// "connection", "partitions": n|null, "replication": n|null, "settings": {…}, "problems": […], "notes": […]}]}]}
std::string TopicsJson(const std::vector<TopicsReport>& reports);
// What was done and what to do next: `create` is the command that makes the missing topics. Ends with a line feed.
std::string TopicsSummary(const TopicsReport& report, const std::string& create);

}  // namespace anabranch

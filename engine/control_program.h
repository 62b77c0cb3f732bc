#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/status.h"

namespace anabranch {

class ControlLog;  // engine/models/control_log.h
class SourceProgram;

// The topology whose generations a control log holds.
struct ControlPlace {
  std::string topology;                       // the name under which its groups are (LaneContext::topology)
  std::vector<const SourceProgram*> sources;  // who reads them are its instances
};

// Where the instances of a topology agree on the generations of its models: "control" of the file, bound. Immutable.
class ControlProgram {
 public:
  virtual ~ControlProgram() = default;
  virtual std::string Describe() const = 0;  // "topic fraud.control"
  // Waits a bounded time. kUnavailable: what is missing or cannot be reached, with the cure.
  virtual Result<std::unique_ptr<ControlLog>> Open(const ControlPlace& place) const = 0;
};

}  // namespace anabranch

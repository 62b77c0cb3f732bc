#include "connectors/kafka/kafka_control_log.h"

#include "engine/models/control_log.h"

namespace anabranch {

Result<std::unique_ptr<ControlLog>> KafkaControlProgram::Open(const ControlPlace& place) const {
  return Status(Code::kUnavailable, Describe() + " of " + place.topology + " cannot be opened");
}

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>
#include <utility>

#include "connectors/kafka/kafka_options.h"
#include "engine/control_program.h"

namespace anabranch {

// The control log of a topology as a topic with one partition: an entry is a record, its number the offset + 1. The
// members of the groups of the sources are the instances.
class KafkaControlProgram : public ControlProgram {
 public:
  KafkaControlProgram(ClientOptions options, std::string topic)
      : options_(std::move(options)), topic_(std::move(topic)) {}
  std::string Describe() const override { return "topic " + topic_; }
  Result<std::unique_ptr<ControlLog>> Open(const ControlPlace& place) const override;

  const ClientOptions& options() const { return options_; }
  const std::string& topic() const { return topic_; }

 private:
  const ClientOptions options_;
  const std::string topic_;
};

}  // namespace anabranch

#include "connectors/kafka/kafka.h"

#include <librdkafka/rdkafka.h>

#include "connectors/kafka/broker_probe.h"
#include "connectors/kafka/kafka_bind.h"
#include "connectors/kafka/kafka_committer.h"
#include "connectors/kafka/kafka_topics.h"
#include "engine/connector.h"
#include "engine/registry.h"

namespace anabranch {

namespace {

Connector::Spec MakeSpec() {
  Connector::Spec spec;
  spec.name = "kafka";
  spec.summary = "Reads Kafka topics and writes results and dead letters to them.";
  spec.about =
      "A source reads its topics as a static member of a consumer group, committed records only. Positions are stored "
      "with the results they belong to, in one transaction when the delivery is exactly once; a position that the "
      "brokers no longer hold stops the run, it is never reset.\n\n"
      "A target writes one JSON object of the node's fields per record, under the record's key (partitioned as Java "
      "clients do) and with its event time. Headers: `anabranch.id` (topic/partition/offset/node, the same on every "
      "run), `anabranch.topology`, `anabranch.models`, `content-type`, and `traceparent` and `tracestate` handed on. "
      "With `\"envelope\": \"raw\"` the value is the source record's, byte for byte; with `\"cloudevents\"` the "
      "headers "
      "follow the Kafka binding of CloudEvents.\n\n"
      "A run never creates topics: `anabranch topics FILE --create` does. A connection takes the properties of "
      "librdkafka by an allow-list; secrets "
      "come "
      "from variables or files.";
  spec.source = KafkaSourceFields();
  spec.target = KafkaTargetFields();
  spec.connection = ConnectionFields();
  spec.control = KafkaControlFields();
  spec.source_example = R"({"topics": ["payments"], "connection": "main", "start": "earliest"})";
  spec.target_example = R"({"topic": "payments.scored", "connection": "main"})";
  return spec;
}

class KafkaConnector : public Connector {
 public:
  const Spec& spec() const override { return spec_; }

  std::shared_ptr<const SourceProgram> BindSource(const ConfigValue& at, const std::string& /*source_id*/,
                                                  BindServices& services, FaultSink& faults) const override {
    return BindKafkaSource(at, services, faults);
  }

  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields& fields,
                                                  BindServices& services, FaultSink& faults) const override {
    return BindKafkaTarget(at, fields, services, faults);
  }

  std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue* at, const SourceProgram* source,
                                                       const std::string& topology, BindServices& services,
                                                       FaultSink& faults) const override {
    return BindKafkaDeadLetters(at, source, topology, services, faults);
  }

  std::shared_ptr<const ControlProgram> BindControl(const ConfigValue& at, BindServices& services,
                                                    FaultSink& faults) const override {
    return BindKafkaControl(at, services, faults);
  }

  void CheckConnection(const ConfigValue& at, FaultSink& faults) const override {
    CheckConnectionProperties(at, faults);
  }

  Result<std::shared_ptr<const SourceProgram>> BindDeadLetterSource(const TargetProgram& dead_letters,
                                                                    const std::string& /*state_dir*/) const override {
    return MakeKafkaDeadLetterSource(dead_letters);
  }

  Status CheckOutside(std::span<const OutsideNeed> needs, const std::string& make_command,
                      const CancelToken* cancel) const override {
    return CheckTopics(needs, make_command, cancel);
  }

  Result<std::vector<OutsideThing>> ListOutside(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                                const CancelToken* cancel) const override {
    return ListTopics(needs, wishes, cancel);
  }

  Result<std::vector<OutsideThing>> MakeOutside(std::span<const OutsideNeed> needs, const OutsideWishes& wishes,
                                                const CancelToken* cancel) const override {
    return MakeTopics(needs, wishes, cancel);
  }

  std::vector<Library> Libraries() const override {
    return {{"librdkafka", rd_kafka_version_str(), "librdkafka.so", CheckLibraryVersion()}};
  }

  bool CanProbe() const override { return true; }

  Result<std::string> Probe(const Endpoint& endpoint, int wait_ms) const override {
    ClientOptions options;
    options.connection = endpoint.name;
    AddProperties(endpoint.connection, &options);
    if (endpoint.connection == nullptr) {
      options.properties.push_back({"bootstrap.servers", endpoint.address, PropertyScope::kConnection});
    }
    return ProbeBrokers(options, wait_ms);
  }

  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram& source_program, Source& source) const override {
    KafkaTargets ours;
    for (const auto& [id, program] : targets) {
      ours.emplace_back(id, static_cast<const KafkaTargetProgram*>(program));  // bound by this connector
    }
    return OpenKafkaCommitter(lane, std::move(ours), source_program, source);
  }

 private:
  const Spec spec_ = MakeSpec();
};

}  // namespace

void RegisterConnectorKafka(Registry& registry) { registry.Add(std::make_unique<KafkaConnector>()); }

}  // namespace anabranch

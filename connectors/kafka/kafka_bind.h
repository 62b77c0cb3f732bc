#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_control_log.h"
#include "connectors/kafka/kafka_source.h"
#include "connectors/kafka/kafka_target.h"
#include "engine/connector.h"

namespace anabranch {

// What a source and a target of a topology may say.
std::vector<FieldSpec> KafkaSourceFields();
std::vector<FieldSpec> KafkaTargetFields();
std::vector<FieldSpec> KafkaControlFields();

// Null when faulty; every fault found is in `faults`.
std::shared_ptr<const KafkaSourceProgram> BindKafkaSource(const ConfigValue& at, BindServices& services,
                                                          FaultSink& faults);
std::shared_ptr<const KafkaTargetProgram> BindKafkaTarget(const ConfigValue& at, const TargetFields& fields,
                                                          BindServices& services, FaultSink& faults);
std::shared_ptr<const KafkaControlProgram> BindKafkaControl(const ConfigValue& at, BindServices& services,
                                                            FaultSink& faults);
// `at` null: topic TOPOLOGY.dead on the source's connection; null without a fault when that is not Kafka's.
std::shared_ptr<const KafkaTargetProgram> BindKafkaDeadLetters(const ConfigValue* at, const SourceProgram* source,
                                                               const std::string& topology, BindServices& services,
                                                               FaultSink& faults);

// Reads back the topic of a target of BindKafkaDeadLetters, committed records only. kInvalid: no such target.
Result<std::shared_ptr<const SourceProgram>> MakeKafkaDeadLetterSource(const TargetProgram& target);

}  // namespace anabranch

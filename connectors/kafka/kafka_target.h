#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "connectors/kafka/kafka_options.h"
#include "engine/target.h"

namespace anabranch {

// Names of headers on results.
inline constexpr std::string_view kHeaderId = "anabranch.id";
inline constexpr std::string_view kHeaderRevises = "anabranch.revises";
inline constexpr std::string_view kHeaderCloudEventId = "ce_id";

// Which headers results carry: all (who made them, what was handed on), the one to de-duplicate by, none.
enum class ResultHeaders : uint8_t { kAll, kId, kNone };

// A topic that results or dead letters go to. Rows of results carry only the headers that all or some rows
// share; `<topic>/<partition>/<offset>/<node>` is put on when the record is produced, made from the row's
// position. Dead letters carry all their headers.
class KafkaTargetProgram : public TargetProgram {
 public:
  struct Settings {
    ClientOptions options;
    std::string topic;
    std::string node_id;
    std::string envelope;  // "", "raw", "cloudevents"
    std::vector<TargetFields::Field> fields;
    ResultHeaders headers = ResultHeaders::kAll;
    std::string revises;  // generation; empty: none
    bool dead_letters = false;
  };
  explicit KafkaTargetProgram(Settings settings) : settings_(std::move(settings)) {}

  std::string commit_unit() const override { return "kafka:" + settings_.options.connection; }
  std::string connector() const override { return "kafka"; }
  bool ManyWriters() const override { return true; }  // a topic takes records from anyone; no record leaves twice
  bool OneUnitOnly() const override { return true; }  // a transaction reaches one connection
  bool ExactlyOnce(const SourceProgram& source, std::string* why) const override;
  // Dead letters are encoded by the engine: their encoder refuses.
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& identity) const override;
  std::shared_ptr<const SourceProgram> Reader() const override;
  std::string Describe() const override { return "kafka topic " + settings_.topic; }

  const Settings& settings() const { return settings_; }

 private:
  const Settings settings_;
};

}  // namespace anabranch

#include "connectors/kafka/kafka_bind.h"

#include <algorithm>
#include <charconv>

#include "engine/text/timestamp.h"

namespace anabranch {

namespace {

constexpr size_t kLongestTopic = 249;

Shape PositionShape(bool words) {
  const Shape timestamp = Shape::OneOf({Shape::Integer(0), Shape::String()});
  const Shape at_time = Shape::Object({{"timestamp", timestamp, true, "",
                                        "First record at or after this time: milliseconds since 1970, or RFC 3339."}});
  const Shape at_offsets =
      Shape::Object({{"offsets", Shape::Map(Shape::Integer(0), true), true, "", "Offset by \"topic/partition\"."}});
  if (!words) return Shape::OneOf({Shape::Enum({"latest"}), at_time, at_offsets});
  return Shape::OneOf({Shape::Enum({"earliest", "latest"}), at_time, at_offsets});
}

bool IsTopic(std::string_view name) {
  if (name.empty() || name.size() > kLongestTopic || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

bool CheckTopic(const ConfigValue& at, FaultSink& faults) {
  if (IsTopic(at.text)) return true;
  faults.Add(FaultCode::kBadValue, at, "\"" + at.text + "\" cannot be the name of a topic",
             "1 to 249 letters, digits, \".\", \"_\" and \"-\"; patterns are not supported");
  return false;
}

std::vector<std::string> KafkaConnections(const BindServices& services) {
  std::vector<std::string> names;
  for (const std::string& name : services.Names("connections")) {
    const ConfigValue* connection = services.Section("connections", name);
    if (connection != nullptr && connection->Find("kafka") != nullptr) names.push_back(name);
  }
  return names;
}

// The connection that `at` names, or the only one there is.
bool FindConnection(const ConfigValue& at, const BindServices& services, FaultSink& faults, ClientOptions* options) {
  const std::vector<std::string> known = KafkaConnections(services);
  const ConfigValue* named = at.Find("connection");
  if (named == nullptr) {
    if (known.empty()) {
      faults.Add(
          FaultCode::kMissingKey, at, "there is no Kafka connection",
          R"(add at the top level: "connections": {"main": {"kafka": {"bootstrap.servers": "localhost:9092"}}})");
      return false;
    }
    if (known.size() > 1) {
      faults.Add(FaultCode::kMissingKey, at, "which of " + std::to_string(known.size()) + " Kafka connections?",
                 "add \"connection\"; " + Suggest("", known));
      return false;
    }
  } else if (std::find(known.begin(), known.end(), named->text) == known.end()) {
    faults
        .Add(FaultCode::kUnknownReference, *named, "there is no Kafka connection \"" + named->text + "\"",
             Suggest(named->text, known))
        .meant = Nearest(named->text, known);
    return false;
  }
  options->connection = named == nullptr ? known.front() : named->text;
  AddProperties(services.Section("connections", options->connection)->Find("kafka"), options);
  return true;
}

bool ParseOffsets(const ConfigValue& at, const std::vector<std::string>& topics, FaultSink& faults,
                  PositionRule* rule) {
  bool good = true;
  for (const ConfigValue& member : at.children) {
    const size_t slash = member.name.rfind('/');
    int32_t partition = -1;
    if (slash != std::string::npos) {
      const char* end = member.name.data() + member.name.size();
      const auto parsed = std::from_chars(member.name.data() + slash + 1, end, partition);
      if (parsed.ptr != end || parsed.ec != std::errc()) partition = -1;
    }
    const std::string topic = member.name.substr(0, slash);
    if (partition < 0) {
      faults.AddAtName(FaultCode::kBadValue, member, "\"" + member.name + "\" is no partition",
                       "write it as \"topic/0\"");
      good = false;
    } else if (std::find(topics.begin(), topics.end(), topic) == topics.end()) {
      faults.AddAtName(FaultCode::kUnknownReference, member, "topic \"" + topic + "\" is not read by this source",
                       Suggest(topic, topics));
      good = false;
    } else {
      rule->offsets[{topic, partition}] = member.integer;
    }
  }
  return good;
}

bool ParsePosition(const ConfigValue* at, const std::vector<std::string>& topics, FaultSink& faults,
                   PositionRule* rule) {
  if (at == nullptr) return true;
  if (at->is_string()) {
    rule->kind = at->text == "latest" ? PositionRule::Kind::kLatest : PositionRule::Kind::kEarliest;
    return true;
  }
  if (const ConfigValue* offsets = at->Find("offsets")) {
    rule->kind = PositionRule::Kind::kOffsets;
    return ParseOffsets(*offsets, topics, faults, rule);
  }
  const ConfigValue* timestamp = at->Find("timestamp");
  if (timestamp == nullptr) return false;  // the structural check said so
  rule->kind = PositionRule::Kind::kTimestamp;
  rule->timestamp_ms = timestamp->integer;
  int64_t micros = 0;
  if (!timestamp->is_string()) return true;
  if (!ParseTimestamp(timestamp->text, &micros)) {
    faults.Add(FaultCode::kBadValue, *timestamp, "\"" + timestamp->text + "\" is no time",
               "write it as \"2026-01-31T12:00:00Z\"");
    return false;
  }
  rule->timestamp_ms = micros / 1000;
  return true;
}

// What stands beside the connector in a source and means something to files only.
bool CheckForm(const ConfigValue& at, FaultSink& faults) {
  if (at.parent == nullptr) return true;
  const size_t before = faults.errors();
  if (const ConfigValue* envelope = at.parent->Find("envelope")) {
    faults.Add(FaultCode::kBadValue, *envelope, "a Kafka record has its key, headers and time beside its value",
               "leave \"envelope\" out: it is how a line of a file holds them");
  }
  if (const ConfigValue* format = at.parent->Find("format"); format != nullptr && format->text == "csv") {
    faults.Add(FaultCode::kBadValue, *format, "a Kafka record has no header row, which CSV needs",
               "leave \"format\" out: the values of records are JSON");
  }
  return faults.errors() == before;
}

bool CheckEnvelope(const ConfigValue& at, const TargetFields& fields, FaultSink& faults) {
  if (fields.envelope.empty() || fields.envelope == "raw" || fields.envelope == "cloudevents") return true;
  const ConfigValue* place = fields.config == nullptr ? nullptr : fields.config->Find("envelope");
  const bool plain = fields.envelope == "plain";
  faults.Add(FaultCode::kBadValue, place == nullptr ? at : *place,
             "a Kafka target has no envelope \"" + fields.envelope + "\"",
             plain ? "leave it out: the value is the fields alone" : Suggest(fields.envelope, {"raw", "cloudevents"}));
  return false;
}

}  // namespace

std::vector<FieldSpec> KafkaSourceFields() {
  return {
      {"topics", Shape::List(Shape::String(), true), true, "", "Topics to read."},
      {"connection", Shape::String(), false, "", "Name of a connection; may be omitted where there is only one.",
       Affects::kSeparately},
      {"group", Shape::String(), false, "", "Consumer group; default anabranch.NAME.", Affects::kPosition},
      {"start", PositionShape(true), false, "\"earliest\"",
       "Where to begin when the group first reads a topic. A partition that is added later is read from its "
       "beginning.",
       Affects::kNothing},
      {"end", PositionShape(false), false, "", "Where to end; without it the source never ends.", Affects::kNothing},
      {"properties", Shape::Map(Shape::OneOf({Shape::String(), Shape::Number(), Shape::Bool()})), false, "",
       "Properties of the consumer under librdkafka's names.", Affects::kNothing},
  };
}

std::vector<FieldSpec> KafkaTargetFields() {
  return {
      {"topic", Shape::String(), true, "", "Topic to write to; it must exist."},
      {"connection", Shape::String(), false, "", "Name of a connection; may be omitted where there is only one."},
      {"headers", Shape::Enum({"all", "id", "none"}), false, "\"all\"",
       "\"id\" writes anabranch.id alone, by which consumers de-duplicate; \"none\" writes key and value only. Each "
       "header costs bytes and work in every record."},
      {"revises", Shape::Integer(1), false, "",
       "The generation of a model whose results these records revise, in the header `anabranch.revises`. "
       "`anabranch model rescore` sets it."},
  };
}

std::shared_ptr<const KafkaSourceProgram> BindKafkaSource(const ConfigValue& at, BindServices& services,
                                                          FaultSink& faults) {
  auto settings = std::make_shared<KafkaSourceSettings>();
  bool good = FindConnection(at, services, faults, &settings->options);
  good = CheckForm(at, faults) && good;
  if (const ConfigValue* topics = at.Find("topics")) {
    for (const ConfigValue& topic : topics->children) {
      if (!topic.is_string()) continue;
      good = CheckTopic(topic, faults) && good;
      if (std::find(settings->topics.begin(), settings->topics.end(), topic.text) != settings->topics.end()) {
        faults.Add(FaultCode::kBadValue, topic, "topic \"" + topic.text + "\" is named twice", "remove one");
        good = false;
      }
      settings->topics.push_back(topic.text);
    }
  }
  settings->group = at.Text("group");
  settings->start.kind = PositionRule::Kind::kEarliest;
  good = ParsePosition(at.Find("start"), settings->topics, faults, &settings->start) && good;
  good = ParsePosition(at.Find("end"), settings->topics, faults, &settings->end) && good;
  const size_t errors = faults.errors();
  CheckProperties(at.Find("properties"), PropertyScope::kConsumer, faults);
  AddProperties(at.Find("properties"), &settings->options);
  if (!good || faults.errors() != errors || settings->topics.empty()) return nullptr;
  return std::make_shared<KafkaSourceProgram>(std::move(settings));
}

std::shared_ptr<const KafkaTargetProgram> BindKafkaTarget(const ConfigValue& at, const TargetFields& fields,
                                                          BindServices& services, FaultSink& faults) {
  KafkaTargetProgram::Settings settings;
  bool good = FindConnection(at, services, faults, &settings.options);
  const ConfigValue* topic = at.Find("topic");
  good = topic != nullptr && CheckTopic(*topic, faults) && good;
  good = CheckEnvelope(at, fields, faults) && good;
  const std::string_view headers = at.Text("headers", "all");
  settings.headers = headers == "none" ? ResultHeaders::kNone
                     : headers == "id" ? ResultHeaders::kId
                                       : ResultHeaders::kAll;
  if (settings.headers != ResultHeaders::kAll && fields.envelope == "cloudevents") {
    faults.Add(FaultCode::kBadValue, *at.Find("headers"), "the envelope \"cloudevents\" is made of headers",
               "leave \"headers\" out, or choose another envelope");
    good = false;
  }
  const ConfigValue* revises = at.Find("revises");
  if (revises != nullptr && settings.headers != ResultHeaders::kAll) {
    faults.Add(FaultCode::kBadValue, *revises, "\"revises\" is a header, and \"headers\" leaves it out",
               "leave \"headers\" out");
    good = false;
  }
  if (!good) return nullptr;
  if (revises != nullptr) settings.revises = std::to_string(at.Integer("revises", 0));
  settings.topic = topic->text;
  settings.node_id = fields.node_id;
  settings.envelope = fields.envelope;
  settings.fields = fields.fields;
  return std::make_shared<KafkaTargetProgram>(std::move(settings));
}

std::vector<FieldSpec> KafkaControlFields() {
  return {
      {"topic", Shape::String(), true, "", "Topic with one partition, for this topology alone; nothing in it expires."},
      {"connection", Shape::String(), false, "", "Name of a connection; may be omitted where there is only one."},
  };
}

std::shared_ptr<const KafkaControlProgram> BindKafkaControl(const ConfigValue& at, BindServices& services,
                                                            FaultSink& faults) {
  ClientOptions options;
  bool good = FindConnection(at, services, faults, &options);
  const ConfigValue* topic = at.Find("topic");
  good = topic != nullptr && CheckTopic(*topic, faults) && good;
  return good ? std::make_shared<KafkaControlProgram>(std::move(options), topic->text) : nullptr;
}

std::shared_ptr<const KafkaTargetProgram> BindKafkaDeadLetters(const ConfigValue* at, const SourceProgram* source,
                                                               const std::string& topology, BindServices& services,
                                                               FaultSink& faults) {
  KafkaTargetProgram::Settings settings;
  settings.dead_letters = true;
  if (at == nullptr) {
    const auto* kafka = dynamic_cast<const KafkaSourceProgram*>(source);
    if (kafka == nullptr) return nullptr;
    settings.options.connection = kafka->settings().options.connection;
    AddProperties(services.Section("connections", settings.options.connection)->Find("kafka"), &settings.options);
    settings.topic = topology + ".dead";
    return std::make_shared<KafkaTargetProgram>(std::move(settings));
  }
  bool good = FindConnection(*at, services, faults, &settings.options);
  const ConfigValue* topic = at->Find("topic");
  good = topic != nullptr && CheckTopic(*topic, faults) && good;
  if (const ConfigValue* headers = at->Find("headers"); headers != nullptr && headers->text != "all") {
    faults.Add(FaultCode::kBadValue, *headers,
               "dead letters always carry their headers: they tell why the record failed", "leave \"headers\" out");
    good = false;
  }
  if (!good) return nullptr;
  settings.topic = topic->text;
  return std::make_shared<KafkaTargetProgram>(std::move(settings));
}

Result<std::shared_ptr<const SourceProgram>> MakeKafkaDeadLetterSource(const TargetProgram& target) {
  const auto* kafka = dynamic_cast<const KafkaTargetProgram*>(&target);
  if (kafka == nullptr || !kafka->settings().dead_letters) {
    return Status(Code::kInvalid, target.Describe() + " is no topic of dead letters");
  }
  return kafka->Reader();
}

}  // namespace anabranch

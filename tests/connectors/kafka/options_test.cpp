#include <gtest/gtest.h>

#include <set>

#include "connectors/kafka/kafka_bind.h"
#include "connectors/kafka/kafka_options.h"
#include "engine/testing/config_builder.h"

namespace anabranch {
namespace {

std::vector<Fault> CheckConnectionOf(ConfigValue connection) {
  FaultSink faults("t.json");
  CheckConnectionProperties(*LinkConfig(std::move(connection)), faults);
  return faults.Sorted();
}

ConfigValue Connection(const std::string& name, ConfigItem value) {
  return ConfigObject({{"bootstrap.servers", "localhost:9092"}, {name, std::move(value)}});
}

ConfigValue Secret(const std::string& text) {
  ConfigValue value = ConfigItem(text).value;
  value.secret = value.expanded = true;
  return value;
}

TEST(KafkaProperties, RefusesWhateverRunsCodeOrIsSetByTheEngine) {
  for (const char* name : {"plugin.library.paths",
                           "sasl.kerberos.kinit.cmd",
                           "ssl.engine.location",
                           "ssl.engine.id",
                           "ssl.providers",
                           "ssl_engine_callback_data",
                           "interceptors",
                           "enable.sasl.oauthbearer.unsecure.jwt",
                           "debug",
                           "enable.auto.commit",
                           "enable.auto.offset.store",
                           "isolation.level",
                           "transactional.id",
                           "group.id",
                           "group.instance.id",
                           "acks",
                           "enable.idempotence",
                           "partition.assignment.strategy",
                           "auto.offset.reset",
                           "check.crcs",
                           "error_cb",
                           "log_cb",
                           "oauthbearer_token_refresh_cb",
                           "enable.partition.eof",
                           "allow.auto.create.topics"}) {
    const std::vector<Fault> faults = CheckConnectionOf(Connection(name, "x"));
    ASSERT_EQ(faults.size(), 1u) << name;
    EXPECT_EQ(faults[0].code, FaultCode::kForbiddenProperty) << name;
    EXPECT_NE(faults[0].message.find(name), std::string::npos);
    EXPECT_GT(faults[0].message.size(), std::string(name).size() + 30) << "no reason: " << faults[0].message;
  }
}

TEST(KafkaProperties, SuggestsForAnUnknownName) {
  const std::vector<Fault> faults = CheckConnectionOf(Connection("sasl.mechanims", "PLAIN"));
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code, FaultCode::kUnknownKey);
  EXPECT_NE(faults[0].hint.find("sasl.mechanism"), std::string::npos) << faults[0].hint;
}

TEST(KafkaProperties, FindsValuesThatTheClientWouldRefuse) {
  const std::vector<std::pair<std::string, ConfigItem>> bad = {
      {"security.protocol", "tls"}, {"socket.timeout.ms", "soon"}, {"fetch.min.bytes", -1},
      {"compression.type", "rar"},  {"partitioner", "mine"},       {"linger.ms", 1e9}};
  for (const auto& [name, value] : bad) {
    const std::vector<Fault> faults = CheckConnectionOf(Connection(name, value));
    ASSERT_EQ(faults.size(), 1u) << name;
    EXPECT_EQ(faults[0].code, FaultCode::kBadValue) << name;
  }
}

TEST(KafkaProperties, TakesNumbersAndFlags) {
  EXPECT_TRUE(CheckConnectionOf(Connection("socket.timeout.ms", 60000)).empty());
  EXPECT_TRUE(CheckConnectionOf(Connection("socket.keepalive.enable", true)).empty());
  EXPECT_TRUE(CheckConnectionOf(Connection("linger.ms", 0.5)).empty());
  EXPECT_EQ(CheckConnectionOf(Connection("socket.timeout.ms", ConfigList({1})))[0].code, FaultCode::kWrongType);
}

TEST(KafkaProperties, WantsBrokers) {
  const std::vector<Fault> faults = CheckConnectionOf(ConfigObject({{"client.id", "me"}}));
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code, FaultCode::kMissingKey);
}

TEST(KafkaProperties, WantsSecretsFromOutsideAndNeverPrintsThem) {
  for (const PropertyRule& rule : AllowedProperties()) {
    if (!rule.secret) continue;
    const std::vector<Fault> faults = CheckConnectionOf(Connection(rule.name, "canary-4711"));
    ASSERT_EQ(faults.size(), 1u) << rule.name;
    EXPECT_EQ(faults[0].code, FaultCode::kForbiddenProperty) << rule.name;
    EXPECT_EQ((faults[0].message + faults[0].hint).find("canary"), std::string::npos) << rule.name;
  }
  EXPECT_TRUE(CheckConnectionOf(Connection("sasl.password", Secret("canary-4711"))).empty());
  // A value from a variable that does not fit is not repeated either.
  const std::vector<Fault> faults = CheckConnectionOf(Connection("security.protocol", Secret("canary-4711")));
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].message.find("canary"), std::string::npos) << faults[0].message;
}

TEST(KafkaProperties, KeepsVerificationOnUnlessInsecureIsSaid) {
  const std::vector<std::pair<std::string, ConfigItem>> off = {{"enable.ssl.certificate.verification", false},
                                                               {"enable.ssl.certificate.verification", "FALSE"},
                                                               {"ssl.endpoint.identification.algorithm", "none"}};
  for (const auto& [name, value] : off) {
    std::vector<Fault> faults = CheckConnectionOf(Connection(name, value));
    ASSERT_EQ(faults.size(), 1u) << name;
    EXPECT_EQ(faults[0].code, FaultCode::kForbiddenProperty);
    faults = CheckConnectionOf(ConfigObject({{"bootstrap.servers", "b:1"}, {"insecure", true}, {name, value}}));
    ASSERT_EQ(faults.size(), 1u) << name;
    EXPECT_EQ(faults[0].code, FaultCode::kInsecure);
    EXPECT_TRUE(faults[0].warning);
  }
  EXPECT_TRUE(CheckConnectionOf(Connection("ssl.endpoint.identification.algorithm", "https")).empty());
}

TEST(KafkaProperties, AreAllKnownToTheClientLibrary) {
  std::set<std::string> names;
  for (const PropertyRule& rule : AllowedProperties()) {
    EXPECT_TRUE(names.insert(rule.name).second) << rule.name << " stands twice";
    EXPECT_TRUE(WhyRefused(rule.name).empty()) << rule.name << " is allowed and refused";
    const std::string error = PropertyError(rule.name, "1");
    EXPECT_EQ(error.find("No such configuration property"), std::string::npos) << error;
  }
}

TEST(KafkaProperties, OfASourceAreTheConsumersOnly) {
  FaultSink faults("t.json");
  const auto properties = LinkConfig(ConfigObject({{"fetch.min.bytes", 1},
                                                   {"socket.timeout.ms", 1000},
                                                   {"linger.ms", 5},
                                                   {"bootstrap.servers", "elsewhere:9092"},
                                                   {"enable.auto.commit", true}}));
  CheckProperties(properties.get(), PropertyScope::kConsumer, faults);
  const std::vector<Fault> sorted = faults.Sorted();
  ASSERT_EQ(sorted.size(), 3u);
  for (const Fault& fault : sorted) EXPECT_EQ(fault.code, FaultCode::kForbiddenProperty) << fault.message;
}

// The world of a topology with the given connections.
class Services : public BindServices {
 public:
  explicit Services(ConfigValue connections) : connections_(LinkConfig(std::move(connections))) {}
  Result<std::string> ResolvePath(std::string_view path) const override { return std::string(path); }
  const ConfigValue* Section(std::string_view section, std::string_view name) const override {
    return section == "connections" ? connections_->Find(name) : nullptr;
  }
  std::vector<std::string> Names(std::string_view section) const override {
    std::vector<std::string> names;
    if (section != "connections") return names;
    for (const ConfigValue& member : connections_->children) names.push_back(member.name);
    return names;
  }
  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue&, const TargetFields&, FaultSink&) override {
    return nullptr;
  }

 private:
  std::unique_ptr<const ConfigValue> connections_;
};

ConfigValue Kafka(const std::string& servers) {
  return ConfigObject({{"kafka", ConfigObject({{"bootstrap.servers", servers}})}});
}

struct Bound {
  std::vector<Fault> faults;
  std::shared_ptr<const KafkaSourceProgram> program;
};

Bound BindSource(ConfigValue at, ConfigValue connections = ConfigObject({{"main", Kafka("m:1")}})) {
  Services services(std::move(connections));
  FaultSink faults("t.json");
  const auto linked = LinkConfig(std::move(at));
  Bound bound;
  bound.program = BindKafkaSource(*linked, services, faults);
  bound.faults = faults.Sorted();
  EXPECT_EQ(bound.program == nullptr, !bound.faults.empty());
  return bound;
}

TEST(KafkaBind, TakesTheOnlyConnection) {
  const Bound bound = BindSource(ConfigObject({{"topics", ConfigList({"a", "b"})}}));
  ASSERT_NE(bound.program, nullptr);
  EXPECT_EQ(bound.program->settings().options.connection, "main");
  EXPECT_EQ(bound.program->Describe(), "kafka topics a, b on m:1");
  EXPECT_FALSE(bound.program->bounded());
}

TEST(KafkaBind, AsksWhichConnectionAndKnowsTheirNames) {
  const ConfigValue two = ConfigObject({{"east", Kafka("e:1")}, {"west", Kafka("w:1")}});
  Bound bound = BindSource(ConfigObject({{"topics", ConfigList({"a"})}}), two);
  ASSERT_EQ(bound.faults.size(), 1u);
  EXPECT_NE(bound.faults[0].hint.find("east"), std::string::npos) << bound.faults[0].hint;
  bound = BindSource(ConfigObject({{"topics", ConfigList({"a"})}, {"connection", "wst"}}), two);
  ASSERT_EQ(bound.faults.size(), 1u);
  EXPECT_EQ(bound.faults[0].code, FaultCode::kUnknownReference);
  EXPECT_NE(bound.faults[0].hint.find("west"), std::string::npos) << bound.faults[0].hint;
  EXPECT_EQ(BindSource(ConfigObject({{"topics", ConfigList({"a"})}}), ConfigObject({})).faults.size(), 1u);
}

TEST(KafkaBind, ReadsPositions) {
  const Bound bound =
      BindSource(ConfigObject({{"topics", ConfigList({"a"})},
                               {"start", ConfigObject({{"offsets", ConfigObject({{"a/0", 5}, {"a/3", 7}})}})},
                               {"end", ConfigObject({{"timestamp", "2026-01-01T00:00:00Z"}})}}));
  ASSERT_NE(bound.program, nullptr);
  EXPECT_TRUE(bound.program->bounded());
  EXPECT_EQ(bound.program->settings().start.offsets.at({"a", 3}), 7);
  EXPECT_EQ(bound.program->settings().end.timestamp_ms, 1'767'225'600'000);
}

TEST(KafkaBind, FindsTopicsAndPositionsThatCannotBe) {
  EXPECT_EQ(BindSource(ConfigObject({{"topics", ConfigList({"^all.*"})}})).faults.size(), 1u);
  EXPECT_EQ(BindSource(ConfigObject({{"topics", ConfigList({"a", "a"})}})).faults.size(), 1u);
  for (const char* partition : {"b/0", "a", "a/", "a/x", "a/-1", "a/0x"}) {
    const Bound bound = BindSource(ConfigObject(
        {{"topics", ConfigList({"a"})}, {"start", ConfigObject({{"offsets", ConfigObject({{partition, 5}})}})}}));
    EXPECT_EQ(bound.faults.size(), 1u) << partition;
  }
}

TEST(KafkaBind, GivesExactlyOnceOnTheSourcesConnectionOnly) {
  Services services(ConfigObject({{"east", Kafka("e:1")}, {"west", Kafka("w:1")}}));
  FaultSink faults("t.json");
  const auto source = BindKafkaSource(
      *LinkConfig(ConfigObject({{"topics", ConfigList({"a"})}, {"connection", "east"}})), services, faults);
  const auto near = BindKafkaTarget(*LinkConfig(ConfigObject({{"topic", "b"}, {"connection", "east"}})), TargetFields{},
                                    services, faults);
  const auto far = BindKafkaTarget(*LinkConfig(ConfigObject({{"topic", "b"}, {"connection", "west"}})), TargetFields{},
                                   services, faults);
  ASSERT_EQ(faults.errors(), 0u);
  std::string why;
  EXPECT_TRUE(near->ExactlyOnce(*source, &why));
  EXPECT_FALSE(far->ExactlyOnce(*source, &why));
  EXPECT_NE(why.find("west"), std::string::npos) << why;
  EXPECT_NE(near->commit_unit(), far->commit_unit());
  const auto dead = BindKafkaDeadLetters(nullptr, source.get(), "payments", services, faults);
  ASSERT_NE(dead, nullptr);
  EXPECT_EQ(dead->Describe(), "kafka topic payments.dead");
  EXPECT_EQ(dead->commit_unit(), near->commit_unit());
}

TEST(KafkaBind, KnowsItsEnvelopes) {
  Services services(ConfigObject({{"main", Kafka("e:1")}}));
  for (const char* envelope : {"", "raw", "cloudevents", "xml", "plain"}) {
    FaultSink faults("t.json");
    TargetFields fields;
    fields.envelope = envelope;
    const auto at = LinkConfig(ConfigObject({{"topic", "b"}}));
    const bool known = std::string(envelope) != "xml" && std::string(envelope) != "plain";
    EXPECT_EQ(BindKafkaTarget(*at, fields, services, faults) != nullptr, known) << envelope;
    EXPECT_EQ(faults.errors(), known ? 0u : 1u) << envelope;
  }
}

}  // namespace
}  // namespace anabranch

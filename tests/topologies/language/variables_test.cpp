#include "topologies/language/variables.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/topologies/language/fake_parts.h"

namespace anabranch {
namespace {

struct Expanded {
  std::unique_ptr<Topology> topology;
  FaultSink faults{"t.json"};
  const ConfigValue& at(const char* name) const { return *topology->root.Find(name); }
};

Expanded Expand(const std::string& text, std::vector<std::string> allowed = {}) {
  Expanded expanded;
  expanded.topology = ParseTopology("t.json", text, expanded.faults);
  CheckOptions options;
  options.allow_paths = std::move(allowed);
  options.env = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HOST") return "broker:9092";
    if (name == "EMPTY") return "";
    return std::nullopt;
  };
  ExpandVariables(*expanded.topology, options, expanded.faults);
  return expanded;
}

std::string OneFault(const Expanded& expanded) {
  if (expanded.faults.faults().size() != 1) return std::to_string(expanded.faults.faults().size()) + " faults";
  const Fault& fault = expanded.faults.faults()[0];
  return FaultName(fault.code) + " " + std::to_string(fault.place.column) + "+" +
         std::to_string(fault.place.end - fault.place.begin) + " " + fault.message;
}

TEST(Variables, AreExpandedInsideOfStrings) {
  const Expanded expanded =
      Expand(R"({"a": "at ${HOST}!", "b": "${NONE:-x}${EMPTY:-y}", "c": "[${EMPTY}]", "d": "plain"})");
  EXPECT_EQ(expanded.at("a").text, "at broker:9092!");
  EXPECT_TRUE(expanded.at("a").expanded);
  EXPECT_EQ(expanded.at("b").text, "xy");
  EXPECT_EQ(expanded.at("c").text, "[]");
  EXPECT_FALSE(expanded.at("d").expanded);
  EXPECT_TRUE(expanded.faults.faults().empty());
}

TEST(Variables, AreNotExpandedTwice) { EXPECT_EQ(Expand(R"({"a": "${NONE:-$}{HOST}"})").at("a").text, "${HOST}"); }

TEST(Variables, AreWrittenPlainWithTwoDollars) {
  EXPECT_EQ(Expand(R"({"a": "$${HOST} costs 5$"})").at("a").text, "${HOST} costs 5$");
}

TEST(Variables, StayInKeysAndAnnotations) {
  const Expanded expanded = Expand(R"({"${NONE}": 1, "$comment": "${NONE}", "x-a": {"b": "${NONE}"}})");
  EXPECT_TRUE(expanded.faults.faults().empty());
  EXPECT_EQ(expanded.at("$comment").text, "${NONE}");
}

TEST(Variables, WithoutValueAreFaultsAtTheirPlace) {
  EXPECT_EQ(OneFault(Expand(R"({"a": "at ${NONE}!"})")), "AB005 11+7 the variable NONE is not set");
  EXPECT_EQ(OneFault(Expand(R"({"a": "${HOST} ${NONE}"})")), "AB005 16+7 the variable NONE is not set");
  EXPECT_EQ(OneFault(Expand(R"({"a": "${NONE:?ask the owner}"})")),
            "AB005 8+22 the variable NONE is not set: ask the owner");
  EXPECT_EQ(OneFault(Expand(R"({"a": "${EMPTY:?must not be empty}"})")),
            "AB005 8+27 the variable EMPTY is not set: must not be empty");
}

TEST(Variables, WithoutValueAreTheOnlyFaultOfTheirValue) {
  std::string text = TopologyWith("", "in");
  text.replace(text.find("in.jsonl"), 8, "${NONE}/../../x");
  EXPECT_EQ(Codes(CheckFake(text)), std::vector<std::string>{"AB005"});
}

TEST(Variables, WrittenWronglyAreFaults) {
  EXPECT_EQ(OneFault(Expand(R"({"a": "x${HOST"})")), "AB005 9+6 \"${\" is never closed");
  EXPECT_EQ(OneFault(Expand(R"({"a": "${2}"})")), "AB005 8+4 \"${2}\" is no variable");
  EXPECT_EQ(OneFault(Expand(R"({"a": "${HOST:+x}"})")), "AB005 8+10 \"${HOST:+x}\" is no variable");
}

TEST(Variables, ReadSecretsOnlyWhereAllowed) {
  const std::string folder = ::testing::TempDir() + "anabranch_secrets_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/key") << "hunter2\n";
  std::filesystem::create_symlink("/etc/passwd", folder + "/escape");
  const std::string text = "{\"a\": \"${file:" + folder + "/key}\"}";
  EXPECT_EQ(OneFault(Expand(text)).substr(0, 5), "AB005");
  const Expanded allowed = Expand(text, {folder});
  EXPECT_EQ(allowed.at("a").text, "hunter2");
  EXPECT_TRUE(allowed.at("a").secret);
  EXPECT_EQ(allowed.topology->root.Canonical(), R"({"a":"***"})");
  EXPECT_EQ(OneFault(Expand("{\"a\": \"${file:" + folder + "/escape}\"}", {folder})).substr(0, 5), "AB005");
  EXPECT_EQ(OneFault(Expand("{\"a\": \"${file:" + folder + "/none}\"}", {folder})).substr(0, 5), "AB005");
  std::filesystem::remove_all(folder);
}

TEST(Variables, MarkSecretsByTheirKey) {
  const Expanded expanded = Expand(
      R"({"connections": {"m": {"pipe": {"sasl.password": "${HOST}", "api_token": "x", "ssl.key.pem": "${HOST}", "host": "h"}}},
          "nodes": {"n": {"set": {"token": "a + b"}}}})");
  const ConfigValue& pipe = *expanded.at("connections").Find("m")->Find("pipe");
  EXPECT_TRUE(pipe.Find("sasl.password")->secret);
  EXPECT_TRUE(pipe.Find("api_token")->secret);
  EXPECT_TRUE(pipe.Find("ssl.key.pem")->secret);
  EXPECT_FALSE(pipe.Find("host")->secret);
  EXPECT_FALSE(expanded.at("nodes").Find("n")->Find("set")->Find("token")->secret);
  EXPECT_TRUE(expanded.faults.faults().empty());
}

}  // namespace
}  // namespace anabranch

#include <nlohmann/json.hpp>

#include "engine/restart/failure.h"

namespace anabranch {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const StageFacts& stage) {
  return {{"id", stage.id},           {"kind", stage.kind},
          {"inputs", stage.inputs},   {"fingerprint", stage.fingerprint},
          {"closure", stage.closure}, {"position_owner", stage.position_owner},
          {"target", stage.target}};
}

Json ToJson(const PlanFacts& facts) {
  Json stages = Json::array();
  for (const StageFacts& stage : facts.stages) stages.push_back(ToJson(stage));
  return {{"topology", facts.topology},
          {"identity", facts.identity},
          {"exactly_once", facts.exactly_once},
          {"stages", stages}};
}

Json ToJson(const Failure::Breaker& breaker) {
  return {{"stage", breaker.stage}, {"failed", breaker.failed}, {"code", breaker.code}, {"message", breaker.message}};
}

Json ToJson(const Failure& failure) {
  Json breakers = Json::array();
  for (const Failure::Breaker& breaker : failure.breakers) breakers.push_back(ToJson(breaker));
  return {{"stage", failure.stage},         {"class", std::string(TextOf(failure.error_class))},
          {"message", failure.message},     {"attempts", failure.attempts},
          {"at_ms", failure.at_ms},         {"records", failure.records},
          {"kept_rows", failure.kept_rows}, {"kept_bytes", failure.kept_bytes},
          {"not_kept", failure.not_kept},   {"breakers", breakers},
          {"rounds", failure.rounds},       {"plan", ToJson(failure.plan)}};
}

// at() and get_to() throw for values that are missing or have another type.
PlanFacts FactsFrom(const Json& json) {
  PlanFacts facts;
  json.at("topology").get_to(facts.topology);
  json.at("identity").get_to(facts.identity);
  json.at("exactly_once").get_to(facts.exactly_once);
  for (const Json& each : json.at("stages")) {
    StageFacts stage;
    each.at("id").get_to(stage.id);
    each.at("kind").get_to(stage.kind);
    each.at("inputs").get_to(stage.inputs);
    each.at("fingerprint").get_to(stage.fingerprint);
    each.at("closure").get_to(stage.closure);
    each.at("position_owner").get_to(stage.position_owner);
    each.at("target").get_to(stage.target);
    facts.stages.push_back(std::move(stage));
  }
  return facts;
}

Failure FailureFrom(const Json& json) {
  Failure failure;
  json.at("stage").get_to(failure.stage);
  const Result<ErrorClass> error_class = ErrorClassFrom(json.at("class").get_ref<const std::string&>());
  failure.error_class = error_class.ok() ? *error_class : ErrorClass::kStage;  // a later version may know more classes
  json.at("message").get_to(failure.message);
  json.at("attempts").get_to(failure.attempts);
  json.at("at_ms").get_to(failure.at_ms);
  json.at("records").get_to(failure.records);
  json.at("kept_rows").get_to(failure.kept_rows);
  json.at("kept_bytes").get_to(failure.kept_bytes);
  // Earlier versions did not write these.
  failure.not_kept = json.value("not_kept", "");
  failure.rounds = json.value("rounds", 0);
  for (const Json& each : json.value("breakers", Json::array())) {
    Failure::Breaker breaker;
    each.at("stage").get_to(breaker.stage);
    each.at("failed").get_to(breaker.failed);
    each.at("code").get_to(breaker.code);
    each.at("message").get_to(breaker.message);
    failure.breakers.push_back(std::move(breaker));
  }
  failure.plan = FactsFrom(json.at("plan"));
  return failure;
}

// Messages may contain bytes of a record that are not UTF-8.
std::string Print(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

template <typename T>
Result<T> Parse(const std::string& text, const char* what, T (*from)(const Json&)) {
  try {
    return from(Json::parse(text));
  } catch (const Json::exception& error) {
    return Status(Code::kInvalid, std::string("this is not a ") + what + " of this version: " + error.what());
  }
}

}  // namespace

std::string PrintFailure(const Failure& failure) { return Print(ToJson(failure)); }

Result<Failure> ParseFailure(const std::string& text) { return Parse(text, "record of a failure", FailureFrom); }

}  // namespace anabranch

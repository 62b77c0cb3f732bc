#include "engine/models/control_log.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace anabranch {
namespace {

using EntryJson = nlohmann::json;

constexpr std::pair<ControlEntry::Kind, const char*> kEntryKinds[] = {
    {ControlEntry::Kind::kPrepare, "prepare"},     {ControlEntry::Kind::kReady, "ready"},
    {ControlEntry::Kind::kRefused, "refused"},     {ControlEntry::Kind::kActive, "active"},
    {ControlEntry::Kind::kAbandoned, "abandoned"}, {ControlEntry::Kind::kServes, "serves"},
    {ControlEntry::Kind::kStep, "step"},           {ControlEntry::Kind::kHold, "hold"},
    {ControlEntry::Kind::kCounts, "counts"},       {ControlEntry::Kind::kRewards, "rewards"},
    {ControlEntry::Kind::kFile, "of_file"}};
constexpr std::pair<ArmRule, const char*> kArmRules[] = {{ArmRule::kOne, "one"},
                                                         {ArmRule::kShadow, "shadow"},
                                                         {ArmRule::kCanary, "canary"},
                                                         {ArmRule::kBandit, "bandit"},
                                                         {ArmRule::kEventTime, "event_time"}};

template <typename Table, typename Word>
const char* WordOf(const Table& table, Word word) {
  return std::ranges::find(table, word, &std::pair<Word, const char*>::first)->second;
}

// Throws what `at` throws where the word is none of the table.
template <typename Word, size_t kSize>
Word WordIn(const std::pair<Word, const char*> (&table)[kSize], const std::string& text) {
  for (const auto& [word, name] : table) {
    if (text == name) return word;
  }
  throw std::invalid_argument("\"" + text + "\" is not known; an anabranch that is newer may have written it");
}

void PutText(const char* name, const std::string& text, EntryJson* out) {
  if (!text.empty()) (*out)[name] = text;
}

EntryJson GenerationJson(const GenerationRecord& record) {
  EntryJson out = {{"model", record.model}, {"rule", WordOf(kArmRules, record.rule)}, {"arms", EntryJson::array()}};
  for (const GenerationRecord::Arm& arm : record.arms) {
    out["arms"].push_back({{"version", arm.version}, {"digest", arm.digest}});
  }
  if (record.share != 0) out["share"] = record.share;
  if (record.salt != 0) out["salt"] = record.salt;
  if (!record.probabilities.empty()) out["probabilities"] = record.probabilities;
  if (record.rule == ArmRule::kEventTime) out["from_time"] = record.from_time;
  if (record.by_record) out["by_record"] = true;
  if (!record.at.empty()) out["at"] = record.at;
  if (record.step != 0) out["step"] = record.step;
  PutText("rollout", record.rollout, &out);
  return out;
}

GenerationRecord GenerationOf(const EntryJson& in) {
  GenerationRecord record;
  record.model = in.at("model").get<std::string>();
  record.rule = WordIn(kArmRules, in.at("rule").get<std::string>());
  for (const EntryJson& arm : in.at("arms")) {
    record.arms.push_back({arm.at("version").get<std::string>(), arm.at("digest").get<std::string>()});
  }
  if (record.arms.empty()) throw std::invalid_argument("a generation has no version");
  record.share = in.value("share", 0.0);
  record.salt = in.value("salt", uint64_t{0});
  record.probabilities = in.value("probabilities", std::vector<double>());
  if (record.rule == ArmRule::kEventTime) {
    if (record.arms.size() != 2) throw std::invalid_argument("an event time stands between two versions");
    record.from_time = in.at("from_time").get<int64_t>();
  }
  record.by_record = in.value("by_record", false);
  record.at = in.value("at", std::map<std::string, int64_t>());
  record.step = in.value("step", 0);
  record.rollout = in.value("rollout", "");
  return record;
}

// It makes a generation. Whoever passes it over scores with another version than all others.
bool SaysActive(std::string_view text) {
  const EntryJson in = EntryJson::parse(text, nullptr, false);
  return in.is_object() && in.contains("kind") && (in["kind"] == "active" || in["kind"] == "step");
}

bool NeedsGeneration(ControlEntry::Kind kind) {
  using enum ControlEntry::Kind;
  return kind == kPrepare || kind == kActive || kind == kStep;
}

}  // namespace

std::string ReplacedBy(const ControlEntry& entry) {
  if (entry.kind == ControlEntry::Kind::kCounts) {
    return "counts/" + std::to_string(entry.generation_number) + "/" + entry.instance;
  }
  if (entry.kind == ControlEntry::Kind::kRewards) return "rewards/" + entry.model + "/" + entry.partition;
  const bool is_sight = entry.kind == ControlEntry::Kind::kFile && entry.edited == 0;
  return is_sight ? "file/" + entry.model + "/" + entry.instance : std::string();
}

const char* NameOf(ArmRule rule) { return WordOf(kArmRules, rule); }

std::string PrintControlEntry(const ControlEntry& entry) {
  EntryJson out = {{"kind", WordOf(kEntryKinds, entry.kind)}, {"at_ms", entry.at_ms}};
  PutText("deployment", entry.deployment, &out);
  PutText("action", entry.action, &out);
  PutText("by", entry.by, &out);
  PutText("reason", entry.reason, &out);
  PutText("approved_by", entry.approved_by, &out);
  PutText("host", entry.host, &out);
  PutText("instance", entry.instance, &out);
  if (!entry.generation.arms.empty()) out["generation"] = GenerationJson(entry.generation);
  if (!entry.reasons.empty()) out["reasons"] = entry.reasons;
  if (!entry.gates.empty()) out["gates"] = entry.gates;
  PutText("partition", entry.partition, &out);
  if (entry.kind == ControlEntry::Kind::kServes) {
    out["position"] = entry.position;
    out["serves"] = entry.generation_number;
  }
  if (entry.kind == ControlEntry::Kind::kCounts) {
    out["counted"] = entry.generation_number;
    out["counts"] = entry.counts;
  }
  if (entry.kind == ControlEntry::Kind::kRewards) {
    out["position"] = entry.position;
    if (entry.era != 0) out["era"] = entry.era;
    out["rewards"] = entry.rewards;
  }
  PutText("model", entry.model, &out);
  PutText("start", entry.start, &out);
  if (entry.edited != 0) out["edited"] = entry.edited;
  if (entry.after != 0) out["after"] = entry.after;
  if (entry.is_crash) out["crash"] = true;
  if (!entry.guards.empty()) out["guards"] = entry.guards;
  return out.dump(-1, ' ', false, EntryJson::error_handler_t::replace);
}

Result<ControlEntry> ParseControlEntry(std::string_view text) {
  try {
    const EntryJson in = EntryJson::parse(text);
    ControlEntry entry;
    entry.kind = WordIn(kEntryKinds, in.at("kind").get<std::string>());
    entry.at_ms = in.value("at_ms", int64_t{0});
    entry.deployment = in.value("deployment", "");
    entry.action = in.value("action", "");
    entry.by = in.value("by", "");
    entry.reason = in.value("reason", "");
    entry.approved_by = in.value("approved_by", "");
    entry.host = in.value("host", "");
    entry.instance = in.value("instance", "");
    if (in.contains("generation")) entry.generation = GenerationOf(in.at("generation"));
    entry.reasons = in.value("reasons", std::vector<std::string>());
    entry.gates = in.value("gates", std::map<std::string, std::string>());
    entry.partition = in.value("partition", "");
    entry.position = in.value("position", int64_t{0});
    entry.generation_number = in.value("serves", in.value("counted", uint32_t{0}));
    entry.after = in.value("after", uint32_t{0});
    entry.is_crash = in.value("crash", false);
    entry.counts = in.value("counts", std::map<std::string, std::string>());
    entry.guards = in.value("guards", std::map<std::string, std::string>());
    entry.model = in.value("model", "");
    entry.era = in.value("era", uint32_t{0});
    entry.rewards = in.value("rewards", "");
    entry.start = in.value("start", "");
    entry.edited = in.value("edited", uint32_t{0});
    if (NeedsGeneration(entry.kind) && entry.generation.arms.empty()) {
      throw std::invalid_argument("it names no generation");
    }
    return entry;
  } catch (const std::exception& error) {
    return Status(Code::kInternal, std::string("an entry of the control log cannot be read: ") + error.what());
  }
}

Result<ControlEntry> ReadControlEntry(std::string_view text, const std::string& place) {
  Result<ControlEntry> entry = ParseControlEntry(text);
  if (entry.ok()) return entry;
  const std::string why = place + ": " + entry.status().message();
  if (SaysActive(text)) {
    return Status(Code::kInternal, why +
                                       "; it makes a generation active, so it cannot be passed over: install the "
                                       "anabranch that wrote it on this instance, too");
  }
  ControlEntry unreadable;
  unreadable.kind = ControlEntry::Kind::kUnreadable;
  unreadable.reasons = {why + "; it is passed over"};
  return unreadable;
}

}  // namespace anabranch

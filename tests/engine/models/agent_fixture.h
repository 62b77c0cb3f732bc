#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/cancel.h"
#include "engine/models/deployment.h"
#include "engine/models/model_agent.h"
#include "engine/mutex.h"
#include "engine/strategy/arm_counts.h"
#include "engine/strategy/arm_rules.h"

namespace anabranch {

// A log in memory that many "instances" and commands use.
struct SharedLog {
  Mutex mutex;
  std::vector<ControlEntry> entries;
  std::vector<std::string> members;
  bool local = false;
  std::atomic<int> away{0};          // so many entries of "0" are not taken from now on, each after a while
  std::atomic<int> read_fails{0};    // so many reads fail
  std::atomic<bool> is_mute{false};  // does not tell the members

  bool IsAway() {
    if (away <= 0) return false;
    --away;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return true;
  }
};

class MemoryLog : public ControlLog {
 public:
  explicit MemoryLog(SharedLog& shared) : shared_(shared) {}
  bool shared() const override { return !shared_.local; }
  Result<uint32_t> Append(const ControlEntry& entry) override {
    if (entry.instance == "0" && shared_.IsAway()) return Status(Code::kUnavailable, "the log is away");
    const MutexLock lock(shared_.mutex);
    shared_.entries.push_back(entry);
    shared_.entries.back().number = static_cast<uint32_t>(shared_.entries.size());
    return shared_.entries.back().number;
  }
  Result<std::vector<ControlEntry>> Read(uint32_t after, int wait_ms) override {
    if (shared_.read_fails > 0) {
      --shared_.read_fails;
      return Status(Code::kUnavailable, "the log is away");
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms);
    while (true) {
      {
        const MutexLock lock(shared_.mutex);
        const auto from = shared_.entries.begin() + std::min<ptrdiff_t>(after, std::ssize(shared_.entries));
        if (from != shared_.entries.end() || std::chrono::steady_clock::now() >= end) {
          return std::vector<ControlEntry>(from, shared_.entries.end());
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  Result<std::optional<std::vector<std::string>>> Members() override {
    if (shared_.is_mute) return Status(Code::kUnavailable, "no answer about the members");
    const MutexLock lock(shared_.mutex);
    return std::optional(shared_.members);
  }
  std::string Describe() const override { return "the log"; }

 private:
  SharedLog& shared_;
};

// A node that takes every version but those in `broken`.
class FakeNode : public ManagedModel {
 public:
  explicit FakeNode(std::string name = "gbt") : name_(std::move(name)) {}
  const std::string& model() const override { return name_; }
  Status Prepare(const ModelVersion& version) override {
    const MutexLock lock(mutex);
    if (broken.contains(version.version)) return {Code::kInvalid, "one reason\nanother reason"};
    loaded.insert(version.digest);
    most_loaded = std::max(most_loaded, loaded.size());
    return {};
  }
  void Add(GenerationId generation, const GenerationRecord& record) override {
    const MutexLock lock(mutex);
    for (const GenerationRecord::Arm& arm : record.arms) {
      EXPECT_TRUE(loaded.contains(arm.digest)) << "added before it was prepared";
    }
    added[generation] = record.arms.front().version;
  }
  void AddCompared(const std::string& digest, CompareSpec* spec) const override {
    spec->outputs.push_back({.name = "p of " + digest, .edges = {0.25, 0.5, 0.75}});
  }
  void Forget(GenerationId oldest, const std::vector<std::string>& keep) override {
    const MutexLock lock(mutex);
    forgotten = oldest;
    std::erase_if(loaded, [&](const std::string& digest) { return std::ranges::count(keep, digest) == 0; });
  }
  bool in_place() const override { return is_in_place; }
  void Unload() override {
    const MutexLock lock(mutex);
    EXPECT_TRUE(at_rest()) << "a lane may score with it";
    loaded.clear();
  }
  // Whether rows of this generation can be scored now.
  bool Scores(uint32_t generation) {
    const MutexLock lock(mutex);
    const auto version = added.find(generation);
    return version != added.end() && loaded.contains("digest-of-" + version->second);
  }
  bool Loaded(const std::string& version) {
    const MutexLock lock(mutex);
    return loaded.contains("digest-of-" + version);
  }

  Mutex mutex;
  std::set<std::string> broken, loaded;
  std::map<uint32_t, std::string> added;
  uint32_t forgotten = 0;
  bool is_in_place = false;
  std::function<bool()> at_rest = [] { return true; };
  size_t most_loaded = 0;

 private:
  const std::string name_;
};

struct InstanceExtras {
  std::shared_ptr<const RolloutSpec> rollout = nullptr;
  std::unique_ptr<ControlLog> log = nullptr;  // null: `shared`
  bool two_models = false;
  int64_t counts_ms = 20;
  bool in_place = false;
  std::string loads_file = {};
  decltype(ModelAgent::Parts::first_gates) first_gates = {};
};

// An instance with the models "gbt" (node "score") and, if asked for, "other" (node "second").
struct Instance {
  explicit Instance(SharedLog& shared, const std::string& name = "0", bool reads_only = false,
                    InstanceExtras extras = {}) {
    ModelAgent::Parts parts;
    parts.instance = name;
    parts.models.push_back({"gbt", "models/gbt", "7", {&node}, {"score"}, std::move(extras.rollout)});
    if (extras.two_models) parts.models.push_back({"other", "models/other", "1", {&second}, {"second"}, nullptr});
    parts.models.front().in_place = extras.in_place;
    parts.log = extras.log == nullptr ? std::make_unique<MemoryLog>(shared) : std::move(extras.log);
    parts.counts_ms = extras.counts_ms;
    parts.warn = [this](const std::string& text) {
      const MutexLock lock(warnings_mutex);
      warnings.push_back(text);
    };
    parts.find = [this](const ModelAgent::Model&, const std::string& digest) {
      ++finds;
      return Result<std::string>("in/" + digest);
    };
    parts.keep = [this](const std::vector<std::string>& digests) {
      const MutexLock lock(warnings_mutex);
      kept = {digests.begin(), digests.end()};
      return Status::Ok();
    };
    parts.loads_file = extras.loads_file;
    parts.start = [](const ModelAgent::Model& model) {
      return Result<GenerationRecord::Arm>({model.start, "digest-of-" + model.start});
    };
    parts.first_gates = std::move(extras.first_gates);
    parts.gates = [gated = gated, open = open](const std::string& folder) {
      ++*gated;
      while (folder == "in/digest-of-slow" && !open->load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ModelAgent::Verdict verdict;
      if (folder == "in/digest-of-bad") verdict.reasons = {"always: row 3 is wrong"};
      return verdict;
    };
    parts.reads_only = reads_only;
    agent = std::make_unique<ModelAgent>(std::move(parts));
  }
  bool Warned(const std::string& part) {
    const MutexLock lock(warnings_mutex);
    return std::ranges::any_of(warnings, [&](const std::string& text) { return text.find(part) != std::string::npos; });
  }

  std::set<std::string> Kept() {
    const MutexLock lock(warnings_mutex);
    return kept;
  }

  FakeNode node, second{"other"};  // outlive the agent
  Mutex warnings_mutex;
  std::vector<std::string> warnings;
  std::set<std::string> kept;
  std::atomic<int> finds{0};
  std::shared_ptr<std::atomic<int>> gated = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<bool>> open = std::make_shared<std::atomic<bool>>(false);  // the gates of "slow"
  std::unique_ptr<ModelAgent> agent;
  CancelToken cancel;
};

inline Result<DeploymentEnd> DeployVersion(SharedLog& shared, const std::string& version,
                                           const std::string& action = "deploy", int timeout_ms = 5000) {
  MemoryLog log(shared);
  DeploymentWish wish;
  wish.prepare = CommandEntry(ControlEntry::Kind::kPrepare);
  wish.prepare.action = action;
  wish.prepare.generation.model = "gbt";
  wish.prepare.generation.arms = {{version, "digest-of-" + version}};
  wish.timeout_ms = timeout_ms;
  return Deploy(log, wish);
}

inline SourcePartition Partition(int32_t number) { return {"in", number}; }

}  // namespace anabranch

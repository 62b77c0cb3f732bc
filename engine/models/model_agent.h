#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/cancel.h"
#include "engine/generation.h"
#include "engine/managed_model.h"
#include "engine/models/bandit_learner.h"
#include "engine/models/control_log.h"
#include "engine/models/control_state.h"
#include "engine/models/rollout_counts.h"
#include "engine/models/rollout_judge.h"
#include "engine/mutex.h"
#include "engine/strategy/bandit_spec.h"

namespace anabranch {

// The managed models of one running instance: follows the control log, makes versions ready in the nodes, answers
// deployments, and tells the lanes which generation may score.
//
//   Begin()    before the nodes are opened: reads the log, makes what scores now ready, starts models that never ran
//   Follow()   once the instance owns its state: a thread answers deployments, notes what the partitions switch to and
//              what was counted, and makes the steps of rollouts
//   Stop()     after the run
class ModelAgent final : public Generations {
 public:
  struct Model {
    std::string name, registry, start;  // as PlanModel has them
    std::vector<ManagedModel*> nodes;
    std::vector<std::string> node_names = {};              // as `nodes`
    std::shared_ptr<const RolloutSpec> rollout = nullptr;  // null: a deployment scores all rows at once
    std::shared_ptr<const BanditSpec> bandit = nullptr;    // null: its rows do not draw by rewards
    bool in_place = false;                                 // a version is unloaded before the next one is loaded
  };
  // What gates, or an instance, say about a version.
  struct Verdict {
    std::vector<std::string> reasons;          // why it is refused; empty: it passed
    std::map<std::string, std::string> gates;  // what was measured, for people
  };
  struct Parts {
    std::string instance, host;
    std::vector<Model> models;
    std::unique_ptr<ControlLog> log;
    // The package with the digest: its folder. kUnavailable: it is nowhere.
    std::function<Result<std::string>(const Model&, const std::string& digest)> find;
    // Of the packages that this instance stored, all but these may go. Empty: nothing is removed.
    std::function<Status(const std::vector<std::string>& digests)> keep = {};
    // A file that says which version is being loaded, for the process after one that dies of it; empty: nothing does.
    std::string loads_file = {};
    // The version that Model::start names.
    std::function<Result<GenerationRecord::Arm>(const Model&)> start;
    // The gates of the version with which a model begins: what they measured. An error ends Begin(), and nothing is
    // written: kInvalid names every reason, kUnavailable, kCancelled. Empty: there are no gates.
    std::function<Result<std::map<std::string, std::string>>(const Model&, const GenerationRecord::Arm&)> first_gates;
    // The gates of a package in `folder`. May take long; is called on a thread of its own that nobody waits for at the
    // end, so it refers to nothing that ends. Empty: there are no gates.
    std::function<Verdict(const std::string& folder)> gates;
    std::function<void(const std::string&)> warn;
    int64_t counts_ms = 2000;  // at most so often what was counted is written; CountsInterval()
    bool reads_only = false;   // beside the run of the instance: appends nothing and answers nothing
  };
  explicit ModelAgent(Parts parts);
  ~ModelAgent() override;
  ModelAgent(const ModelAgent&) = delete;
  ModelAgent& operator=(const ModelAgent&) = delete;

  // kUnavailable: the log, or a version that scores, cannot be had; kInvalid: it does not fit the nodes, or one that
  // would be the first does not pass its gates; kCancelled.
  Status Begin(const CancelToken& cancel);
  // What the log says by now, for Look() before Begin(). kUnavailable.
  Status ReadLog() { return ReadOn(0); }
  void Follow();
  void Stop();

  GenerationId active() const override { return GenerationId(active_.load(std::memory_order_acquire)); }
  std::optional<PlannedSwitch> Planned(const SourcePartition& partition) const override;
  Status Require(int lane, std::span<const CommittedGeneration> generations, const CancelToken& cancel) override;
  bool rests() const override { return rests_.load(std::memory_order_acquire); }
  void Works(int lane, LaneWork work) override;
  uint32_t Check(GenerationId generation) const override;
  void Uses(int lane, GenerationId oldest) override;
  void Switched(const SourcePartition& partition, const Scoring& scoring) override;

  std::shared_ptr<const ArmRules> Rules(std::string_view node, GenerationId generation) const override;
  void Counted(std::string_view node, GenerationId generation, const ArmCounts& counts) override;
  bool HasCandidate(std::string_view node) const override;
  Result<bool> GiveUpCandidate(std::string_view node, const std::string& why) override;

  // The rollouts that are under way, and what was counted of the newest generation of a model: by this instance up to
  // now, by the others up to their last entries. Any thread.
  std::vector<RolloutStatus> Rollouts() const;
  CountsByNode CountsOf(const std::string& model) const;

  // What scores now, for people and metrics: `version` is the serving one where a rollout is under way. Any thread.
  struct Serving {
    std::string model, version, digest;
    uint32_t generation = 0;
    int64_t since_ms = 0;
    std::string deploying;                              // version of an open deployment; empty: none
    std::optional<BanditStatus> bandit = std::nullopt;  // where the versions are drawn by what they earn
    std::string swapping = {};                          // version that is loaded in its place now; empty: none
    int64_t swapping_since_ms = 0;                      // since 1970
  };
  std::vector<Serving> Now() const;
  // What the log said when it was read last. Any thread; `look` is short, and calls nothing of this object.
  void Look(const std::function<void(const ControlState&)>& look) const;

 private:
  // What is loaded in place now. `model` is empty: nothing.
  struct Swap {
    std::string model, version;
    int64_t since_ms = 0;
  };

  Status ReadOn(int wait_ms);
  Status StartModels();
  Result<GenerationRecord> FirstOf(const Model& model) const;
  Result<std::map<std::string, std::string>> GateFirst(const Model& model, const GenerationRecord& record) const;
  void CompareDraws();
  void Learn();
  Status Load(const Model& model, const GenerationRecord& record, bool quietly) REQUIRES(load_mutex_);
  Result<std::string> FolderOf(const Model& model, const std::string& digest) REQUIRES(load_mutex_);
  Status Make(const Model& model, uint32_t number, const GenerationRecord& record, bool quietly);
  Status MakeAsOf(uint32_t number);
  Status AwaitEntry(uint32_t number, const CancelToken& cancel);
  Status Verify(const CommittedGeneration& committed) const;
  Status Advance(bool quietly);
  Status AdvanceOn(bool quietly) REQUIRES(advance_mutex_);
  uint32_t MakeUpTo(uint32_t number, bool quietly, Status* failed) REQUIRES(advance_mutex_);
  Status MakeLoaded(const Model& model, uint32_t number, const GenerationRecord& record, bool quietly)
      REQUIRES(load_mutex_);
  bool HasInPlace() const;
  Status RequireInPlace(int lane, std::span<const CommittedGeneration> generations, const CancelToken& cancel);
  Status SwapIn(const Model& model, const ControlState::Generation& to, bool quietly) REQUIRES(advance_mutex_);
  Status SwapAtRest(const Model& model, const ControlState::Generation& to, bool quietly) REQUIRES(advance_mutex_);
  Status AwaitRest();
  Status Exchange(const Model& model, const ControlState::Generation& to, bool quietly);
  void UnloadAll(const Model& model) REQUIRES(load_mutex_);
  bool HasLoaded(const Model& model, const GenerationRecord& record) REQUIRES(load_mutex_);
  void NoteBeside(const Model& model, const GenerationRecord::Arm& arm) REQUIRES(load_mutex_);
  void GoOn();
  void Abandon(const Model& model, const ControlState::Generation& to, const Status& why);
  void FollowOn();
  void Step();
  std::vector<ControlState::Deployment> OpenDeployments() const;
  void AnswerDeployments();
  void BeginAnswer(const ControlState::Deployment& deployment);
  Result<std::vector<std::string>> FoldersToTry(const Model& model, const ControlState::Deployment& deployment);
  std::future<Verdict> RunGates(const std::vector<std::string>& folders) const;
  void LoadFor(const ControlState::Deployment& deployment, Verdict* verdict);
  void PutAnswer(const std::string& deployment, Verdict verdict);
  void SendAnswer(const ControlState::Deployment& deployment);
  std::pair<const Model*, const ManagedModel*> AtNode(std::string_view node) const;
  bool SeesStep() const;
  void KeepCounts();
  void GoOnCounting();
  void SendCounts();
  int64_t CountsIntervalMs() const;
  void RollOut();
  void Judge();
  void Move(const RolloutStatus& status, ControlEntry entry);
  std::optional<RolloutStatus> RolloutOfModel(const Model& model) const;
  void NoteSwitches();
  size_t NoteSwitchesOf(const std::string& partition, const std::vector<Scoring>& switches);
  bool NoteSwitch(const std::string& partition, const Scoring& scoring);
  void ForgetOld();
  void KeepStored();
  std::vector<std::string> StoredDigests() const;
  Status GiveUpAtLoad(Status advanced);
  bool Append(const ControlEntry& entry);
  void Warn(const std::string& text) const;
  void WarnOnce(const std::string& text);
  void Stamp(ControlEntry* entry) const;
  ControlEntry NewEntry(ControlEntry::Kind kind) const;
  const Model* Find(const std::string& name) const;
  std::optional<ControlState::Generation> Newest(const std::string& model, uint32_t number) const;
  uint32_t NewestNumber(uint32_t at_most) const;

  const Parts parts_;
  std::atomic<uint32_t> active_{0};
  std::atomic<bool> stops_{false};
  std::atomic<bool> rests_{false};  // lanes are to rest
  mutable Mutex mutex_;
  Condition changed_;
  ControlState state_ GUARDED_BY(mutex_);
  std::map<std::string, std::vector<Scoring>> switched_ GUARDED_BY(mutex_);  // by partition, to be noted
  std::set<std::string> mine_ GUARDED_BY(mutex_);                            // partitions that this run has had
  std::map<int, uint32_t> used_ GUARDED_BY(mutex_);                          // by lane: the oldest generation
  std::map<std::thread::id, uint32_t> required_ GUARDED_BY(mutex_);  // by lane thread that has not called Uses() since
  std::map<int, LaneWork> works_ GUARDED_BY(mutex_);                 // by lane
  Swap swap_ GUARDED_BY(mutex_);
  RolloutCounts counts_;
  Mutex advance_mutex_;  // before the other ones
  Mutex load_mutex_;     // one call of ManagedModel at a time; before mutex_
  std::map<std::string, std::string> folders_ GUARDED_BY(load_mutex_);  // by digest, where every node has it prepared
  std::map<std::string, std::set<std::string>> in_place_
      GUARDED_BY(load_mutex_);  // by model in place: digests in memory
  std::set<std::string> deadly_
      GUARDED_BY(load_mutex_);          // digests: the process died again and again while it was loaded
  std::atomic<uint32_t> abandoned_{0};  // the entry that gave the newest generation up; 0: this instance wrote none
  // Of the thread that follows, or of Begin().
  std::set<std::string> answered_;                      // deployments
  std::map<std::string, std::future<Verdict>> trials_;  // by deployment: gates that run
  std::map<std::string, ControlEntry> unsent_;          // by deployment: answers that the log did not take yet
  std::map<std::string, ControlState::Served> noted_;   // by partition
  std::pair<uint32_t, std::vector<std::string>> kept_;  // of the last Forget()
  uint32_t stored_ = 0;                                 // the entry after which KeepStored() looked last
  int64_t counts_sent_ns_ = 0;
  std::map<std::string, std::pair<uint32_t, int64_t>> moved_;    // by model: generation after which it moved, when
  std::map<std::string, std::pair<uint32_t, int64_t>> learned_;  // the same of lessons
  int64_t retry_at_ns_ = 0;
  std::string last_warning_;
  std::thread follower_;
};

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/managed_model.h"
#include "engine/mutex.h"
#include "nodes/infer/version_context.h"
#include "nodes/infer/version_table.h"

namespace anabranch {

// The versions of one node's model. Open() and the facts: any thread. A session of a small model belongs to one open
// node; large models have one session for all of them.
class Versions final : public ManagedModel {
 public:
  static constexpr size_t kLargeModelBytes = size_t{32} << 20;

  // `start` scores the rows of generations that are older than all that were added.
  Versions(std::shared_ptr<const InferPlan> start, const BindContext& context);

  const std::string& model() const override { return start_->loader.plan().model_name; }
  bool in_place() const override { return start_->loader.plan().in_place; }
  Status Prepare(const ModelVersion& version) override;
  void Add(GenerationId generation, const GenerationRecord& record) override;
  void AddCompared(const std::string& digest, CompareSpec* spec) const override;
  void Forget(GenerationId oldest, const std::vector<std::string>& keep) override;
  void Unload() override;

  std::shared_ptr<const BoundVersion> start() const { return start_; }
  // The version of the newest generation.
  std::shared_ptr<BoundVersion> newest() const;
  // What a new node holds: every prepared version; the starting one where none was prepared.
  Result<std::shared_ptr<VersionShelf>> Open();

 private:
  struct Prepared {
    std::shared_ptr<BoundVersion> version;
    std::unique_ptr<ModelRunner> spare;  // loaded while no node was open: for the next one
  };
  Result<std::shared_ptr<BoundVersion>> Bind(const ModelVersion& version) const;
  Status LoadForOpenNodes(const std::shared_ptr<BoundVersion>& version);
  std::vector<std::shared_ptr<BoundVersion>> FindArms(const GenerationRecord& record) const REQUIRES(mutex_);
  std::shared_ptr<BoundVersion> FindPrepared(const std::string& digest) const REQUIRES(mutex_);
  std::unique_ptr<ModelRunner> TakeSpare(const BoundVersion& version) REQUIRES(mutex_);
  void Drop(const BoundVersion& version) REQUIRES(mutex_);
  std::vector<std::shared_ptr<VersionShelf>> OpenShelves() REQUIRES(mutex_);
  std::vector<std::shared_ptr<VersionShelf>> SetTable(std::vector<VersionTable::Entry> entries) REQUIRES(mutex_);

  const Surroundings surroundings_;
  const std::shared_ptr<BoundVersion> start_;

  mutable Mutex mutex_;  // never held while a model is loaded
  std::vector<Prepared> prepared_ GUARDED_BY(mutex_);
  std::shared_ptr<const VersionTable> table_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<VersionShelf>> shelves_ GUARDED_BY(mutex_);
};

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/node.h"
#include "nodes/infer/program.h"

namespace anabranch {

// What a node was bound with, kept for the versions of its model that come later. Immutable.
class Surroundings {
 public:
  explicit Surroundings(const BindContext& context);
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  const ConfigValue& config() const { return config_; }
  const std::string& node_id() const { return node_id_; }
  const Scope& scope() const { return scope_; }

 private:
  ConfigValue config_;
  const std::string node_id_;
  const Scope scope_;
};

// Binds another version to the same columns: what it reads must be there, and what it makes must be of the type that
// the serving version made it with.
class VersionContext : public BindContext {
 public:
  VersionContext(const Surroundings& surroundings, const InferPlan& serving);

  const ConfigValue& config() const override { return surroundings_.config(); }
  const std::string& node_id() const override { return surroundings_.node_id(); }
  const Scope& scope() const override { return surroundings_.scope(); }
  FaultSink& faults() override { return faults_; }
  BindServices& services() override;
  const VisibleColumn* Read(const ConfigValue& at, std::string_view name, bool as_float32) override;
  void NoteReads(std::span<const ColumnId>) override {}  // all of them are read already
  ColumnId Make(const ConfigValue& at, std::string_view name, const Type& type, bool nullable) override;
  void Rename(std::string_view, std::string_view) override {}
  void Drop(std::string_view) override {}
  std::vector<std::shared_ptr<const RecordSchema>> TakeSchemas() override { return {}; }

  // One fault per line.
  std::string FaultText() const;

 private:
  ColumnId Compare(const ConfigValue& at, const std::string& name, const Type& type, const Type& serving, ColumnId id);

  const Surroundings& surroundings_;
  const InferPlan& serving_;
  FaultSink faults_;
};

}  // namespace anabranch

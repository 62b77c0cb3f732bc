#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/registry.h"
#include "engine/schema/record_schema.h"
#include "topologies/language/columns.h"
#include "topologies/language/services.h"

namespace anabranch {

// Schemas of the sources, and which of them some node enforces.
struct SchemaUse {
  std::vector<std::shared_ptr<RecordSchema>> schemas;  // by source; null = none
  std::vector<bool> taken;                             // by source: some node checks it
};

// BindContext for one node. What the node does to the columns below it is kept as a list of changes,
// applied to the scope afterwards.
class NodeBinding final : public BindContext {
 public:
  NodeBinding(const ConfigValue& config, const NodeKind& kind, const Scope& scope, ColumnTable& columns,
              Services& services, FaultSink& faults)
      : config_(config), kind_(kind), scope_(scope), columns_(columns), services_(services), faults_(faults) {}

  const ConfigValue& config() const override { return config_; }
  const std::string& node_id() const override { return config_.name; }
  const Scope& scope() const override { return scope_; }
  FaultSink& faults() override { return faults_; }
  BindServices& services() override { return services_; }
  const VisibleColumn* Read(const ConfigValue& at, std::string_view name, bool as_float32) override;
  void NoteReads(std::span<const ColumnId> reads) override;
  ColumnId Make(const ConfigValue& at, std::string_view name, const Type& type, bool nullable) override;
  std::shared_ptr<const Type> Storage(ColumnId column) override { return columns_.Adapt(column); }
  void Rename(std::string_view from, std::string_view to) override;
  void Drop(std::string_view name) override;
  void NameClasses(ColumnId column, const std::vector<std::string>& classes) override;
  std::vector<std::shared_ptr<const RecordSchema>> TakeSchemas() override;

  // `pending`: by source, whether its schema reaches this node unchecked; changed by TakeSchemas.
  void SetSchemas(SchemaUse* use, std::vector<bool>* pending) {
    schemas_ = use;
    pending_ = pending;
  }
  // `rows_of`: by source, whether its rows reach this node. `ids`: the sources' ids.
  void SetSources(const std::vector<bool>* rows_of, const std::vector<std::string>* ids) {
    rows_of_ = rows_of;
    source_ids_ = ids;
  }
  // Everything this node makes may be null: where `when` is not true, or it failed under "on_error": "null".
  void SetConditional() { conditional_ = true; }
  // What this node makes may be a default of its `on_error`.
  void SetSubstituted() { substituted_ = true; }
  // Turns the scope above into the scope below.
  void Apply(Scope& scope) const;

  std::vector<ColumnId> makes;
  std::vector<ColumnId> reads;

 private:
  struct Change {
    enum class Kind : uint8_t { kMake, kRename, kDrop } kind;
    VisibleColumn column;  // kMake; otherwise its name
    std::string to;        // kRename
  };
  void UnknownColumn(const ConfigValue& at, std::string_view name);
  std::string SourcesWithout(std::string_view name) const;

  const ConfigValue& config_;
  const NodeKind& kind_;
  const Scope& scope_;
  ColumnTable& columns_;
  Services& services_;
  FaultSink& faults_;
  SchemaUse* schemas_ = nullptr;
  std::vector<bool>* pending_ = nullptr;
  const std::vector<bool>* rows_of_ = nullptr;
  const std::vector<std::string>* source_ids_ = nullptr;
  bool conditional_ = false;
  bool substituted_ = false;
  std::vector<Change> changes_;
};

}  // namespace anabranch

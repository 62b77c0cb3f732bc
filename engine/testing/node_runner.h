#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/connector.h"
#include "engine/node.h"
#include "engine/registry.h"
#include "engine/testing/cells.h"
#include "engine/testing/config_builder.h"

namespace anabranch {

// What a record brings beside its columns.
struct TestRow {
  std::string key = {};
  bool has_key = true;
  std::string topic = "in";
  int32_t partition = 0;
  int64_t offset = -1;  // -1 = the row's index
  int64_t timestamp_ms = 1'700'000'000'000;
  std::string payload = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// Tests one node kind from its configuration fragment, without topology file or executor:
//
//   NodeRunner runner;
//   runner.AddColumn("price", Type::Scalar(Kind::kFloat64));
//   ASSERT_TRUE(runner.Bind(RegisterNodeTransform, ConfigObject({{"kind", "transform"}, {"set", …}})));
//   runner.Fill("price", {1.5, nullptr, 3.0});
//   ASSERT_TRUE(runner.Run().ok());
//   EXPECT_EQ(runner.Value("total", 0), Cell(3.0));
//   EXPECT_EQ(runner.outcome(1), Outcome::kFailed);
//
// Order: columns and surroundings, Bind, rows, Run; after Run, ClearRows() and new rows for another batch through the
// same open node. The node is stage 1 below one source (stage 0). Not thread-safe.
class NodeRunner {
 public:
  NodeRunner();
  ~NodeRunner();
  NodeRunner(const NodeRunner&) = delete;
  NodeRunner& operator=(const NodeRunner&) = delete;

  // ---- surroundings, before Bind
  // A column that the node may read. `result`: as if made by a model above.
  ColumnId AddColumn(const std::string& name, const Type& type, bool nullable = true, bool result = false);
  // The names of the values of a vector that the node may read.
  void SetClasses(const std::string& column, std::vector<std::string> classes);
  // An entry of a top-level section: SetSection("models", "gbt", ConfigObject({{"path", "gbt.onnx"}})).
  void SetSection(const std::string& section, const std::string& name, ConfigValue value);
  // The topology's folder; paths inside it resolve, others are refused. Default: the current folder.
  void SetBasePath(std::string folder);
  // What the node gets from TakeSchemas(). Its fields become columns of the source and are bound to them.
  void AddSchema(std::shared_ptr<RecordSchema> schema);
  // Answers BindServices::BindTarget; without one every target is a fault.
  using TargetBinder =
      std::function<std::shared_ptr<const TargetProgram>(const ConfigValue& to, const TargetFields&, FaultSink&)>;
  void SetTargetBinder(TargetBinder binder);
  void SetNodeId(std::string id);  // default "node"

  // ---- bind
  // Registers the kind with `register_kind`, takes the one named by the configuration's "kind" (or the only one)
  // and binds it. False when there were faults. Structure checks against the kind's fields are not made here.
  bool Bind(void (*register_kind)(Registry&), ConfigValue config);
  bool Bind(const NodeKind& kind, ConfigValue config);
  const std::vector<Fault>& faults() const;
  // The messages, one per line, in the order found: for failure output and quick comparisons.
  std::string FaultText() const;
  const NodeProgram* program() const;
  struct MadeColumn {
    std::string name;
    ColumnId id;
    Type type;
    bool nullable = false;
  };
  const std::vector<MadeColumn>& made() const;
  std::vector<std::string> reads() const;  // names of the columns read, sorted, each once
  const Scope& below() const;              // what a node below could read

  // ---- rows, after Bind
  // Adds rows as needed, so that there is one per cell, and sets the column's cells.
  void Fill(const std::string& column, const std::vector<Cell>& cells);
  uint32_t AddRow(const TestRow& row);
  void AddRows(uint32_t count);
  void Deactivate(uint32_t row);
  void ClearRows();
  RecordBatch& batch();
  Column& column(const std::string& name);  // an input or a made one; aborts when unknown

  // ---- run
  // Opens the node at the first call. Columns that Fill did not set are null. May be repeated: outcomes start afresh.
  Status Run(int64_t deadline_ns = INT64_MAX);

  // ---- results
  Outcome outcome(uint32_t row) const;
  const std::vector<RowError>& errors() const;
  std::string ErrorText(uint32_t row) const;  // "code: message", or empty
  Cell Value(const std::string& column, uint32_t row);
  std::vector<Cell> Values(const std::string& column);

 private:
  class Context;
  class Services;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace anabranch

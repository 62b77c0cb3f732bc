#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/clock.h"
#include "engine/config.h"
#include "engine/fault.h"
#include "engine/ids.h"
#include "engine/library.h"
#include "engine/record_batch.h"
#include "engine/scope.h"
#include "engine/spec.h"
#include "engine/status.h"

namespace anabranch {

class ManagedModel;
class TargetProgram;
struct TargetField;

// What the world offers while a topology is checked. No network; only files that the topology names.
class BindServices {
 public:
  virtual ~BindServices() = default;

  // A path of the topology file made absolute and judged (inside the folder tree or an --allow-path).
  // kInvalid with a text for the user otherwise. The file need not exist.
  virtual Result<std::string> ResolvePath(std::string_view path) const = 0;
  // The entry of a top-level section ("models", "schemas", "connections"), or null. Names() lists them.
  virtual const ConfigValue* Section(std::string_view section, std::string_view name) const = 0;
  virtual std::vector<std::string> Names(std::string_view section) const = 0;
  // Binds the "to" object of a sink with the connector that it names. Null when faulty.
  virtual std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& to, const struct TargetFields& fields,
                                                          FaultSink& faults) = 0;
};

// Called while one node is bound (checked and compiled). Columns are read and made through it, so
// that unknown and doubly made columns are faults in one place.
class BindContext {
 public:
  virtual ~BindContext() = default;

  virtual const ConfigValue& config() const = 0;  // structure already checked against the kind's fields
  virtual const std::string& node_id() const = 0;
  virtual const Scope& scope() const = 0;  // what the node may read
  virtual FaultSink& faults() = 0;
  virtual BindServices& services() = 0;

  // Looks a readable column up and notes the read; a fault with a suggestion and null when unknown.
  // `as_float32`: this reader is content with float32 storage of a tensor.
  virtual const VisibleColumn* Read(const ConfigValue& at, std::string_view name, bool as_float32 = false) = 0;
  // Notes the reads of an expression compiled against scope() (or a scope derived from it).
  virtual void NoteReads(std::span<const ColumnId> reads) = 0;
  // A new column of this node, visible below it. `at` is the name's place for faults.
  // Made twice in the topology: a fault; the returned id is usable all the same.
  virtual ColumnId Make(const ConfigValue& at, std::string_view name, const Type& type, bool nullable) = 0;
  // The type in which `column`, which this node made, is to be stored: float32 instead of float64 for a tensor whose
  // readers are content with that. Filled in once the topology is compiled: look at it in Open(), not before. A node
  // that does not ask stores what it said to Make(); one that asks must obey. May be null: as was said to Make().
  virtual std::shared_ptr<const Type> Storage(ColumnId /*column*/) { return nullptr; }
  // Names the values of a vector that this node made, in their order: the classes of a classifier.
  virtual void NameClasses(ColumnId /*column*/, const std::vector<std::string>& /*classes*/) {}
  // Changes what is visible below this node, never data.
  virtual void Rename(std::string_view from, std::string_view to) = 0;
  virtual void Drop(std::string_view name) = 0;
  // The schemas of the sources above that no node above enforces yet; marks them as enforced here. One entry per
  // source. Only for kinds whose spec says `checks_schemas`; empty for others.
  virtual std::vector<std::shared_ptr<const class RecordSchema>> TakeSchemas() = 0;
};

// Given to a node for one batch. One call at a time per node instance; the executor owns threads.
struct NodeRun {
  RecordBatch& batch;
  StageId stage;
  std::span<const uint8_t> active;  // 1 = work on this row
  uint32_t active_count;            // == batch.rows(): all
  int64_t deadline_ns;              // Clock::NowNs() by which to give up; INT64_MAX = none
  // For a node that bounds its own steps where there is no deadline: it says here by when it is back at the latest.
  // When it is not, the process ends as after a deadline that passed. May be null.
  std::atomic<int64_t>* due_ns = nullptr;

  StageRows& rows() const { return batch.stages[stage]; }
  bool all_active() const { return active_count == batch.rows(); }

  // Fails one row here: it leaves the stream at this stage under the node's `on_error` policy.
  // The first failure of a row counts. The row's columns of this node stay null.
  void FailRow(uint32_t row, std::string_view code, std::string message) const;
  void TimeOutRow(uint32_t row, std::string message) const;
  void FilterRow(uint32_t row) const { rows().outcome[row] = Outcome::kFiltered; }
};

// A node at work: owns scratch memory, model sessions, parsers.
//
// Threads: a worker thread opens its own instance of every node and is the only one to call it. A batch goes to any
// idle worker, so one instance sees neither all batches nor their order, not even those of one source partition.
//
// Calls: a node is a function from one row to one row (NodeKind::Purity::kPure). What it computes for a row depends on
// that row and on the node's configuration alone, not on the other rows of the batch, on earlier batches or on time.
// The executor relies on this. It may call Process again with the same batch (after kRetry, kTimedOut or a late
// result), with parts of that batch (to find the row that makes a call fail), and in a later run with rows that an
// earlier run processed already. Every call begins anew: the outcomes of the stage are as they were before the first
// call, and the node resets its columns. What a call keeps in the node may only save time.
class Node {
 public:
  virtual ~Node() = default;
  // Works on the active rows of one batch: resets the columns that the node makes (the executor does not), fills them,
  // fails or filters rows. Rows that are not active stay null in these columns; the executor marks them where that says
  // more (column.h, Mark).
  //
  // The columns that the node reads are complete and do not change during the call. Views into them, and into the
  // columns it makes, are valid until the batch is cleared; a node must not keep them after the call.
  //
  // Record errors go to FailRow. A returned Status stops the stage: kRetry and kTimedOut are transient, so the executor
  // may call again; kStage and kInternal are not.
  virtual Status Process(const NodeRun& run) = 0;
  // True: it fails single rows where it can by itself, those that are out of time too. Then what it answers stands: no
  // bad rows are looked for in a batch that it failed, and what it finished counts though it came late.
  virtual bool judges_rows() const { return false; }

  // Work that no result shows: a candidate that scores unseen. Called by the lane's own worker after the results of the
  // batch were handed over, on an instance that may not have processed it, between two calls of Process. It writes
  // StageRows::arms only. What fails there is noted there; a Status (kInternal) is a fault of the node.
  virtual Status AfterHandOver(const NodeRun& /*run*/) { return Status::Ok(); }
  // Whether AfterHandOver() has something to do now. Cheap: asked after each batch.
  virtual bool works_after() const { return false; }
};

// What a node has to say about one row beside its columns: the verdict of a rule, the condition of a filter, the
// expression of a column.
struct Finding {
  std::string name;     // of the rule or the column, as the configuration has it
  std::string verdict;  // one word: "true", "false", "null", "failed"; empty: nothing was judged
  std::string text;     // the expression, or why it failed; with the values that it read where it judges
};

// A model that a node calls.
struct ModelFacts {
  std::string name, version;
  int64_t file_bytes = 0;
  double load_seconds = 0;  // 0: it was not loaded yet
};

// A bound node: immutable, shared by all threads, free of open handles other than read-only data.
class NodeProgram {
 public:
  virtual ~NodeProgram() = default;
  // Makes the per-thread instance. May load models and allocate; called before the first record,
  // concurrently for different threads. Errors: kUnavailable, kStage.
  virtual Result<std::unique_ptr<Node>> Open() const = 0;
  // Of a sink: where the rows go. Null for other kinds.
  virtual std::shared_ptr<const TargetProgram> target() const { return nullptr; }
  // Of a sink: the fields that it writes, in their order. Empty for other kinds, and where records go out unchanged.
  virtual std::span<const TargetField> written() const { return {}; }
  // Facts for `explain` and result headers, e.g. {"model": "gbt@7", "rows_per_call": "64"}.
  virtual std::map<std::string, std::string> Facts() const { return {}; }
  // The model that it calls; each call is then in StageRows::calls.
  virtual std::optional<ModelFacts> model() const { return std::nullopt; }
  // Where its model has versions that come and go while it runs. Its own, as long as the program lives.
  virtual ManagedModel* managed() const { return nullptr; }
  // How long Process takes for that many rows, as measured when it was opened first; 0 = not measured.
  virtual int64_t EstimateNs(uint32_t /*rows*/) const { return 0; }
  // Whether it may filter rows. For tests of a topology, which say what they never reach.
  virtual bool filters() const { return false; }
  // What the node counts beside its rows, in StageRows::tally of each batch, e.g. "missing:p_nn:error". The sums of a
  // run are kept in the ledger under these names.
  virtual std::vector<std::string> Tallies() const { return {}; }
  // What led to the row's result, for `trace`, in the order in which it is judged. `batch` has been through this node:
  // what it read and made is there. It may judge more than the run did: all rules, not only those up to the first that
  // failed. Called for single rows, on any thread; it may take long and allocate.
  virtual std::vector<Finding> Explain(const RecordBatch& /*batch*/, uint32_t /*row*/) const { return {}; }
  // False: the same row may get another result each time. Then the results are stored before anything below the node
  // runs, as with `"keep": "always"`.
  virtual bool deterministic() const { return true; }
  // Adds to the fingerprint what the configuration text does not hold (model bytes).
  virtual std::string FingerprintExtra() const { return {}; }
};

// A node kind: one folder under nodes/. Stateless apart from caches; lives as long as the registry.
class NodeKind {
 public:
  virtual ~NodeKind() = default;

  // What a result depends on, beside the row and the configuration. The executor supports kPure only. Keyed state will
  // be another value here: it needs rows of one key in order, more or fewer rows out than in, and a call that flushes.
  enum class Purity : uint8_t { kPure };

  struct Spec {
    std::string name;               // a verb
    std::string summary;            // one sentence
    std::string about;              // a few paragraphs of Markdown for `explain` and the reference
    std::vector<FieldSpec> fields;  // beside the common ones (kind, inputs, when, on_error, …)
    std::string example;            // a pasteable node object (JSON); a test binds it
    int version = 1;                // raised by hand when the kind's results change
    Purity purity = Purity::kPure;
    bool sink = false;            // its rows end there: no node may read it, and it has a target
    bool checks_schemas = false;  // it holds rows to the schemas of the sources above it (TakeSchemas)
    bool results = false;         // its columns are results: a sink writes them by default
    bool expensive = false;       // worth its own thread when branches are independent (measured at run time)
  };
  virtual const Spec& spec() const = 0;

  // The libraries that this kind uses, in a fixed order; loads them where it must to find out.
  virtual std::vector<Library> Libraries() const { return {}; }

  // Checks the node against its surroundings and compiles it. Reports every fault it can find;
  // null when there was one. Must not touch the network.
  virtual std::shared_ptr<const NodeProgram> Bind(BindContext& context) const = 0;
};

}  // namespace anabranch

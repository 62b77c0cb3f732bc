#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/control_program.h"
#include "engine/delivery.h"
#include "engine/format.h"
#include "engine/node.h"
#include "engine/rollout_spec.h"
#include "engine/scope.h"
#include "engine/source.h"
#include "engine/target.h"

namespace anabranch {

struct BanditSpec;  // engine/strategy/bandit_spec.h
class Expression;

// What happens to a row that fails in a node.
enum class RecordPolicy : uint8_t {
  kDeadLetter,  // kept byte for byte with the reason (default)
  kSkip,        // dropped, counted
  kDefault,     // goes on with `default_values`
  kStop,        // the stage stops
  kNull,        // goes on with nulls
};

// Where a row's key comes from.
struct KeyRule {
  enum class Kind : uint8_t { kRecord, kField, kHeader, kHash, kPosition, kUuid };
  Kind kind = Kind::kRecord;
  std::vector<ColumnId> columns;  // kField, kHash
  std::string header;
};

// Where a row's event time comes from, and which times are good.
struct TimeRule {
  std::optional<ColumnId> field;  // a timestamp, or an int64 of milliseconds since 1970; unset: the record's timestamp
  int64_t lateness_us = 0;        // how far the watermark stays behind the greatest time
  int64_t max_ahead_us = 0;       // a time that is further ahead of the wall clock is a record error
};

// Turns a flood of record errors of one stage into a stop of that stage: it trips at the `failures`-th one among the
// last `rows` rows.
struct Breaker {
  uint32_t rows = 1000;
  uint32_t failures = 50;
};

struct PlanSource {
  std::string id;
  std::string fingerprint;     // of what its results depend on: connector, format, schema, key
  std::string position_owner;  // what its stored positions belong to: connector, what it reads, under which group
  std::string connector;
  std::shared_ptr<const SourceProgram> program;
  const Format* format = nullptr;              // how values are written; the registry's
  std::shared_ptr<const RecordSchema> schema;  // null: raw pass-through only
  DecodePlan decode;                           // empty fields: nothing is decoded
  bool enforce_schema = false;                 // not every path below has a node that does it
  KeyRule key;
  std::optional<TimeRule> time;  // unset: its rows have no event time
  Breaker breaker;
};

struct PlanNode {
  std::string id;
  std::string kind;
  std::shared_ptr<const NodeProgram> program;
  // Of what its own results depend on: kind and its version, configuration; behind a dash, model bytes.
  std::string fingerprint;
  std::string closure;  // of that and everything above
  std::string was;      // id under which it stood in an earlier file; empty: the same
  bool keep_always = false;
  Breaker breaker;
  std::vector<StageId> inputs;
  std::vector<bool> from_source;  // by source StageId: descends from it
  bool join_any = false;
  std::shared_ptr<const Expression> when;  // null = always
  std::vector<ColumnId> makes;
  std::vector<ColumnId> reads;
  bool expensive = false;
  TargetId target;  // sinks only
  RecordPolicy on_record_error = RecordPolicy::kDeadLetter;
  std::map<ColumnId, std::string> default_values;  // canonical JSON text per made column
  int64_t timeout_ns = 0;                          // 0 = none
  int retry_max = 3;
  int64_t retry_backoff_ns = 100'000'000;
  int64_t retry_max_backoff_ns = 10'000'000'000;
  std::string description;
};

struct PlanTarget {
  std::string id;  // node id; "dead_letters" for the last one
  std::shared_ptr<const TargetProgram> program;
};

// A model of the file whose versions are packages: they are deployed while the stream runs.
struct PlanModel {
  std::string name;
  std::string registry;  // folder with its packages, absolute
  std::string start;     // the version that scores before any deployment
  std::string key;       // file of the public key that signed its packages, absolute; empty: no signature is asked for
  std::shared_ptr<const RolloutSpec> rollout;  // null: a deployment scores all rows at once
  std::shared_ptr<const BanditSpec> bandit;    // null: its rows do not draw by rewards
};

struct EpochLimits {
  uint64_t max_rows = 100'000;
  size_t max_bytes = size_t{32} << 20;
  int64_t commit_ns = 100'000'000;
};

struct Limits {
  size_t record_bytes = size_t{16} << 20;  // a longer record is a record error
  size_t result_bytes = size_t{16} << 20;  // a longer result of one record is a record error of the sink that writes it
  size_t memory_bytes = size_t{512} << 20;  // batches and pinned outputs in flight, all lanes
  size_t kept_bytes = size_t{4} << 30;      // kept results in the state folder
};

// A topology, checked and compiled: immutable, ordered, printable; no threads, no I/O. Stages 0..S-1
// are the sources, then the nodes in dependency order (ties by place in the file).
struct Plan {
  std::string name;
  std::string hash;  // of the canonical topology and its models: 12 hex digits
  std::string file;  // absolute path
  std::vector<PlanSource> sources;
  std::vector<PlanNode> nodes;
  std::vector<PlanTarget> targets;  // those of the sinks in order, then dead letters
  std::vector<ColumnInfo> columns;
  std::string models;  // "gbt@7,nn@1a2b3c4d"
  std::vector<PlanModel> managed;
  std::shared_ptr<const ControlProgram> control;  // null: the state folder of the one instance
  Delivery delivery = Delivery::kExactlyOnce;
  bool delivery_given = false;  // written in the file
  BatchLimits batch;
  EpochLimits epoch;
  Limits limits;

  size_t stages() const { return sources.size() + nodes.size(); }
  TargetId dead_letters() const { return TargetId(targets.size() - 1); }
  const PlanNode& node(StageId stage) const { return nodes[stage - sources.size()]; }
  const std::string& StageName(StageId stage) const {
    return stage < sources.size() ? sources[stage].id : node(stage).id;
  }
  // Without models: IdentityOf (plan_graph.h) adds those above a sink.
  ResultIdentity identity() const { return {name + "@" + hash, {}}; }
};

}  // namespace anabranch

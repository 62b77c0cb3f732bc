#include "topologies/language/topology_spec.h"

#include <algorithm>

#include "topologies/language/bandit.h"
#include "topologies/language/event_time.h"
#include "topologies/language/rollout.h"
#include "topologies/language/test_spec.h"

namespace anabranch {

namespace {

constexpr double kDayMs = 86'400'000;
constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kMaxBreakerRows = 1e6;

Shape RetryShape() {
  return Shape::Object({
      {"max", Shape::Integer(0, 1000), false, "3", "How often a batch is tried again after a transient error."},
      {"backoff_ms", Shape::Number(0, kDayMs), false, "100", "First wait between attempts, in milliseconds; doubles."},
      {"max_backoff_ms", Shape::Number(0, kDayMs), false, "10000", "Longest wait between attempts, in milliseconds."},
  });
}

Shape RecordPolicyShape() {
  return Shape::OneOf({Shape::Enum({"dead_letter", "skip", "null", "stop"}),
                       Shape::Object({{"default", Shape::Map(Shape::Any(), true), true, "",
                                       "Values of the node's columns with which a failed row goes on."}})});
}

Shape OnErrorShape() {
  Shape both = Shape::Object({
      {"record", RecordPolicyShape(), false, "\"dead_letter\"", "What happens to a row that fails."},
      {"stage", Shape::Enum({"stop"}), false, "\"stop\"", "What happens when the whole stage fails."},
  });
  Shape shape = RecordPolicyShape();
  shape.alternatives.push_back(std::move(both));
  return shape;
}

Shape KeyShape() {
  return Shape::OneOf({
      Shape::Enum({"record", "position", "uuid"}),
      Shape::Object({{"field", Shape::Column(), true, "", "A field of the record."}}),
      Shape::Object({{"header", Shape::String(), true, "", "A header of the record."}}),
      Shape::Object({{"hash", Shape::List(Shape::Column(), true), true, "", "Fields that are hashed together."}}),
  });
}

FieldSpec TimeoutField() {
  return {
      "timeout_ms",
      Shape::Number(0.001, kDayMs),
      false,
      "",
      "Longest time for one batch, in milliseconds. Rows that a model has not finished by then fail; other nodes are "
      "retried (`retry`), and if every retry is late, the stage stops.",
      Affects::kNothing};
}

FieldSpec OnErrorField() {
  return {
      "on_error",          OnErrorShape(), false, "\"dead_letter\"", "What happens to a row, or a stage, that fails.",
      Affects::kSeparately};
}

Shape BreakerShape() {
  return Shape::Object({
      {"share", Shape::Number(0, 1), false, "0.05", "Share of the rows that may fail; at least one failure trips it."},
      {"rows", Shape::Integer(1, kMaxBreakerRows), false, "1000", "The last rows that are looked at."},
  });
}

FieldSpec BreakerField(std::string name, std::string doc) {
  return {std::move(name), BreakerShape(), false, "", std::move(doc), Affects::kNothing};
}

FieldSpec DescriptionField() {
  return {"description", Shape::String(), false, "", "For readers; no effect.", Affects::kNothing};
}

Shape BatchShape() {
  return Shape::Object({
      {"max_rows", Shape::Integer(1, 65'536), false, "256", "Rows of a micro-batch, at most."},
      {"max_bytes", Shape::Integer(1024, kGiB), false, "4194304", "Payload bytes of a micro-batch, at most."},
      {"linger_ms", Shape::Number(0, 60'000), false, "0",
       "How long a batch that is not full waits for more, in milliseconds; at 0 it goes as soon as nothing more is "
       "available."},
      {"latency_target_ms", Shape::Number(0.1, 60'000), false, "",
       "Time within which a record is to be through, from the source to its target's client, in milliseconds: rows and "
       "wait of micro-batches are chosen for it, from what the models take when they are loaded, and corrected while "
       "it runs. max_rows stays the most; linger_ms may not stand beside it."},
  });
}

Shape EpochShape() {
  return Shape::Object({
      {"max_rows", Shape::Integer(1, 1e9), false, "100000", "Rows committed together, at most."},
      {"max_bytes", Shape::Integer(1024, 4 * kGiB), false, "33554432", "Output bytes committed together, at most."},
      {"commit_ms", Shape::Number(1, 5'000), false, "100",
       "Time after which an epoch is committed, in milliseconds; a broker ends a transaction after 10000."},
  });
}

Shape LimitsShape() {
  return Shape::Object({
      {"record_bytes", Shape::Integer(1, kGiB), false, "16777216", "A longer record is a record error, in bytes."},
      {"result_bytes", Shape::Integer(1, kGiB), false, "16777216",
       "A longer result of one record (key, fields and headers) is a record error of the node that writes it, in "
       "bytes."},
      {"memory_bytes", Shape::Integer(1 << 20, 1e15), false, "536870912",
       "Batches and outputs in flight, all lanes together, in bytes."},
      {"kept_bytes", Shape::Integer(1 << 20, 1e15), false, "4294967296", "Kept results in the state folder, in bytes."},
      BreakerField("dead_letters", "When failing rows stop a stage: for nodes and sources without their own."),
  });
}

}  // namespace

std::vector<FieldSpec> TopologyFields() {
  return {
      {"anabranch", Shape::Integer(1), true, "", "Version of the format: 1."},
      {"name", Shape::String(), true, "", "[a-z][a-z0-9-]*; group, ids and state folder derive from it."},
      DescriptionField(),
      {"owner", Shape::String(), false, "", "Who answers for it; no effect.", Affects::kNothing},
      {"tags", Shape::List(Shape::String()), false, "", "For readers; no effect.", Affects::kNothing},
      {"connections", Shape::Map(Shape::Any()), false, "", "How outside systems are reached, by name."},
      {"schemas", Shape::Map(Shape::Any()), false, "", "JSON Schemas (draft-07) of records, by name."},
      {"models", Shape::Map(Shape::Object(ModelFields())), false, "",
       "Models, by name: files, or packages whose versions change while the stream runs."},
      {"sources", Shape::Map(Shape::Any(), true), true, "", "Where records come from, by id."},
      {"nodes", Shape::Map(Shape::Any(), true), true, "", "The nodes, by id."},
      {"dead_letters", Shape::Any(), false, "", "Where records that fail are kept."},
      {"control", Shape::Any(), false, "",
       "Where the instances agree on the versions of the models, when several of them run; default: the state folder.",
       Affects::kNothing},
      {"delivery", Shape::Enum({"exactly_once", "at_least_once"}), false, "",
       "What is promised; default: exactly_once where every target can."},
      {"defaults",
       Shape::Object({{"retry", RetryShape(), false, "", "For nodes without their own."},
                      TimeoutField(),
                      OnErrorField(),
                      BreakerField("dead_letter_max", "When failing rows stop a stage: for nodes without their own.")}),
       false, "", "Settings of nodes that do not have their own."},
      {"batch", BatchShape(), false, "", "The micro-batch."},
      {"epoch", EpochShape(), false, "", "What is committed together."},
      {"limits", LimitsShape(), false, "", "Caps; each holds its writer back, none drops."},
      {"tests", Shape::List(Shape::Object(TestCaseFields())), false, "", "Cases for `anabranch test`.",
       Affects::kNothing},
  };
}

std::vector<FieldSpec> CommonNodeFields() {
  return {
      {"kind", Shape::String(), true, "", "What the node does.", Affects::kSeparately},
      {"inputs", Shape::List(Shape::String()), true, "", "Ids of the sources and nodes that it reads.",
       Affects::kSeparately},
      {"join", Shape::Enum({"all", "any"}), false, "\"all\"",
       "Of several inputs: a row needs all of them, or any (the others' columns are null).", Affects::kSeparately},
      {"when", Shape::Expression(), false, "", "Rows where it is not true are skipped by this node and go on."},
      TimeoutField(),
      {"retry", RetryShape(), false, "", "What is done about transient errors.", Affects::kNothing},
      OnErrorField(),
      BreakerField("dead_letter_max", "Stops the stage when this share of its last rows failed."),
      {"keep", Shape::Enum({"on_failure", "always"}), false, "\"on_failure\"",
       "When the node's results are stored for a restart: when a stage below fails, or always (they survive a crash).",
       Affects::kNothing},
      {"was", Shape::String(), false, "", "Id of this node in an earlier file: a rename, not another node.",
       Affects::kNothing},
      DescriptionField(),
  };
}

std::vector<FieldSpec> NodeFields(const NodeKind& kind) {
  std::vector<FieldSpec> fields = CommonNodeFields();
  for (const FieldSpec& own : kind.spec().fields) {
    const auto same =
        std::find_if(fields.begin(), fields.end(), [&](const auto& each) { return each.name == own.name; });
    if (same != fields.end()) {
      *same = own;
    } else {
      fields.push_back(own);
    }
  }
  return fields;
}

std::vector<FieldSpec> CommonSourceFields(const Registry& registry) {
  std::string format_doc = "How a record's value is written";
  for (const Format* format : registry.formats()) {
    if (format->spec().needs_header) format_doc += "; " + format->spec().name + " needs a header row";
  }
  return {
      {"format", Shape::Enum(registry.FormatNames()), false, "\"" + std::string(kDefaultFormat) + "\"",
       format_doc + ".", Affects::kSeparately},
      {"envelope", Shape::Enum({"record"}), false, "",
       "\"record\": a line of a file is {\"key\", \"value\", \"headers\", \"timestamp\"}.", Affects::kSeparately},
      {"schema", Shape::String(), false, "", "Name of the schema; without one no field can be read.",
       Affects::kSeparately},
      {"key", KeyShape(), false, "\"record\"", "Where the key of a record comes from.", Affects::kSeparately},
      {"time", Shape::Object(EventTimeFields()), false, "",
       "When a record happened (event time): records are judged by it, and the source has a watermark.",
       Affects::kSeparately},
      DescriptionField(),
  };
}

std::vector<FieldSpec> ModelFields() {
  return {
      {"path", Shape::Path(), false, "", "The model file. Either this or `registry` is needed."},
      {"registry", Shape::Path(), false, "",
       "The folder with the packages of the model (`anabranch model pack`): which of them scores is changed with "
       "`anabranch model deploy`."},
      {"start", Shape::String(), false, "",
       "With `registry`: the version that scores before any deployment, if it passes its gates. Later deployments "
       "count; an edit of this is one."},
      {"swap", Shape::Enum({"beside", "in_place"}), false, "\"beside\"",
       "With `registry`: a new version is loaded while the old one scores (\"beside\"), or, where there is memory for "
       "one version only, in its place (\"in_place\"): records wait until it is loaded. Not with `rollout` or "
       "`bandit`."},
      {"verify", Shape::Object({{"key", Shape::Path(), true, "", "File with the public key, PEM."}}), false, "",
       "With `registry`: packages that this key did not sign are refused, the one of `start` too "
       "(`model check --key`)."},
      {"rollout", RolloutShape(), false, "",
       "With `registry`: how a version that is deployed comes to score all records. Without it, it does so at once."},
      {"bandit", BanditShape(), false, "",
       "With `registry`: several versions share the records, and those that earn more get more of them. A node whose "
       "target takes rewards says what they earn."},
      {"sha256", Shape::String(), false, "",
       "SHA-256 as `anabranch model inspect` prints it, 64 hex digits; another model is refused. It covers the data "
       "files beside the model."},
      {"version", Shape::String(), false, "", "Named in result headers and reports."},
      {"nondeterministic", Shape::Bool(), false, "false",
       "Allows a model that draws random numbers. The results of its nodes are then stored before they are used, as "
       "with `\"keep\": \"always\"`."},
      {"call_timeout_ms", Shape::Number(1, kDayMs), false, "30000",
       "Longest time for one call of the model, in milliseconds, where its node has no `timeout_ms`. A record that "
       "makes the model take longer fails; if more than one of a call does, the stage stops."},
      {"warmup_timeout_ms", Shape::Number(1, kDayMs), false, "60000",
       "Longest time for loading the model and its calls with made-up rows at the start, in milliseconds."},
      DescriptionField(),
  };
}

const std::vector<FieldSpec>& ConnectorFields(const Connector& connector, ConnectorUse use) {
  switch (use) {
    case ConnectorUse::kSource: return connector.spec().source;
    case ConnectorUse::kTarget: return connector.spec().target;
    case ConnectorUse::kControl: return connector.spec().control;
    case ConnectorUse::kConnection: break;
  }
  return connector.spec().connection;
}

std::vector<std::string> ConnectorsFor(const Registry& registry, ConnectorUse use) {
  std::vector<std::string> names;
  for (const Connector* connector : registry.connectors()) {
    if (!ConnectorFields(*connector, use).empty()) names.push_back(connector->spec().name);
  }
  return names;
}

}  // namespace anabranch

#include "topologies/language/plan_text.h"

#include <algorithm>
#include <charconv>

#include "engine/durations.h"
#include "engine/expression/expression.h"
#include "engine/printable.h"
#include "engine/schema/record_schema.h"
#include "topologies/language/delivery.h"

namespace anabranch {

namespace {

std::string Ms(int64_t ns) {
  char digits[32];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, static_cast<double>(ns) / 1e6).ptr) + " ms";
}

std::string Bytes(size_t bytes) {
  if (bytes >= (size_t{1} << 20) && bytes % (size_t{1} << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  if (bytes >= 1024 && bytes % 1024 == 0) return std::to_string(bytes >> 10) + " KiB";
  return std::to_string(bytes) + " bytes";
}

std::string ColumnList(const Plan& plan, const std::vector<ColumnId>& columns, bool types) {
  constexpr size_t kNamed = 12;
  std::string text;
  for (size_t i = 0; i < columns.size() && i < kNamed; ++i) {
    const ColumnInfo& column = plan.columns[columns[i]];
    text += (i ? ", " : "") + Printable(column.name) + (types ? " " + column.type.ToString() : "");
  }
  if (columns.size() > kNamed) text += " and " + std::to_string(columns.size() - kNamed) + " more";
  return text.empty() ? "nothing" : text;
}

const char* DeliveryName(Delivery delivery) {
  return delivery == Delivery::kExactlyOnce ? "exactly_once" : "at_least_once";
}

std::string KeyText(const Plan& plan, const KeyRule& key) {
  switch (key.kind) {
    case KeyRule::Kind::kRecord: return "the record's key";
    case KeyRule::Kind::kField: return "field " + ColumnList(plan, key.columns, false);
    case KeyRule::Kind::kHeader: return "header " + Printable(key.header);
    case KeyRule::Kind::kHash: return "hash of " + ColumnList(plan, key.columns, false);
    case KeyRule::Kind::kPosition: return "the position";
    case KeyRule::Kind::kUuid: return "a uuid made from the position";
  }
  return {};
}

std::string EventTimeText(const Plan& plan, const TimeRule& time) {
  const std::string from = time.field ? "field " + ColumnList(plan, {*time.field}, false) : "the record's timestamp";
  return from + ", at most " + LengthText(time.max_ahead_us) + " ahead of the clock; the watermark is " +
         LengthText(time.lateness_us) + " behind the greatest";
}

const char* PolicyText(RecordPolicy policy) {
  switch (policy) {
    case RecordPolicy::kDeadLetter: return "dead-lettered";
    case RecordPolicy::kSkip: return "dropped and counted";
    case RecordPolicy::kDefault: return "given default values";
    case RecordPolicy::kNull: return "passed on with nulls";
    case RecordPolicy::kStop: return "a reason to stop the stage";
  }
  return "";
}

std::string BreakerText(const Breaker& breaker) {
  return "stops at " + std::to_string(breaker.failures) + " failed rows among the last " + std::to_string(breaker.rows);
}

std::string SourceText(const Plan& plan, size_t index) {
  const PlanSource& source = plan.sources[index];
  std::vector<ColumnId> decoded;
  for (const auto& field : source.decode.fields) decoded.push_back(field.column);
  std::string out = std::to_string(index + 1) + ". source " + source.id + ": ";
  out += Printable(source.program->Describe()) + "\n";
  out += "   decodes " + (source.schema ? ColumnList(plan, decoded, true) : std::string("nothing: no schema")) + "\n";
  out += "   key: " + KeyText(plan, source.key) + "\n";
  if (source.time) out += "   event time: " + EventTimeText(plan, *source.time) + "\n";
  if (source.schema) {
    out += std::string("   schema enforced ") + (source.enforce_schema ? "here" : "by nodes below") + "\n";
  }
  out += "   " + BreakerText(source.breaker) + "\n";
  return out;
}

std::string NodeText(const Plan& plan, size_t index) {
  const PlanNode& node = plan.nodes[index];
  std::string inputs;
  for (const StageId input : node.inputs) inputs += (inputs.empty() ? "" : ", ") + plan.StageName(input);
  std::string out =
      std::to_string(plan.sources.size() + index + 1) + ". " + node.kind + " " + node.id + " <- " + inputs;
  if (node.inputs.size() > 1) out += node.join_any ? " (any)" : " (all)";
  out += "\n";
  if (!node.description.empty()) out += "   " + Printable(node.description) + "\n";
  if (node.when) out += "   when " + Printable(node.when->text) + "\n";
  out += "   reads " + ColumnList(plan, node.reads, false) + "\n";
  const auto target = node.program->target();
  out += target ? "   writes " + Printable(target->Describe()) : "   makes " + ColumnList(plan, node.makes, true);
  out += "\n";
  for (const auto& [name, fact] : node.program->Facts()) {
    out += "   " + Printable(name) + ": " + Printable(fact) + "\n";
  }
  out += std::string("   a row that fails is ") + PolicyText(node.on_record_error);
  out += "; transient errors are tried " + std::to_string(node.retry_max) + " times again";
  if (node.timeout_ns > 0) out += "; timeout " + Ms(node.timeout_ns);
  out += "\n   " + BreakerText(node.breaker) + "\n";
  if (node.keep_always) out += "   its results are always kept: they survive a crash\n";
  return out;
}

std::string TargetText(const Plan& plan, size_t index) {
  const PlanTarget& target = plan.targets[index];
  return "   " + target.id + " (" + Printable(target.program->Describe()) + "): " + GuaranteeText(plan, index) + "\n";
}

std::string Label(const Plan& plan, StageId stage) {
  if (stage < plan.sources.size()) return plan.StageName(stage) + " (source)";
  return plan.StageName(stage) + " (" + plan.node(stage).kind + ")";
}

std::string AsciiGraph(const Plan& plan) {
  std::string out;
  size_t width = 0;
  for (StageId stage = 0; stage < plan.stages(); ++stage) width = std::max(width, Label(plan, stage).size());
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    std::string line = Label(plan, stage);
    if (stage >= plan.sources.size()) {
      const PlanNode& node = plan.node(stage);
      line.resize(width, ' ');
      line += " <-";
      for (size_t i = 0; i < node.inputs.size(); ++i) line += (i ? ", " : " ") + plan.StageName(node.inputs[i]);
      if (const auto target = node.program->target()) line += "   => " + Printable(target->Describe());
    }
    out += line + "\n";
  }
  return out;
}

// The edges, one line each, between `before` and `after`.
std::string EdgeLines(const Plan& plan, const char* before, const char* between, const char* after) {
  std::string out;
  for (StageId stage = StageId(plan.sources.size()); stage < plan.stages(); ++stage) {
    for (const StageId input : plan.node(stage).inputs) {
      out += before + plan.StageName(input) + between + plan.StageName(stage) + after;
    }
  }
  return out;
}

std::string DotGraph(const Plan& plan) {
  std::string out = "digraph \"" + plan.name + "\" {\n  rankdir=LR;\n  node [shape=box];\n";
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    out += "  \"" + plan.StageName(stage) + "\" [label=\"" + Label(plan, stage) + "\"" +
           (stage < plan.sources.size() ? ", shape=ellipse" : "") + "];\n";
  }
  return out + EdgeLines(plan, "  \"", "\" -> \"", "\";\n") + "}\n";
}

// Mermaid reserves words such as "end" and "style": ids get a prefix.
std::string MermaidGraph(const Plan& plan) {
  std::string out = "flowchart LR\n";
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    const bool source = stage < plan.sources.size();
    out += "  n_" + plan.StageName(stage) + (source ? "([\"" : "[\"") + Label(plan, stage) + (source ? "\"])" : "\"]") +
           "\n";
  }
  return out + EdgeLines(plan, "  n_", " --> n_", "\n");
}

std::string JsonGraph(const Plan& plan) {
  // Ids, kinds and the name hold nothing that JSON escapes.
  std::string out = "{\"name\": \"" + plan.name + "\", \"hash\": \"" + plan.hash + "\", \"nodes\": [";
  for (StageId stage = 0; stage < plan.stages(); ++stage) {
    const bool source = stage < plan.sources.size();
    out += std::string(stage ? ", " : "") + "{\"id\": \"" + plan.StageName(stage) + "\", \"kind\": \"" +
           (source ? std::string("source") : plan.node(stage).kind) + "\"}";
  }
  std::string edges = EdgeLines(plan, "{\"from\": \"", "\", \"to\": \"", "\"}, ");
  if (!edges.empty()) edges.resize(edges.size() - 2);
  return out + "], \"edges\": [" + edges + "]}\n";
}

std::string WaitText(const BatchLimits& batch) {
  if (batch.latency_target_ns > 0) {
    return "; fewer where that keeps a record within " + Ms(batch.latency_target_ns) + ", from source to target";
  }
  if (batch.linger_ns > 0) return ", waiting at most " + Ms(batch.linger_ns);
  return "; what is available goes at once";
}

}  // namespace

std::string GuaranteeText(const Plan& plan, size_t index) {
  if (plan.delivery == Delivery::kExactlyOnce) return "exactly_once: rows and progress are committed together";
  const PlanTarget& target = plan.targets[index];
  const auto node = std::ranges::find(plan.nodes, target.id, &PlanNode::id);
  std::string why = WhyNotExactlyOnce(plan, target, node == plan.nodes.end() ? nullptr : &*node);
  if (why.empty()) why = WhyNotTogether(plan, index);
  if (!why.empty()) return "at_least_once: " + Printable(why);
  return plan.delivery_given ? "at_least_once: the file asks for it" : "at_least_once: another target cannot do more";
}

std::string ExplainPlan(const Plan& plan) {
  std::string out = plan.name + "@" + plan.hash + "\n\nstages, in the order in which they run\n";
  for (size_t source = 0; source < plan.sources.size(); ++source) out += SourceText(plan, source);
  for (size_t node = 0; node < plan.nodes.size(); ++node) out += NodeText(plan, node);
  out += "\nbatches\n   up to " + std::to_string(plan.batch.max_rows) + " rows or " + Bytes(plan.batch.max_bytes) +
         WaitText(plan.batch) + "\n";
  out += "   committed together: up to " + std::to_string(plan.epoch.max_rows) + " rows or " +
         Bytes(plan.epoch.max_bytes) + ", every " + Ms(plan.epoch.commit_ns) + "\n";
  out += "   a record has at most " + Bytes(plan.limits.record_bytes) + "; memory in flight at most " +
         Bytes(plan.limits.memory_bytes) + "; kept results on disk at most " + Bytes(plan.limits.kept_bytes) + "\n";
  if (!plan.models.empty()) out += "\nmodels\n   " + Printable(plan.models) + "\n";
  out += std::string("\ndelivery: ") + DeliveryName(plan.delivery) +
         (plan.delivery_given ? " (written in the file)\n" : " (the best that every target can)\n");
  for (size_t target = 0; target < plan.targets.size(); ++target) out += TargetText(plan, target);
  return out;
}

std::string GraphText(const Plan& plan, std::string_view format) {
  if (format == "dot") return DotGraph(plan);
  if (format == "mermaid") return MermaidGraph(plan);
  if (format == "json") return JsonGraph(plan);
  return AsciiGraph(plan);
}

}  // namespace anabranch

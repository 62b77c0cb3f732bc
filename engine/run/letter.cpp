#include "engine/run/letter.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "engine/lane_context.h"
#include "engine/record_id.h"
#include "engine/run/dead_letter.h"
#include "engine/run/ledger.h"
#include "engine/run/run_mode.h"
#include "engine/run/run_state.h"

namespace anabranch {
namespace {

constexpr int64_t kWaitNs = 50'000'000;

template <typename T>
bool Number(std::string_view text, T* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// What a ledger that is not owned says: the identity, and how far the letters of a file were replayed.
struct Replayed {
  std::string identity;
  std::map<SourcePartition, int64_t> next;
};

Result<Replayed> ReadReplayed(const Plan& plan, const std::string& state_dir) {
  Replayed replayed;
  replayed.identity = plan.name;
  std::error_code ignored;
  if (!std::filesystem::exists(state_dir + "/ledger.db", ignored)) return replayed;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::OpenReadOnly(state_dir));
  ASSIGN_OR_RETURN(replayed.identity, RunState::IdentityIn(*ledger, plan));
  ASSIGN_OR_RETURN(const auto progress, ledger->GetTarget(plan.targets[plan.dead_letters()].program->commit_unit()));
  if (progress) replayed.next = progress->next;
  return replayed;
}

Status AssignAll(Source& source, const SourceTable& table, const Replayed& replayed) {
  const std::vector<PartitionId> partitions = source.partitions();
  ASSIGN_OR_RETURN(std::vector<int64_t> next, source.StoredPositions(partitions));
  for (size_t i = 0; i < partitions.size(); ++i) {
    const auto known = replayed.next.find(table.at(partitions[i]));
    if (next[i] == kNoPosition && known != replayed.next.end()) next[i] = known->second;
  }
  return source.Assign(partitions, next);
}

}  // namespace

std::string DeadLetter::Id() const { return RecordId(from, offset); }

DeadLetter ReadDeadLetter(const RecordBatch& batch, uint32_t row) {
  DeadLetter letter;
  bool partition = false, offset = false;
  for (const RowHeader& header : batch.row_headers(row)) {
    if (!header.name.starts_with(kErrorPrefix)) continue;
    const std::string_view name = header.name.substr(kErrorPrefix.size());
    if (name == "node") letter.node = header.value;
    if (name == "kind") letter.kind = header.value;
    if (name == "class") letter.error_class = header.value;
    if (name == "code") letter.code = header.value;
    if (name == "message") letter.message = header.value;
    if (name == "attempts") letter.attempts = header.value;
    if (name == "failed_at") letter.failed_at = header.value;
    if (name == "source") letter.source = header.value;
    if (name == "behind") letter.behind = header.value;
    if (name == "beside") letter.beside = header.value;
    if (name == "results") letter.results = header.value;
    if (name == "origin.node") letter.first_node = header.value;
    if (name == "origin.code") letter.first_code = header.value;
    if (name == "origin.message") letter.first_message = header.value;
    if (name == "origin.failed_at") letter.first_failed_at = header.value;
    if (name == "value_bytes") letter.without_value = true;
    if (name == "topic") letter.from.topic = header.value;
    if (name == "partition") partition = Number(header.value, &letter.from.partition);
    if (name == "offset") offset = Number(header.value, &letter.offset);
    if (name == "timestamp") (void)Number(header.value, &letter.timestamp_ms);
  }
  if (letter.first_failed_at.empty()) {
    letter.first_node = letter.node;
    letter.first_code = letter.code;
    letter.first_message = letter.message;
    letter.first_failed_at = letter.failed_at;
  }
  letter.ours = partition && offset && !letter.node.empty() && !letter.from.topic.empty();
  return letter;
}

bool LetterFilter::Takes(const DeadLetter& letter) const {
  return letter.ours && (node.empty() || node == letter.node) && (code.empty() || code == letter.code) &&
         (id.empty() || id == letter.Id());
}

std::string ReplayStateDir(const Plan& plan, const std::string& state_dir) {
  // Only a ledger can empty a target again whose progress it keeps.
  const bool in_ledger = std::any_of(plan.targets.begin(), plan.targets.end(),
                                     [](const PlanTarget& target) { return target.program->CanDiscard(); });
  return in_ledger ? state_dir : state_dir + "/replay";
}

Result<std::shared_ptr<const SourceProgram>> OpenDeadLetters(const Plan& plan, const Registry& registry,
                                                             const std::string& state_dir) {
  const TargetProgram& target = *plan.targets[plan.dead_letters()].program;
  const Connector* connector = registry.FindConnector(target.connector());
  if (connector == nullptr) return Status(Code::kInternal, "no connector \"" + target.connector() + "\"");
  return connector->BindDeadLetterSource(target, state_dir);
}

Status VisitDeadLetters(const Plan& plan, const SourceProgram& letters, const RunOptions& options, CancelToken& cancel,
                        const std::function<void(const RecordBatch&, uint32_t row, const DeadLetter&)>& visit) {
  ASSIGN_OR_RETURN(const Replayed replayed, ReadReplayed(plan, options.state_dir));
  SourceTable table;
  LaneContext context;
  context.topology = ReplayIdentity(replayed.identity);
  context.instance = options.instance;
  context.once = true;
  context.source_id = "dead_letters";
  context.state_dir = options.state_dir;
  context.partitions = &table;
  context.cancel = &cancel;
  context.warn = [](const std::string&) {};
  ASSIGN_OR_RETURN(const std::unique_ptr<Source> source, letters.OpenLane(context));
  RETURN_IF_ERROR(source->Open());
  while (!cancel.draining()) {
    RecordBatch batch;
    batch.Clear(0, 0);
    ASSIGN_OR_RETURN(const SourceEvent event, source->Poll(batch, plan.batch, kWaitNs));
    if (event == SourceEvent::kEnd) break;
    if (event == SourceEvent::kAssigned) RETURN_IF_ERROR(AssignAll(*source, table, replayed));
    for (uint32_t row = 0; row < batch.rows(); ++row) visit(batch, row, ReadDeadLetter(batch, row));
    batch.Clear(0, 0);
  }
  source->Close();
  return cancel.draining() ? Status(Code::kCancelled, "stopped") : Status::Ok();
}

}  // namespace anabranch

#include "engine/run/letter.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "engine/record_id.h"
#include "engine/run/dead_letter.h"
#include "engine/run/ledger.h"
#include "engine/run/record_reader.h"
#include "engine/run/run_mode.h"
#include "engine/run/run_state.h"

namespace anabranch {
namespace {

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
    if (name == "topology") letter.topology = header.value;
    if (name == "models") letter.models = header.value;
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
         (id.empty() || id == letter.Id()) && (ids.empty() || ids.contains(letter.Id()));
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
  RecordReader::Options reading;
  reading.topology = ReplayIdentity(replayed.identity);
  reading.instance = options.instance;
  reading.state_dir = options.state_dir;
  reading.make_command = options.make_command;
  reading.source_id = "dead_letters";
  reading.tombstones = true;
  reading.cancel = &cancel;
  ASSIGN_OR_RETURN(const std::unique_ptr<RecordReader> reader, RecordReader::Open(letters, std::move(reading)));
  ASSIGN_OR_RETURN(std::vector<int64_t> next, reader->StoredPositions());
  for (size_t i = 0; i < next.size(); ++i) {
    const auto known = replayed.next.find(reader->partitions()[i]);
    if (next[i] == kNoPosition && known != replayed.next.end()) next[i] = known->second;
  }
  return reader->ReadFrom(next, [&visit](const RecordBatch& batch, uint32_t row) {
    visit(batch, row, ReadDeadLetter(batch, row));
    return true;
  });
}

}  // namespace anabranch

#include "topologies/commands/diff_records.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/fault.h"
#include "engine/plan_graph.h"
#include "engine/run/record_reader.h"
#include "topologies/language/services.h"

namespace anabranch {
namespace {

constexpr const char* kFileConnector = "file";
constexpr int64_t kLastOfSource = 10'000;
constexpr size_t kPartRecords = 4096;
constexpr size_t kPartBytes = size_t{64} << 20;

// What --on names.
struct Named {
  std::string source;
  std::string file;  // empty: what the source reads itself
};

std::vector<std::string> SourceIds(const Plan& plan) {
  std::vector<std::string> ids;
  for (const PlanSource& source : plan.sources) ids.push_back(source.id);
  return ids;
}

Status Unknown(const std::string& text, const std::string& word, const Plan& plan) {
  return {Code::kInvalid, text + "; " + Suggest(word, SourceIds(plan))};
}

Result<Named> Resolve(const std::string& on, const Plan& plan) {
  const std::vector<std::string> ids = SourceIds(plan);
  const auto is_source = [&](const std::string& id) { return std::ranges::find(ids, id) != ids.end(); };
  if (is_source(on)) return Named{on, ""};
  const size_t equals = on.find('=');
  if (equals != std::string::npos && is_source(on.substr(0, equals))) {
    return Named{on.substr(0, equals), on.substr(equals + 1)};
  }
  std::error_code none;
  if (std::filesystem::exists(on, none)) {
    if (ids.size() == 1) return Named{ids[0], on};
    return Status(Code::kInvalid, "--on " + on + ": the topology has " + std::to_string(ids.size()) +
                                      " sources: say whose records the file has, --on " + ids[0] + "=" + on);
  }
  if (equals != std::string::npos) {
    return Unknown("--on " + on + ": there is no source \"" + on.substr(0, equals) + "\"", on.substr(0, equals), plan);
  }
  return Unknown("--on " + on + ": there is neither a source nor a file of this name", on, plan);
}

ConfigValue Text(const std::string& name, const std::string& text) {
  ConfigValue value;
  value.kind = ConfigValue::Kind::kString;
  value.name = name;
  value.text = text;
  return value;
}

// The source as the topology has it, but with a file for what it reads.
ConfigValue WithFile(const ConfigValue& entry, const Registry& registry, const std::string& path,
                     const std::string& envelope) {
  ConfigValue file;
  file.kind = ConfigValue::Kind::kObject;
  file.name = kFileConnector;
  file.children.push_back(Text("path", path));
  ConfigValue copy = entry;
  const ConfigValue* connector = ConnectorMember(entry, registry);
  for (const ConfigValue& member : connector->children) {
    if (connector->name != kFileConnector || member.name == "path") continue;
    if (member.name != "envelope" || envelope.empty()) file.children.push_back(member);
  }
  if (envelope == "record") file.children.push_back(Text("envelope", envelope));
  std::erase_if(copy.children, [&](const ConfigValue& member) {
    return member.name == connector->name || (member.name == "envelope" && !envelope.empty());
  });
  copy.children.push_back(std::move(file));
  return copy;
}

// Both sides read the same file.
void NoteOnce(const std::string& note, std::vector<std::string>* notes) {
  if (std::ranges::find(*notes, note) == notes->end()) notes->push_back(note);
}

// The program that reads `path` in the form of the source `id`; it becomes that of the side's plan.
Status BindFile(const DiffArgs& args, const Registry& registry, const std::string& path, StageId source, DiffSide* side,
                std::vector<std::string>* notes) {
  const ConfigValue& root = side->checked.topology->root;
  PlanSource& plan_source = side->plan.sources[source];
  ConfigValue entry = WithFile(*root.Find("sources")->Find(plan_source.id), registry, path, args.envelope);
  ConfigValue& file = entry.children.back();
  file.parent = &entry;
  for (ConfigValue& member : file.children) member.parent = &file;
  std::vector<std::string> allowed = args.allow_paths;
  allowed.push_back(std::filesystem::path(path).parent_path().string());
  Services services(root, registry, PathJudge(side->checked.topology->file, allowed));
  FaultSink faults(side->checked.topology->file);
  auto program = registry.FindConnector(kFileConnector)->BindSource(file, plan_source.id, services, faults);
  if (program == nullptr) {
    const std::vector<Fault> found = faults.Sorted();
    return {Code::kInvalid, found.empty() ? path + " cannot be read" : found[0].message};
  }
  plan_source.connector = kFileConnector;
  plan_source.program = std::move(program);
  const bool whole = file.Text("envelope", entry.Text("envelope")) == "record";
  const bool from_record =
      plan_source.key.kind == KeyRule::Kind::kRecord || plan_source.key.kind == KeyRule::Kind::kHeader;
  if (!whole && from_record) {
    plan_source.key = {KeyRule::Kind::kPosition, {}, ""};
    NoteOnce("the lines of the file have no keys: each key is the record's position", notes);
  }
  if (!whole && plan_source.time && !plan_source.time->field) {
    plan_source.time.reset();
    NoteOnce("the lines of the file have no timestamps: no record has an event time", notes);
  }
  return Status::Ok();
}

Status NoReader(const DiffSide& before, const std::string& what) {
  return {Code::kInvalid, before.name + ": " + what + " cannot be read a second time: name a file, --on FILE"};
}

class SourceRecords : public DiffRecords {
 public:
  SourceRecords(const std::shared_ptr<const SourceProgram>& program, StageId source, int64_t last, std::string topology,
                std::vector<std::string> notes)
      : reader_(program->Reader()),
        what_(program->Describe()),
        source_(source),
        last_(last),
        topology_(std::move(topology)),
        notes_(std::move(notes)) {}

  bool readable() const { return reader_ != nullptr; }
  std::string what() const override { return (last_ > 0 ? "the end of " : "") + what_; }
  std::vector<std::string> notes() const override { return notes_; }

  Status ForEachPart(CancelToken& cancel, const Visit& visit) override {
    RecordReader::Options options;
    options.topology = topology_;
    options.cancel = &cancel;
    ASSIGN_OR_RETURN(const std::unique_ptr<RecordReader> reader, RecordReader::Open(*reader_, options));
    DiffPart part;
    size_t bytes = 0;
    int64_t count = 0;
    Status status;
    const auto pass_on = [&] {
      if (!part.records.empty()) status = visit(part);
      part.records.clear();
      bytes = 0;
      return status.ok();
    };
    const auto take = [&](const RecordBatch& batch, uint32_t row) {
      if (++count > kMostDiffRecords) {
        status = {Code::kInvalid, what_ + " has more than " + std::to_string(kMostDiffRecords) +
                                      " records: --last N takes the newest ones"};
        return false;
      }
      part.records.push_back(MakeTrialRecord(source_, batch, row));
      bytes += part.records.back().value.size();
      return (part.records.size() < kPartRecords && bytes < kPartBytes) || pass_on();
    };
    RETURN_IF_ERROR(last_ > 0 ? reader->ReadLast(last_, take) : reader->ReadAll(take));
    if (status.ok()) pass_on();
    return status;
  }

 private:
  const std::shared_ptr<const SourceProgram> reader_;  // null: what passed cannot be read again
  const std::string what_;
  const StageId source_;
  const int64_t last_;  // 0: all
  const std::string topology_;
  const std::vector<std::string> notes_;
};

}  // namespace

Result<std::unique_ptr<DiffRecords>> OpenSourceRecords(const DiffArgs& args, const Registry& registry, DiffSide* before,
                                                       DiffSide* after) {
  ASSIGN_OR_RETURN(Named named, Resolve(args.on, before->plan));
  const StageId source = FindStage(before->plan, named.source);
  const StageId source_after = FindStage(after->plan, named.source);
  if (source_after == kNoStage || source_after >= after->plan.sources.size()) {
    return Status(Code::kInvalid, after->name + " has no source \"" + named.source +
                                      "\": it cannot run the records of " + before->name);
  }
  const int64_t last = args.last == 0 && named.file.empty() ? kLastOfSource : args.last;
  if (named.file.empty() && before->plan.sources[source].connector == kFileConnector) {
    // The second plan may read another file itself: it gets the records of the first.
    const ConfigValue& entry = *before->checked.topology->root.Find("sources")->Find(named.source);
    const std::string path(ConnectorMember(entry, registry)->Text("path"));
    if (path == "-") return NoReader(*before, "standard input");
    ASSIGN_OR_RETURN(named.file, PathJudge(before->checked.topology->file, args.allow_paths).Resolve(path));
  }
  std::vector<std::string> notes;
  if (named.file == "-") return NoReader(*before, "standard input");
  if (!named.file.empty()) {
    std::error_code error;
    const std::string path = std::filesystem::weakly_canonical(std::filesystem::absolute(named.file), error).string();
    RETURN_IF_ERROR(BindFile(args, registry, path, source, before, &notes));
    RETURN_IF_ERROR(BindFile(args, registry, path, source_after, after, &notes));
  }
  auto records =
      std::make_unique<SourceRecords>(before->plan.sources[source].program, source, last, before->plan.name, notes);
  if (!records->readable()) return NoReader(*before, before->plan.sources[source].program->Describe());
  return std::unique_ptr<DiffRecords>(std::move(records));
}

}  // namespace anabranch

#include "topologies/commands/trace_record.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "engine/plan_graph.h"
#include "engine/printable.h"
#include "engine/record_id.h"
#include "engine/run/dead_letter.h"
#include "engine/run/letter.h"
#include "engine/run/record_reader.h"
#include "engine/run/replay.h"

namespace anabranch {
namespace {

constexpr std::string_view kIdForms =
    "TOPIC/PARTITION/OFFSET of the record, the \"anabranch.id\" of a result, or SOURCE#N, the Nth record of a file";

TracedLetter CopyLetter(const DeadLetter& letter) {
  TracedLetter copy;
  copy.node = letter.node;
  copy.kind = letter.kind;
  copy.code = letter.code;
  copy.message = letter.message;
  copy.attempts = letter.attempts;
  copy.failed_at = letter.failed_at;
  copy.topology = letter.topology;
  copy.models = letter.models;
  return copy;
}

// What the command line asks for.
struct Wanted {
  std::string text;  // as written
  ParsedRecordId id;
  int64_t number = 0;  // of SOURCE#N, from 1; 0: `id` says it
};

Result<Wanted> ParseWanted(const std::string& text) {
  Wanted wanted;
  wanted.text = text;
  if (const auto id = ParseRecordId(text)) {
    wanted.id = *id;
    return wanted;
  }
  const size_t hash = text.rfind('#');
  if (hash != std::string::npos && hash > 0) {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + hash + 1, end, wanted.number);
    if (error == std::errc() && rest == end && wanted.number > 0) {
      wanted.id.from.topic = text.substr(0, hash);
      return wanted;
    }
  }
  return Status(Code::kInvalid, "\"" + Printable(text) + "\" names no record. Write " + std::string(kIdForms));
}

// A source that can be read by position.
struct OpenSource {
  StageId stage;
  std::shared_ptr<const SourceProgram> program;
  std::unique_ptr<RecordReader> reader;

  bool HasTopic(std::string_view topic) const {
    return std::ranges::any_of(reader->partitions(), [&](const SourcePartition& each) { return each.topic == topic; });
  }
};

class RecordFinder {
 public:
  RecordFinder(const TraceArgs& args, const Plan& plan, const Registry& registry, const RunOptions& options,
               CancelToken& cancel)
      : args_(args), plan_(plan), registry_(registry), options_(options), cancel_(cancel) {}

  Result<TracedRecord> Find() {
    std::string id = args_.id;
    if (!args_.result.empty()) {
      RETURN_IF_ERROR(ReadResult());
      if (id.empty()) id = result_id_;
    }
    if (id.empty()) return Status(Code::kInvalid, NoIdText());
    ASSIGN_OR_RETURN(Wanted wanted, ParseWanted(id));
    OpenSources();
    const Status read = args_.dead_letter && wanted.number == 0 ? NameRecord(&wanted) : ReadRecord(&wanted);
    if (cancel_.draining()) return Status(Code::kCancelled, "stopped");
    ReadLetters(wanted);
    if (!read.ok() || args_.dead_letter) RETURN_IF_ERROR(UseLetter(read, wanted));
    return std::move(found_);
  }

 private:
  RecordReader::Options ReaderOptions(const std::string& source_id) {
    RecordReader::Options reading;
    reading.topology = plan_.name;
    reading.instance = options_.instance;
    reading.state_dir = options_.state_dir;
    reading.make_command = options_.make_command;
    reading.source_id = source_id;
    reading.tombstones = true;
    reading.cancel = &cancel_;
    return reading;
  }

  std::string NoIdText() const {
    if (args_.result.empty()) return "which record? Write " + std::string(kIdForms) + "; or --result";
    return "result " + Printable(args_.result) +
           " has no header \"anabranch.id\", so it does not say whose it is. Add the ID of its record: write " +
           std::string(kIdForms);
  }

  void OpenSources();
  Result<OpenSource*> Choose(const Wanted& wanted);
  Status NameRecord(Wanted* wanted);
  Status ReadRecord(Wanted* wanted);
  Status ReadNth(OpenSource& source, Wanted* wanted, const RecordReader::Visit& visit);
  Status ReadResult();
  Status TakeResult(TargetId target, const RecordBatch& batch, uint32_t row);
  void ReadLetters(const Wanted& wanted);
  void KeepLetter(const RecordBatch& batch, uint32_t row, const DeadLetter& letter);
  Status UseLetter(const Status& why, const Wanted& wanted);

  const TraceArgs& args_;
  const Plan& plan_;
  const Registry& registry_;
  const RunOptions& options_;
  CancelToken& cancel_;
  std::vector<OpenSource> sources_;
  std::vector<std::string> unreadable_;  // sources, with the reason
  TracedRecord found_;
  std::string result_id_;
  std::optional<TrialRecord> copy_;  // in the newest letter
  std::string no_copy_;              // why there is none though there is a letter
};

void RecordFinder::OpenSources() {
  for (StageId stage = 0; stage < plan_.sources.size(); ++stage) {
    const PlanSource& source = plan_.sources[stage];
    OpenSource open{stage, source.program->Reader(), nullptr};
    if (open.program == nullptr) {
      unreadable_.push_back("source \"" + source.id + "\": " + source.program->Describe() + " cannot be read again");
      continue;
    }
    auto reader = RecordReader::Open(*open.program, ReaderOptions(source.id));
    if (reader.ok()) {
      open.reader = std::move(reader).value();
      sources_.push_back(std::move(open));
    } else {
      unreadable_.push_back("source \"" + source.id + "\": " + reader.status().message());
    }
  }
}

// The source that reads the topic of the id, or whose name stands in its place.
Result<OpenSource*> RecordFinder::Choose(const Wanted& wanted) {
  const std::string& topic = wanted.id.from.topic;
  const StageId node = FindStage(plan_, wanted.id.node);
  std::vector<OpenSource*> fits;
  for (OpenSource& source : sources_) {
    const bool above = node == kNoStage || node < plan_.sources.size() || plan_.node(node).from_source[source.stage];
    if (source.HasTopic(topic) && above) fits.push_back(&source);
  }
  for (OpenSource& source : sources_) {
    if (fits.empty() && plan_.sources[source.stage].id == topic) return &source;
  }
  if (fits.size() == 1) return fits.front();
  std::string known;
  for (const OpenSource& source : sources_) {
    known += (known.empty() ? "" : ", ") +
             ("\"" + plan_.sources[source.stage].id + "\" (" + source.program->Describe() + ")");
  }
  for (const std::string& why : unreadable_) known += (known.empty() ? "" : "; ") + why;
  const std::string record = "\"" + Printable(wanted.text) + "\"";
  if (fits.empty()) return Status(Code::kStage, "no source has record " + record + "; there are: " + known);
  return Status(Code::kInvalid,
                "several sources read topic " + Printable(topic) + ", so " + record +
                    " does not say which one; write the name of the source instead of the topic: " + known);
}

// Completes the id where it names the source instead of the topic.
Status RecordFinder::NameRecord(Wanted* wanted) {
  ASSIGN_OR_RETURN(OpenSource * source, Choose(*wanted));
  found_.record.source = source->stage;
  SourcePartition& from = wanted->id.from;
  if (source->HasTopic(from.topic)) return Status::Ok();
  std::vector<std::string> topics;
  for (const SourcePartition& each : source->reader->partitions()) {
    if (std::ranges::find(topics, each.topic) == topics.end()) topics.push_back(each.topic);
  }
  if (topics.size() == 1) from.topic = topics.front();
  if (topics.size() == 1) return Status::Ok();
  return {Code::kInvalid,
          "source \"" + from.topic + "\" reads several topics; write the topic instead: " + Suggest("", topics)};
}

Status RecordFinder::ReadRecord(Wanted* wanted) {
  RETURN_IF_ERROR(NameRecord(wanted));
  auto& source = *std::ranges::find(sources_, found_.record.source, &OpenSource::stage);
  bool tombstone = false;
  const RecordReader::Visit take = [&](const RecordBatch& batch, uint32_t row) {
    tombstone = batch.payload[row].data() == nullptr;
    found_.record = MakeTrialRecord(source.stage, batch, row);
    return false;
  };
  const Status read = wanted->number > 0 ? ReadNth(source, wanted, take)
                                         : source.reader->ReadOne(wanted->id.from, wanted->id.offset, take);
  if (read.code() == Code::kInvalid) return {Code::kStage, read.message()};
  RETURN_IF_ERROR(read);
  if (!tombstone) return Status::Ok();
  return {Code::kStage, "record " + RecordId(wanted->id.from, wanted->id.offset) +
                            " has no value (a tombstone): a run drops it, so it has no results"};
}

Status RecordFinder::ReadNth(OpenSource& source, Wanted* wanted, const RecordReader::Visit& visit) {
  if (source.program->NumbersRecords()) {
    return {Code::kInvalid, "\"" + Printable(wanted->text) + "\": records of " + source.program->Describe() +
                                " are named by partition and offset; write TOPIC/PARTITION/OFFSET"};
  }
  int64_t count = 0;
  RETURN_IF_ERROR(source.reader->ReadAll([&](const RecordBatch& batch, uint32_t row) {
    if (++count < wanted->number) return true;
    wanted->id.from = batch.partitions->at(batch.partition[row]);
    wanted->id.offset = batch.offset[row];
    return visit(batch, row);
  }));
  if (count == wanted->number) return Status::Ok();
  return {Code::kInvalid, "there is no record " + Printable(wanted->text) + ": " + source.program->Describe() +
                              " has " + std::to_string(count)};
}

Status RecordFinder::ReadResult() {
  const auto place = ParseRecordId(args_.result);
  if (!place || !place->node.empty()) {
    return {Code::kInvalid, "--result \"" + Printable(args_.result) +
                                "\" names no result: write TOPIC/PARTITION/OFFSET "
                                "of a record of the result topic"};
  }
  std::string known;
  for (TargetId target = 0; target < plan_.targets.size(); ++target) {
    const TargetProgram& program = *plan_.targets[target].program;
    known += (known.empty() ? "" : ", ") + program.Describe();
    const auto readable = program.Reader();
    if (readable == nullptr) continue;
    auto reader = RecordReader::Open(*readable, ReaderOptions(plan_.targets[target].id));
    if (!reader.ok()) {
      known += " (" + reader.status().message() + ")";
      continue;
    }
    const auto& partitions = (*reader)->partitions();
    if (std::ranges::none_of(partitions, [&](const auto& each) { return each.topic == place->from.topic; })) continue;
    Status taken;
    const Status read = (*reader)->ReadOne(place->from, place->offset, [&](const RecordBatch& batch, uint32_t row) {
      taken = TakeResult(target, batch, row);
      return false;
    });
    if (read.code() == Code::kInvalid) return {Code::kStage, read.message()};
    return read.ok() ? taken : read;
  }
  return {Code::kStage, "no topic " + Printable(place->from.topic) + " is among the targets: " + known +
                            ". Of a file or a table, give the \"id\" of its row instead of --result"};
}

Status RecordFinder::TakeResult(TargetId target, const RecordBatch& batch, uint32_t row) {
  if (target == plan_.dead_letters()) {
    const DeadLetter letter = ReadDeadLetter(batch, row);
    if (!letter.ours) return {Code::kStage, Printable(args_.result) + " is not a dead letter of ours"};
    KeepLetter(batch, row, letter);
    result_id_ = letter.Id();
    return Status::Ok();
  }
  TracedResult result;
  result.place = args_.result;
  for (const RowHeader& header : batch.row_headers(row)) {
    if (header.name == "anabranch.id" || header.name == "ce_id") result_id_ = header.value;
    if (header.name == "anabranch.topology") result.topology = header.value;
    if (header.name == "anabranch.models") result.models = header.value;
  }
  if (const auto id = ParseRecordId(result_id_)) result.node = id->node;
  if (batch.key_present[row] != 0) result.key = std::string(batch.key[row]);
  if (batch.payload[row].data() != nullptr) result.value = std::string(batch.payload[row]);
  found_.result = std::move(result);
  return Status::Ok();
}

void RecordFinder::ReadLetters(const Wanted& wanted) {
  if (!found_.letters.empty()) return;  // --result named one
  const LetterFilter filter{.node = "", .code = "", .id = RecordId(wanted.id.from, wanted.id.offset)};
  auto letters = OpenDeadLetters(plan_, registry_, options_.state_dir);
  Status read = letters.status();
  if (letters.ok()) {
    read = VisitDeadLetters(plan_, **letters, options_, cancel_,
                            [&](const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
                              if (filter.Takes(letter)) KeepLetter(batch, row, letter);
                            });
  }
  if (!read.ok()) found_.warnings.push_back("dead letters were not looked at: " + read.message());
}

void RecordFinder::KeepLetter(const RecordBatch& batch, uint32_t row, const DeadLetter& letter) {
  found_.letters.push_back(CopyLetter(letter));
  const LetterRoutes::Route route = LetterRoutes(plan_).Find(letter);
  StageId source = FindStage(plan_, letter.source);
  if (source >= plan_.sources.size()) source = route.source;  // written before letters named their source
  if (letter.without_value || source == kNoStage) {
    no_copy_ = route.why;
    return;
  }
  TrialRecord record = MakeTrialRecord(source, batch, row);
  record.partition = letter.from;
  record.offset = letter.offset;
  if (letter.timestamp_ms >= 0) record.timestamp_ms = letter.timestamp_ms;
  TrialHeaders headers;
  for (auto& [name, value] : record.headers) {
    if (auto own = RecordHeaderName(name)) headers.emplace_back(*std::move(own), std::move(value));
  }
  record.headers = std::move(headers);
  copy_ = std::move(record);
}

Status RecordFinder::UseLetter(const Status& why, const Wanted& wanted) {
  if (copy_) {
    found_.record = *copy_;
    found_.note = why.ok() ? "the copy in its dead letter" : "the copy in its dead letter, because " + why.message();
    return Status::Ok();
  }
  if (!why.ok() && found_.letters.empty()) return why;
  if (!no_copy_.empty()) return {Code::kStage, (why.ok() ? "" : why.message() + "; ") + no_copy_};
  return {Code::kStage, "no dead letter of record " + RecordId(wanted.id.from, wanted.id.offset) +
                            " waits. This lists those that do:\n  anabranch dlq ls " + args_.file + " --records"};
}

}  // namespace

Result<TracedRecord> FindTracedRecord(const TraceArgs& args, const Plan& plan, const Registry& registry,
                                      const RunOptions& options, CancelToken& cancel) {
  return RecordFinder(args, plan, registry, options, cancel).Find();
}

}  // namespace anabranch

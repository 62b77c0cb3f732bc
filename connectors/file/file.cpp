#include "connectors/file/file.h"

#include <filesystem>

#include "connectors/file/file_bytes.h"
#include "connectors/file/file_source.h"
#include "connectors/file/file_target.h"
#include "engine/printable.h"

namespace anabranch {
namespace {

Connector::Spec MakeSpec() {
  Connector::Spec spec;
  spec.name = "file";
  spec.summary = "Reads JSON Lines and CSV files, writes results as JSON Lines or CSV, and dead letters as JSON Lines.";
  spec.about =
      "As a source: one line of a JSON Lines file is one record; with `\"envelope\": \"record\"` it is "
      "`{\"key\": …, \"value\": …, \"headers\": {…}, \"timestamp\": ms}`, so that a dead letter file can be read "
      "again. "
      "CSV follows RFC 4180 and needs a header row. The run ends with the file; empty lines are skipped. A last line "
      "without a line end is a record if it is whole; "
      "one that is still being written is left for the next run. A run of a file that grew goes on where the last one "
      "ended.\n\n"
      "As a target: one line per row, `{\"id\": …, \"key\": …, \"value\": {…}}`, or the fields alone with "
      "`\"envelope\": \"plain\"` on the persist node, or the payload as it came with `\"raw\"`. The file's length is "
      "committed in the ledger together with the source positions. After a crash, what was not committed is cut off, "
      "so every row is there exactly once. A file that this pipeline did not make is never overwritten.\n\n"
      "Standard input can be read once only, and what was written to standard output cannot be taken back: with \"-\" "
      "the "
      "delivery is at least once. A crash loses what was read from standard input and not yet committed, and so may a "
      "target "
      "that fails for good while records wait for it. If another stage fails, its records are kept for the restart.";
  spec.source = {
      {"path", Shape::Path(), true, "",
       "The file to read. A name that ends in .gz or .zst is decompressed; \"-\" is standard input (JSON lines only)."},
      {"delimiter", Shape::String(), false, "\",\"", "CSV: the character between two cells."},
      {"null", Shape::List(Shape::String()), false, "[]",
       "CSV: words that mean null, quoted or not, such as \"NA\". An empty cell always does."},
      {"envelope", Shape::Enum({"record"}), false, "",
       "\"record\": each line is a whole record with key, value, headers and timestamp; JSON only."},
  };
  spec.target = {
      {"path", Shape::Path(), true, "", "The file to append to; made when absent. \"-\" is standard output."},
      {"format", Shape::Enum({"json", "csv"}), false, "\"json\"",
       "csv: a header row, then one row per result: id, key and the fields; with \"envelope\": \"plain\" the fields "
       "alone."},
      {"delimiter", Shape::String(), false, "\",\"", "CSV: the character between two cells."},
  };
  spec.source_example = R"({"file": {"path": "cases.jsonl"}})";
  spec.target_example = R"({"file": {"path": "predictions.jsonl"}})";
  return spec;
}

class FileConnector : public Connector {
 public:
  const Spec& spec() const override { return spec_; }

  std::shared_ptr<const SourceProgram> BindSource(const ConfigValue& at, const std::string& source_id,
                                                  BindServices& services, FaultSink& faults) const override {
    FileSourceOptions options;
    options.source_id = source_id;
    options.csv = at.parent != nullptr && at.parent->Text("format", "json") == "csv";
    if (!ReadDialect(at, options.csv, faults, &options.dialect)) return nullptr;
    const ConfigValue* envelope = at.Find("envelope");
    if (envelope == nullptr && at.parent != nullptr) envelope = at.parent->Find("envelope");
    options.record_envelope = envelope != nullptr && envelope->text == "record";
    if (options.csv && options.record_envelope) {
      faults.Add(FaultCode::kBadValue, *envelope, "a CSV row is no record envelope",
                 "leave \"envelope\" out, or use \"format\": \"json\"");
      return nullptr;
    }
    if (!options.record_envelope) {
      WarnWithoutKey(at, source_id, faults);
      WarnWithoutTime(at, source_id, faults);
    }
    FilePlace place;
    if (!Resolve(at, services, faults, &place)) return nullptr;
    options.path = std::move(place.path);
    options.in_project = std::move(place.in_project);
    if (options.csv && IsStandardStream(options.path)) {
      faults.Add(FaultCode::kNotSupported, *at.Find("path"),
                 "CSV cannot come from standard input: its header row must be known before the run",
                 "read the file by its name, or send JSON lines");
      return nullptr;
    }
    auto program = MakeFileSource(std::move(options));
    if (program.ok()) return std::move(program).value();
    faults.Add(FaultCode::kPath, *at.Find("path"), program.status().message());
    return nullptr;
  }

  // A plain line has neither a key nor headers of its own.
  static void WarnWithoutKey(const ConfigValue& at, const std::string& source_id, FaultSink& faults) {
    if (at.parent == nullptr) return;
    const ConfigValue* key = at.parent->Find("key");
    const bool by_record = key == nullptr || key->text == "record" || key->Find("header") != nullptr;
    if (!by_record) return;
    faults.Add(FaultCode::kDoubtful, key == nullptr ? at : *key,
               "a line of source \"" + source_id + "\" has no key of its own: every record would be dead-lettered",
               "add \"key\": {\"field\": …}, \"position\" or \"uuid\" beside \"file\"");
  }

  // Nor has it a timestamp.
  static void WarnWithoutTime(const ConfigValue& at, const std::string& source_id, FaultSink& faults) {
    const ConfigValue* time = at.parent == nullptr ? nullptr : at.parent->Find("time");
    if (time == nullptr || !time->is_object() || time->Find("field") != nullptr) return;
    faults.AddAtName(
        FaultCode::kDoubtful, *time,
        "a line of source \"" + source_id + "\" has no timestamp of its own: every record would be dead-lettered",
        "name the field that holds its time: \"time\": {\"field\": …}");
  }

  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields& fields,
                                                  BindServices& services, FaultSink& faults) const override {
    FileTargetOptions options;
    options.csv = at.Text("format", "json") == "csv";
    RowLayout dialect;
    if (!ReadDialect(at, options.csv, faults, &dialect)) return nullptr;
    options.delimiter = dialect.delimiter;
    if (!Resolve(at, services, faults, &options.place) || !CheckWritable(at, options.place.path, faults))
      return nullptr;
    if (options.csv && fields.envelope == "raw") {
      faults.Add(FaultCode::kBadValue, *fields.config->Find("envelope"), "a payload as it came is not a row of CSV",
                 "leave \"envelope\" out, or write \"format\": \"json\"");
      return nullptr;
    }
    if (fields.envelope.empty() || fields.envelope == "plain" || fields.envelope == "raw") {
      return MakeFileTarget(std::move(options), fields);
    }
    const ConfigValue* envelope = fields.config == nullptr ? nullptr : fields.config->Find("envelope");
    faults.Add(FaultCode::kBadValue, envelope == nullptr ? at : *envelope,
               "a file has no envelope \"" + fields.envelope + "\"", Suggest(fields.envelope, {"plain", "raw"}));
    return nullptr;
  }

  std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue* at, const SourceProgram* /*source*/,
                                                       const std::string& /*topology*/, BindServices& services,
                                                       FaultSink& faults) const override {
    FilePlace place;
    if (at != nullptr && !Resolve(*at, services, faults, &place)) return nullptr;
    if (at != nullptr && !CheckWritable(*at, place.path, faults)) return nullptr;
    if (IsStandardStream(place.path)) {
      faults.Add(FaultCode::kNotSupported, *at->Find("path"), "dead letters cannot go to standard output",
                 "name a file, so that `anabranch dlq` can read them back");
      return nullptr;
    }
    return MakeDeadLetterFile(std::move(place));
  }

  Result<std::shared_ptr<const SourceProgram>> BindDeadLetterSource(const TargetProgram& dead_letters,
                                                                    const std::string& state_dir) const override {
    return MakeDeadLetterFileSource(dead_letters, state_dir);
  }

  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram& /*source_program*/, Source& /*source*/) const override {
    return MakeFileCommitter(lane, targets, &files_);
  }

 private:
  // False after a fault.
  static bool ReadDialect(const ConfigValue& at, bool csv, FaultSink& faults, RowLayout* dialect) {
    const ConfigValue* delimiter = at.Find("delimiter");
    const ConfigValue* nulls = at.Find("null");
    for (const ConfigValue* field : {delimiter, nulls}) {
      if (field == nullptr || csv) continue;
      faults.AddAtName(FaultCode::kBadValue, *field,
                       "\"" + field->name + "\" is for CSV, but this file holds JSON lines",
                       "write \"format\": \"csv\", or leave it out");
      return false;
    }
    if (delimiter != nullptr) {
      const std::string_view text = delimiter->text;
      if (text.size() != 1 || text == "\"" || text == "\n" || text == "\r" ||
          static_cast<unsigned char>(text[0]) >= 0x80) {
        faults.Add(FaultCode::kBadValue, *delimiter, "\"" + Printable(text) + "\" cannot separate cells",
                   "use one ASCII character that is neither a quote nor a line end: \",\", \";\" or \"\\t\"");
        return false;
      }
      dialect->delimiter = text[0];
    }
    if (nulls != nullptr) {
      for (const ConfigValue& word : nulls->children) dialect->nulls.push_back(word.text);
    }
    return true;
  }

  static bool CheckWritable(const ConfigValue& at, const std::string& path, FaultSink& faults) {
    if (!IsCompressed(path)) return true;
    faults.Add(FaultCode::kNotSupported, *at.Find("path"), "a result file is written uncompressed",
               "name it without .gz or .zst, and compress it when the run has ended");
    return false;
  }

  static bool Resolve(const ConfigValue& at, BindServices& services, FaultSink& faults, FilePlace* place) {
    const ConfigValue* value = at.Find("path");
    if (value == nullptr || !value->is_string()) return false;
    if (IsStandardStream(value->text)) {
      place->path = place->in_project = value->text;
      return true;
    }
    Result<std::string> resolved = services.ResolvePath(value->text);
    if (resolved.ok()) {
      place->path = std::move(*resolved);
      const Result<std::string> project = services.ResolvePath(".");
      const std::filesystem::path folder = std::filesystem::path(project.ok() ? *project : "/").lexically_normal();
      place->in_project = std::filesystem::path(place->path).lexically_relative(folder).string();
      return true;
    }
    faults.Add(FaultCode::kPath, *value, resolved.status().message());
    return false;
  }

  const Spec spec_ = MakeSpec();
  mutable OpenFiles files_;
};

}  // namespace

void RegisterConnectorFile(Registry& registry) { registry.Add(std::make_unique<FileConnector>()); }

}  // namespace anabranch

#include "connectors/sqlite/sqlite.h"

#include <map>

#include "connectors/sqlite/sqlite_target.h"

namespace anabranch {
namespace {

Connector::Spec MakeSpec() {
  Connector::Spec spec;
  spec.name = "sqlite";
  spec.summary = "Writes results as rows of a table in a SQLite database.";
  spec.about =
      "The table has the columns `id` (`<topic>/<partition>/<offset>/<node>`), `key` (TEXT, or BLOB where a key is no "
      "UTF-8) and the fields: INTEGER for integers and booleans, REAL for numbers, TEXT for strings, timestamps "
      "(ISO 8601), lists and tensors (JSON). It is made when absent. `\"upsert\": \"id\"` keeps a row per record, "
      "`\"key\"` the newest per key: a replayed dead letter replaces a row only if that row comes from an earlier "
      "position of the same source partition. Rows and source positions are committed in one transaction, so every row "
      "is there "
      "exactly once. A table that this pipeline did not make is never written.";
  spec.target = {
      {"path", Shape::Path(), true, "", "The database file; made when absent."},
      {"table", Shape::String(), true, "", "The table; made when absent."},
      {"upsert", Shape::Enum({"id", "key"}), false, "\"id\"",
       "The primary key: \"id\" keeps every row, \"key\" the newest of each key."},
  };
  spec.target_example = R"({"sqlite": {"path": "scores.db", "table": "scores"}})";
  return spec;
}

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

class SqliteConnector : public Connector {
 public:
  const Spec& spec() const override { return spec_; }

  std::shared_ptr<const SourceProgram> BindSource(const ConfigValue& at, const std::string& /*source_id*/,
                                                  BindServices& /*services*/, FaultSink& faults) const override {
    faults.Add(FaultCode::kNotSupported, at, "sqlite is no source", "read from kafka or a file");
    return nullptr;
  }

  std::shared_ptr<const TargetProgram> BindTarget(const ConfigValue& at, const TargetFields& fields,
                                                  BindServices& services, FaultSink& faults) const override {
    const size_t before = faults.errors();
    CheckEnvelope(at, fields, faults);
    CheckNames(at, fields, faults);
    const std::string table(at.Text("table"));
    if (table.empty() || Lower(table).starts_with("sqlite_") || Lower(table).starts_with("anabranch_") ||
        table.find('\0') != std::string::npos) {
      const ConfigValue* name = at.Find("table");
      faults.Add(FaultCode::kBadValue, name == nullptr ? at : *name, "\"" + table + "\" is no name for a table",
                 "names are not empty and do not begin with sqlite_ or anabranch_");
    }
    const ConfigValue* path = at.Find("path");
    if (path == nullptr) return nullptr;
    Result<std::string> resolved = services.ResolvePath(path->text);
    if (!resolved.ok()) faults.Add(FaultCode::kPath, *path, resolved.status().message());
    if (faults.errors() != before) return nullptr;
    const auto upsert =
        at.Text("upsert", "id") == "key" ? SqliteTargetProgram::Upsert::kKey : SqliteTargetProgram::Upsert::kId;
    return std::make_shared<SqliteTargetProgram>(std::move(*resolved), table, upsert, fields);
  }

  std::shared_ptr<const TargetProgram> BindDeadLetters(const ConfigValue* at, const SourceProgram* /*source*/,
                                                       const std::string& /*topology*/, BindServices& /*services*/,
                                                       FaultSink& faults) const override {
    if (at != nullptr) {
      faults.Add(FaultCode::kNotSupported, *at, "dead letters cannot go to sqlite",
                 "send them to {\"file\": {\"path\": …}} or {\"kafka\": {\"topic\": …}}");
    }
    return nullptr;
  }

  Result<std::unique_ptr<Committer>> OpenCommitter(
      const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets,
      const SourceProgram& /*source_program*/, Source& /*source*/) const override {
    return MakeSqliteCommitter(lane, targets);
  }

 private:
  static void CheckEnvelope(const ConfigValue& at, const TargetFields& fields, FaultSink& faults) {
    if (fields.envelope.empty()) return;
    const ConfigValue* envelope = fields.config == nullptr ? nullptr : fields.config->Find("envelope");
    faults.Add(FaultCode::kBadValue, envelope == nullptr ? at : *envelope,
               "a table has columns and no envelope \"" + fields.envelope + "\"", "leave \"envelope\" out");
  }

  // SQLite's column names do not tell A from a.
  static void CheckNames(const ConfigValue& at, const TargetFields& fields, FaultSink& faults) {
    std::map<std::string, std::string> seen = {{"id", "the row's own column"}, {"key", "the row's own column"}};
    for (const TargetFields::Field& field : fields.fields) {
      if (field.name.find('\0') != std::string::npos) {
        faults.Add(FaultCode::kBadValue, field.at == nullptr ? at : *field.at,
                   "field \"" + field.name + "\" has a NUL character in its name, which SQLite cannot store",
                   "write it under another name: \"fields\": {\"other_name\": \"…\"}");
        continue;
      }
      const auto [first, added] = seen.emplace(Lower(field.name), "field \"" + field.name + "\"");
      if (added) continue;
      faults.Add(FaultCode::kBadValue, field.at == nullptr ? at : *field.at,
                 "field \"" + field.name + "\" has the name of " + first->second + " in table \"" +
                     std::string(at.Text("table")) + "\"",
                 "write it under another name: \"fields\": {\"other_name\": \"" + field.name + "\"}");
    }
  }

  const Spec spec_ = MakeSpec();
};

}  // namespace

void RegisterConnectorSqlite(Registry& registry) { registry.Add(std::make_unique<SqliteConnector>()); }

}  // namespace anabranch

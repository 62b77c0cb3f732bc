#include "topologies/language/bind_context.h"

namespace anabranch {

const VisibleColumn* NodeBinding::Read(const ConfigValue& at, std::string_view name, bool as_float32) {
  const VisibleColumn* column = scope_.Find(name);
  if (column == nullptr) {
    UnknownColumn(at, name);
    return nullptr;
  }
  columns_.NoteRead(column->id, as_float32);
  reads.push_back(column->id);
  return column;
}

void NodeBinding::UnknownColumn(const ConfigValue& at, std::string_view name) {
  const std::string column = "\"" + std::string(name) + "\"";
  const std::string reader = "node \"" + node_id() + "\"";
  const ColumnInfo* elsewhere = columns_.Find(name);
  const std::string without = SourcesWithout(name);
  if (elsewhere != nullptr && !without.empty()) {
    faults_.Add(FaultCode::kUnknownColumn, at,
                reader + " reads column " + column + ", which \"" + elsewhere->maker + "\" makes, but rows of source " +
                    without + " do not have it",
                "make it in their branch too, as " + elsewhere->type.ToString());
    return;
  }
  if (elsewhere != nullptr) {
    faults_.Add(
        FaultCode::kUnknownColumn, at,
        reader + " reads column " + column + ", which \"" + elsewhere->maker +
            "\" makes, but which does not reach it on every row",
        "readable here: " + (scope_.columns().empty() ? std::string("none") : Suggest("", scope_.Names()).substr(7)));
    return;
  }
  faults_.Add(FaultCode::kUnknownColumn, at, reader + " reads column " + column + ", which nothing above it makes",
              scope_.columns().empty() ? "no column is readable here: the source names no schema"
                                       : Suggest(name, scope_.Names()));
}

// The sources whose rows reach this node and have no such column, where another source's rows have it: "\"shop\"".
std::string NodeBinding::SourcesWithout(std::string_view name) const {
  std::string without;
  bool some_have = false;
  for (size_t source = 0; source < source_ids_->size(); ++source) {
    if (!(*rows_of_)[source]) continue;
    std::vector<bool> only(source_ids_->size());
    only[source] = true;
    if (columns_.FindFor(name, only) != nullptr) {
      some_have = true;
    } else {
      without += (without.empty() ? "\"" : ", \"") + (*source_ids_)[source] + "\"";
    }
  }
  return some_have ? without : std::string();
}

void NodeBinding::NoteReads(std::span<const ColumnId> columns) {
  for (const ColumnId column : columns) {
    if (column < columns_.size()) columns_.NoteRead(column, false);
    reads.push_back(column);
  }
}

ColumnId NodeBinding::Make(const ConfigValue& at, std::string_view name, const Type& type, bool nullable) {
  if (const ColumnInfo* first = columns_.FindFor(name, *rows_of_)) {
    const std::string column = "column \"" + std::string(name) + "\"";
    const std::string maker = "node \"" + node_id() + "\"";
    // The name may stand as a member's name (`set`) or as a string.
    faults_
        .AddAtName(FaultCode::kColumnMadeTwice, at,
                   first->maker == node_id() ? maker + " makes " + column + " twice"
                                             : column + " is made by \"" + first->maker + "\" and by " + maker,
                   "a column is made once: give this one another name")
        .subject = name;
  }
  const bool without_default = substituted_ && type.kind == Kind::kList;
  const bool may_be_null = nullable || conditional_ || without_default;
  const ColumnId id = columns_.Make(name, type, node_id(), *rows_of_, false);
  makes.push_back(id);
  changes_.push_back({Change::Kind::kMake,
                      {std::string(name), id, type, may_be_null, kind_.spec().results, node_id(), substituted_},
                      {}});
  return id;
}

void NodeBinding::NameClasses(ColumnId column, const std::vector<std::string>& classes) {
  for (Change& change : changes_) {
    if (change.kind == Change::Kind::kMake && change.column.id == column) change.column.classes = classes;
  }
}

void NodeBinding::Rename(std::string_view from, std::string_view to) {
  changes_.push_back({Change::Kind::kRename, {std::string(from), 0, {}, false, false, {}}, std::string(to)});
}

void NodeBinding::Drop(std::string_view name) {
  changes_.push_back({Change::Kind::kDrop, {std::string(name), 0, {}, false, false, {}}, {}});
}

std::vector<std::shared_ptr<const RecordSchema>> NodeBinding::TakeSchemas() {
  std::vector<std::shared_ptr<const RecordSchema>> taken;
  if (schemas_ == nullptr || !kind_.spec().checks_schemas) return taken;
  for (size_t source = 0; source < pending_->size(); ++source) {
    if (!(*pending_)[source] || schemas_->schemas[source] == nullptr) continue;
    (*pending_)[source] = false;
    schemas_->taken[source] = true;
    taken.push_back(schemas_->schemas[source]);
    // Its check looks at every field: they must be there when this node runs on kept results.
    for (const SchemaField& field : taken.back()->fields()) reads.push_back(field.column);
  }
  return taken;
}

void NodeBinding::Apply(Scope& scope) const {
  for (const Change& change : changes_) {
    switch (change.kind) {
      case Change::Kind::kMake: scope.Add(change.column); break;
      case Change::Kind::kDrop: scope.Remove(change.column.name); break;
      case Change::Kind::kRename:
        if (const VisibleColumn* column = scope.Find(change.column.name)) {
          VisibleColumn renamed = *column;
          renamed.name = change.to;
          scope.Remove(change.column.name);
          scope.Add(std::move(renamed));
        }
        break;
    }
  }
}

}  // namespace anabranch

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/committer.h"
#include "engine/lane_context.h"
#include "engine/target.h"

namespace anabranch {

// One table of a database file as a target. Its columns: id, key (the one that `upsert` names is the primary key) and
// the fields. The table's name, its owner and the progress of its rows stand in the same file:
//   anabranch_targets (table_name, topology, upsert)
//   anabranch_progress (topology, target, topic, partition, next_offset, generation, since,
//     generation_check)
// `target` is the table's name. From `since` on rows are scored by `generation` (engine/generation.h).
class SqliteTargetProgram : public TargetProgram {
 public:
  enum class Upsert { kId, kKey };

  SqliteTargetProgram(std::string path, std::string table, Upsert upsert, const TargetFields& fields)
      : path_(std::move(path)),
        table_(std::move(table)),
        upsert_(upsert),
        node_id_(fields.node_id),
        fields_(fields.fields) {}

  std::string commit_unit() const override { return "sqlite:" + path_; }
  std::string connector() const override { return "sqlite"; }
  std::string Describe() const override { return "sqlite table " + table_ + " in " + path_; }
  bool ExactlyOnce(const SourceProgram& source, std::string* why) const override;
  std::unique_ptr<RowEncoder> MakeEncoder(const ResultIdentity& identity) const override;
  Status CheckThere(const std::string& state_dir, StateStore& store) const override;

  const std::string& path() const { return path_; }
  const std::string& table() const { return table_; }
  Upsert upsert() const { return upsert_; }
  const char* upsert_column() const { return upsert_ == Upsert::kId ? "id" : "key"; }
  const std::vector<TargetFields::Field>& fields() const { return fields_; }

 private:
  const std::string path_;
  const std::string table_;
  const Upsert upsert_;
  const std::string node_id_;
  const std::vector<TargetFields::Field> fields_;
};

// All targets are tables of one database.
Result<std::unique_ptr<Committer>> MakeSqliteCommitter(
    const LaneContext& lane, const std::vector<std::pair<TargetId, const TargetProgram*>>& targets);

}  // namespace anabranch

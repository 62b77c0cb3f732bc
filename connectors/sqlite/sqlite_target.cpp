#include "connectors/sqlite/sqlite_target.h"

#include <filesystem>

#include "connectors/sqlite/row_codec.h"
#include "engine/record_id.h"

namespace anabranch {
namespace {

// A row's value: the id, then the fields; its key stays apart.
class SqliteEncoder : public RowEncoder {
 public:
  SqliteEncoder(std::string node_id, std::string key_owner, std::vector<TargetFields::Field> fields)
      : node_id_(std::move(node_id)), key_owner_(std::move(key_owner)), fields_(std::move(fields)) {}

  Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) override {
    for (uint32_t r = 0; r < batch.rows(); ++r) {
      if (active[r] == 0) continue;
      if (!out->HasRoom()) break;
      RETURN_IF_ERROR(EncodeRow(batch, r, out));
    }
    return {};
  }

 private:
  Status EncodeRow(const RecordBatch& batch, uint32_t r, EncodedRows* out) {
    id_.clear();
    AppendRecordId(batch.partitions->at(batch.partition[r]), batch.offset[r], &id_);
    id_.append("/").append(node_id_);
    if (!key_owner_.empty() && batch.key_present[r] == 0) {
      return {Code::kStage, "node \"" + node_id_ + "\": record " + id_.substr(0, id_.rfind('/')) + " has no key, but " +
                                key_owner_ + " upserts by key: give the source a \"key\", or use \"upsert\": \"id\""};
    }
    EncodedRows::Row row;
    row.partition = batch.partition[r];
    row.offset = batch.offset[r];
    row.timestamp_ms = batch.timestamp_ms[r];
    row.key = out->Here();
    if (batch.key_present[r] != 0) {
      row.key_size = static_cast<uint32_t>(batch.key[r].size());
      out->bytes.append(batch.key[r]);
    }
    row.value = out->Here();
    AppendText(&out->bytes, id_);
    for (const TargetFields::Field& field : fields_) {
      AppendCell(&out->bytes, batch.columns[field.column], r);
      if (out->bytes.size() - row.key > out->max_row_bytes) break;
    }
    row.value_size = out->Here() - row.value;
    out->AddRow(row, r, row.key);
    return {};
  }

  const std::string node_id_;
  const std::string key_owner_;  // who needs a key; empty: nobody
  const std::vector<TargetFields::Field> fields_;
  std::string id_;
};

}  // namespace

bool SqliteTargetProgram::ExactlyOnce(const SourceProgram& /*source*/, std::string* why) const {
  if (why != nullptr) *why = "rows and source positions are committed in one database transaction";
  return true;
}

Status SqliteTargetProgram::CheckThere(const std::string& /*state_dir*/, StateStore& /*store*/) const {
  if (std::filesystem::exists(path_)) return {};
  return {Code::kInvalid, path_ +
                              " is gone, but this pipeline wrote its results there: put it back, or start over with "
                              "`run --fresh --new-identity`"};
}

std::unique_ptr<RowEncoder> SqliteTargetProgram::MakeEncoder(const ResultIdentity& /*identity*/) const {
  return std::make_unique<SqliteEncoder>(node_id_, upsert_ == Upsert::kKey ? Describe() : std::string(), fields_);
}

}  // namespace anabranch

#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/codec/decoder.h"
#include "engine/testing/cells.h"
#include "tests/engine/schema/schema_text.h"

namespace anabranch {

// Payloads decoded under a schema, and what became of them.
class Decoded {
 public:
  // `storage`: other types than the schema's, by path. `wanted`: the paths to decode; empty = all.
  explicit Decoded(const std::string& schema, std::map<std::string, Type> storage = {},
                   std::vector<std::string> wanted = {})
      : text_(schema) {
    EXPECT_NE(text_.schema, nullptr) << text_.FaultText();
    plan_.schema = text_.schema;
    for (size_t i = 0; i < text_.schema->fields().size(); ++i) {
      const SchemaField& field = text_.schema->fields()[i];
      if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), field.path) == wanted.end()) continue;
      const auto stored = storage.find(field.path);
      plan_.fields.push_back({i, field.column, stored == storage.end() ? field.type : stored->second});
    }
  }

  Decoded& Json(const std::vector<std::string>& payloads) {
    if (decoder_ == nullptr) decoder_ = MakeJsonDecoder(plan_);
    return Run(payloads);
  }
  Decoded& Csv(const std::vector<std::string>& header, const std::vector<std::string>& rows, char delimiter = ',',
               const std::vector<std::string>& nulls = {}) {
    Result<std::unique_ptr<Decoder>> made = MakeCsvDecoder(plan_, {header, delimiter, nulls});
    EXPECT_TRUE(made.ok()) << made.status().message();
    decoder_ = std::move(made).value();
    return Run(rows);
  }
  Status CsvStatus(const std::vector<std::string>& header) {
    Result<std::unique_ptr<Decoder>> made = MakeCsvDecoder(plan_, {header, ',', {}});
    return made.ok() ? Status::Ok() : made.status();
  }

  Cell at(const std::string& path, uint32_t row = 0) const { return ReadCell(batch_.columns[Id(path)], row); }
  int state(const std::string& path, uint32_t row = 0) const { return batch_.columns[Id(path)].states()[row]; }
  std::string misfit(const std::string& path, uint32_t row = 0) const {
    return std::string(batch_.columns[Id(path)].misfit(row));
  }
  // "code: message" of the row's record error; empty when it was read.
  std::string error(uint32_t row = 0) const {
    for (const RowError& error : batch_.stages[0].errors) {
      if (error.row == row) return error.code + ": " + error.message;
    }
    return "";
  }
  std::string code(uint32_t row = 0) const { return error(row).substr(0, error(row).find(':')); }
  bool passed(uint32_t row = 0) const { return batch_.stages[0].outcome[row] == Outcome::kOk; }
  // The message of the schema's check of a row; empty when it holds.
  std::string check(uint32_t row = 0) const {
    std::string found;
    const std::vector<uint8_t> active(batch_.rows(), 1);
    text_.schema->Check(batch_, active, [&](uint32_t failed, std::string why) {
      if (failed == row) found += why;
    });
    return found;
  }
  RecordBatch& batch() { return batch_; }
  const RecordSchema& schema() const { return *text_.schema; }

 private:
  Decoded& Run(const std::vector<std::string>& payloads) {
    payloads_.assign(payloads.begin(), payloads.end());
    batch_.Clear(text_.schema->fields().size(), 1);
    for (const std::string& payload : payloads_) batch_.AddRow(0, batch_.rows(), 0, {}, false, payload);
    batch_.PrepareStages();
    batch_.stages[0].outcome.assign(batch_.rows(), Outcome::kOk);
    decoder_->Decode(batch_);
    return *this;
  }
  ColumnId Id(const std::string& path) const {
    for (const SchemaField& field : text_.schema->fields()) {
      if (field.path == path) return field.column;
    }
    ADD_FAILURE() << "no field " << path;
    return 0;
  }

  SchemaText text_;
  DecodePlan plan_;
  std::unique_ptr<Decoder> decoder_;
  std::deque<std::string> payloads_;
  RecordBatch batch_;
};

}  // namespace anabranch

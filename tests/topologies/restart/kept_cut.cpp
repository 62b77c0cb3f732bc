#include "tests/topologies/restart/kept_cut.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace anabranch {

void KeptCut::Keep(std::string frame, bool log) {
  const Result<KeptHeader> header = ReadKeptHeader(frame);
  ASSERT_TRUE(header.ok()) << header.status().message();
  KeptStore::Entry entry;
  entry.id = entries_.size();
  entry.file = (log ? "log-" : "segment-") + std::to_string(entry.id);
  entry.log = log;
  entry.bytes = frame.size();
  entry.header = *header;
  entries_.push_back(std::move(entry));
  frames_.push_back(std::make_shared<const std::string>(std::move(frame)));
}

EncodedBatch KeptCut::Encoded(uint32_t rows) const {
  EncodedBatch encoded;
  encoded.targets.resize(plan_.targets.size());
  for (EncodedRows& target : encoded.targets) {
    if (&target == &encoded.targets[plan_.dead_letters()]) continue;
    for (uint32_t row = 0; row < rows; ++row) {
      EncodedRows::Row cut;
      cut.offset = next_ + row;
      target.rows.push_back(cut);
    }
  }
  encoded.positions = {{0, next_, next_ + rows}};
  return encoded;
}

void KeptCut::Batch(const std::vector<std::string>& done, uint32_t rows, bool log, bool again) {
  RecordBatch batch;
  batch.Clear(plan_.columns.size(), plan_.stages());
  batch.partitions = &partitions_;
  batch.sequence = entries_.size() + 1;
  for (uint32_t row = 0; row < rows; ++row) batch.AddRow(0, next_ + row, 0, "key", true, "{}");
  batch.record_key = batch.key;
  batch.record_key_present = batch.key_present;
  batch.encoded = Encoded(rows);
  batch.positions = batch.encoded.positions;
  batch.PrepareStages();
  std::vector<bool> finished(plan_.stages(), false);
  for (StageId stage = 0; stage < plan_.stages(); ++stage) {
    finished[stage] = std::find(done.begin(), done.end(), plan_.StageName(stage)) != done.end();
    if (!finished[stage]) continue;
    std::fill(batch.stages[stage].outcome.begin(), batch.stages[stage].outcome.end(), Outcome::kOk);
    batch.stages[stage].done = true;
  }
  for (const DecodePlan::Field& field : plan_.sources[0].decode.fields) {
    batch.columns[field.column].Reset(field.type, rows);
  }
  for (const PlanNode& node : plan_.nodes) {
    for (const ColumnId column : node.makes) batch.columns[column].Reset(plan_.columns[column].type, rows);
  }
  Keep(WriteKeptBatch(plan_, batch, finished), log);
  if (!again) next_ += rows;
}

void KeptCut::Outputs(uint32_t rows) {
  Keep(WriteKeptOutputs(plan_, partitions_, 0, Encoded(rows), rows), false);
  next_ += rows;
}

}  // namespace anabranch

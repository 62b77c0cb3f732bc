#include <gtest/gtest.h>

#include "connectors/kafka/kafka_target.h"

namespace anabranch {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Stages: 0 the source, 1 and 2 two models. Rows of one partition; outcomes are those of the models.
class ResultHeadersTest : public testing::Test {
 protected:
  void AddRow(Outcome first, Outcome second, std::string_view trace = {}) {
    if (!trace.empty()) batch_.headers.push_back({"traceparent", trace});
    batch_.AddRow(0, static_cast<int64_t>(batch_.rows()), 0, "", false, "x");
    outcomes_.push_back({first, second});
  }
  // Of each row, without the id: that is put on when it is produced.
  std::vector<Headers> Encode(std::string envelope = "raw") {
    batch_.columns.resize(0);
    batch_.stages.resize(3);
    batch_.PrepareStages();
    for (size_t row = 0; row < outcomes_.size(); ++row) {
      batch_.stages[1].outcome[row] = outcomes_[row].first;
      batch_.stages[2].outcome[row] = outcomes_[row].second;
    }
    KafkaTargetProgram::Settings settings;
    settings.node_id = "out";
    settings.envelope = std::move(envelope);
    const auto encoder = KafkaTargetProgram(settings).MakeEncoder({"t@1", {{1, "a@1"}, {2, "b@2"}}});
    EncodedRows rows;
    const std::vector<uint8_t> active(batch_.rows(), 1);
    EXPECT_TRUE(encoder->Encode(batch_, active, &rows).ok());
    std::vector<Headers> found;
    for (const EncodedRows::Row& row : rows.rows) {
      found.emplace_back();
      rows.ForEachHeader(
          row, [&](std::string_view name, std::string_view value) { found.back().emplace_back(name, value); });
    }
    bytes_ = rows.bytes.size();
    return found;
  }

  RecordBatch batch_;
  std::vector<std::pair<Outcome, Outcome>> outcomes_;
  size_t bytes_ = 0;
};

TEST_F(ResultHeadersTest, NameTheModelsThatScoredTheRow) {
  AddRow(Outcome::kOk, Outcome::kOk);
  AddRow(Outcome::kOk, Outcome::kMissed);
  AddRow(Outcome::kSkipped, Outcome::kOk);
  AddRow(Outcome::kDefaulted, Outcome::kMissed);
  AddRow(Outcome::kOk, Outcome::kOk);
  const Headers topology = {{"anabranch.topology", "t@1"}};
  const auto with = [&](const char* models) {
    Headers headers = topology;
    headers.emplace_back("anabranch.models", models);
    return headers;
  };
  EXPECT_EQ(Encode(), (std::vector<Headers>{with("a@1,b@2"), with("a@1"), with("b@2"), topology, with("a@1,b@2")}));
}

TEST_F(ResultHeadersTest, StandOnceForAllRowsOfTheSameModels) {
  AddRow(Outcome::kOk, Outcome::kOk);
  Encode();
  const size_t one = bytes_;
  for (int i = 1; i < 100; ++i) AddRow(Outcome::kOk, Outcome::kOk);
  Encode();
  EXPECT_EQ(bytes_, one + 99) << "a byte of value for each more";
}

TEST_F(ResultHeadersTest, HandTracesOnBesideTheModelsOfTheirRow) {
  AddRow(Outcome::kOk, Outcome::kSkipped, "00-aa");
  AddRow(Outcome::kOk, Outcome::kSkipped, "00-bb");
  const auto found = Encode();
  for (size_t row = 0; row < 2; ++row) {
    EXPECT_EQ(found[row], (Headers{{"anabranch.topology", "t@1"},
                                   {"anabranch.models", "a@1"},
                                   {"traceparent", row == 0 ? "00-aa" : "00-bb"}}));
  }
}

}  // namespace
}  // namespace anabranch

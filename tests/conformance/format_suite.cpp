#include "tests/conformance/format_suite.h"

#include <gtest/gtest.h>

#include <deque>

#include "engine/schema/record_schema.h"
#include "engine/testing/cells.h"
#include "tests/engine/schema/schema_text.h"

namespace anabranch {
namespace {

using Fields = std::vector<FormatCase::Field>;

constexpr const char* kSchema =
    R"({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "n": {"type": "integer"},
        "x": {"type": "number"}, "flag": {"type": "boolean"}, "note": {"type": ["string", "null"]}}})";

struct Sample {
  Fields fields;
  std::vector<Cell> cells;  // id, n, x, flag, note
};

std::vector<Sample> Samples() {
  const auto sample = [](std::string id, const char* n, const char* x, const char* flag,
                         std::optional<std::string> note, std::vector<Cell> cells) {
    return Sample{{{"id", std::move(id)}, {"n", n}, {"x", x}, {"flag", flag}, {"note", std::move(note)}},
                  std::move(cells)};
  };
  return {
      sample(R"("a")", "1", "1.5", "true", R"("hello")", {"a", 1, 1.5, true, "hello"}),
      sample(R"("b")", "-2", "0.25", "false", std::nullopt, {"b", -2, 0.25, false, nullptr}),
      sample(R"("ü, é; 日本: \"quoted\"")", "9007199254740993", "-1e-7", "true", R"("1:2,3")",
             {"ü, é; 日本: \"quoted\"", int64_t{9007199254740993}, -1e-7, true, "1:2,3"}),
  };
}

// Payloads decoded by one decoder, batch after batch.
class DecodedBy {
 public:
  DecodedBy(const Format& format, const FormatCase& tested) : schema_(kSchema) {
    RowLayout layout = tested.layout;
    DecodePlan plan;
    plan.schema = schema_.schema;
    for (size_t i = 0; i < schema_.schema->fields().size(); ++i) {
      const SchemaField& field = schema_.schema->fields()[i];
      plan.fields.push_back({i, field.column, field.type});
      if (format.spec().needs_header) layout.header.push_back(field.path);
    }
    Result<std::unique_ptr<Decoder>> made = format.MakeDecoder(std::move(plan), layout);
    EXPECT_TRUE(made.ok()) << made.status().message();
    if (made.ok()) decoder_ = std::move(made).value();
  }

  void Decode(const std::vector<std::string>& payloads) {
    payloads_.assign(payloads.begin(), payloads.end());
    batch_.Clear(schema_.schema->fields().size(), 1);
    for (const std::string& payload : payloads_) batch_.AddRow(0, batch_.rows(), 0, {}, false, payload);
    batch_.PrepareStages();
    batch_.stages[0].outcome.assign(batch_.rows(), Outcome::kOk);
    decoder_->Decode(batch_);
  }
  // id, n, x, flag, note
  std::vector<Cell> Row(uint32_t row) const {
    std::vector<Cell> cells;
    for (const char* path : {"id", "n", "x", "flag", "note"}) {
      for (const SchemaField& field : schema_.schema->fields()) {
        if (field.path == path) cells.push_back(ReadCell(batch_.columns[field.column], row));
      }
    }
    return cells;
  }
  bool failed(uint32_t row) const { return batch_.stages[0].outcome[row] == Outcome::kFailed; }
  const std::vector<RowError>& errors() const { return batch_.stages[0].errors; }

 private:
  SchemaText schema_;
  std::unique_ptr<Decoder> decoder_;
  std::deque<std::string> payloads_;
  RecordBatch batch_;
};

}  // namespace

void CheckFormatSpec(const Format& format) {
  const Format::Spec& spec = format.spec();
  EXPECT_FALSE(spec.name.empty());
  EXPECT_EQ(spec.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos) << spec.name;
  EXPECT_TRUE(spec.summary.ends_with('.')) << spec.summary;
}

void CheckRoundTrip(const Format& format, const FormatCase& tested) {
  DecodedBy decoded(format, tested);
  std::vector<std::string> payloads;
  for (const Sample& sample : Samples()) payloads.push_back(tested.encode(sample.fields));
  decoded.Decode(payloads);
  for (uint32_t row = 0; row < payloads.size(); ++row) {
    EXPECT_FALSE(decoded.failed(row)) << payloads[row];
    EXPECT_EQ(decoded.Row(row), Samples()[row].cells) << payloads[row];
  }
}

void CheckBadInput(const Format& format, const FormatCase& tested) {
  ASSERT_FALSE(tested.bad.empty());
  const std::string good = tested.encode(Samples()[0].fields);
  std::vector<std::string> bad = tested.bad;
  for (size_t length = 0; length < good.size(); ++length) bad.push_back(good.substr(0, length));
  DecodedBy decoded(format, tested);
  for (size_t i = 0; i < bad.size(); ++i) {
    decoded.Decode({good, bad[i], good});
    EXPECT_TRUE(decoded.failed(1) || i >= tested.bad.size()) << bad[i];
    ASSERT_EQ(decoded.errors().size(), decoded.failed(1) ? 1u : 0u) << bad[i];
    for (const RowError& error : decoded.errors()) {
      EXPECT_EQ(error.row, 1u);
      EXPECT_FALSE(error.code.empty() || error.message.empty()) << bad[i];
    }
    for (const uint32_t row : {0u, 2u}) {
      EXPECT_FALSE(decoded.failed(row)) << bad[i];
      EXPECT_EQ(decoded.Row(row), Samples()[0].cells) << bad[i];
    }
  }
}

void CheckBatches(const Format& format, const FormatCase& tested) {
  DecodedBy decoded(format, tested);
  const std::vector<Sample> samples = Samples();
  std::vector<std::string> payloads;
  for (int i = 0; i < 300; ++i)
    payloads.push_back(tested.encode(samples[static_cast<size_t>(i) % samples.size()].fields));
  decoded.Decode(payloads);
  for (uint32_t row = 0; row < payloads.size(); ++row) EXPECT_EQ(decoded.Row(row), samples[row % samples.size()].cells);
  for (size_t i = samples.size(); i-- > 0;) {
    decoded.Decode({payloads[i]});
    EXPECT_EQ(decoded.Row(0), samples[i].cells);
  }
  decoded.Decode({});
}

}  // namespace anabranch

#include "tests/engine/codec/decode_fixture.h"

namespace anabranch {
namespace {

using Cells = std::vector<std::string>;

bool Split(std::string_view row, Cells* cells) {
  std::vector<std::string_view> views;
  std::string scratch;
  const bool matched = SplitCsvRow(row, ',', &views, &scratch);
  cells->assign(views.begin(), views.end());
  return matched;
}

TEST(CsvRow, SplitsAsRfc4180Says) {
  Cells cells;
  ASSERT_TRUE(Split(R"(a,"b,c","d ""e"" ""","",,"x
y")",
                    &cells));
  EXPECT_EQ(cells, (Cells{"a", "b,c", "d \"e\" \"", "", "", "x\ny"}));
  ASSERT_TRUE(Split("", &cells));
  EXPECT_EQ(cells, (Cells{""}));
  ASSERT_TRUE(Split("a,", &cells));
  EXPECT_EQ(cells, (Cells{"a", ""}));
  ASSERT_TRUE(Split("\"\"\"\",\"\"\"\"\"\"", &cells));
  EXPECT_EQ(cells, (Cells{"\"", "\"\""}));
}

TEST(CsvRow, RefusesQuotesThatDoNotMatch) {
  Cells cells;
  for (const char* row : {"\"a", "\"a\"b", "a\"b", "\"", "\"\"\"", "a,\"b\"\""})
    EXPECT_FALSE(Split(row, &cells)) << row;
}

constexpr char kSchema[] =
    R"({"type":"object","required":["id","n"],"properties":{"id":{"type":"string"},"n":{"type":"number"},
    "i":{"type":"integer"},"b":{"type":"boolean"},"t":{"type":"string","format":"date-time"},"z":{"type":["number","null"]},
    "a":{"type":"object","properties":{"b":{"type":"integer"}}},"p":{"type":"string","x-decode":"csv<f32>[2]"}}})";

TEST(CsvDecoder, TakesAnotherDelimiterAndWordsForNull) {
  Decoded decoded(kSchema);
  decoded.Csv({"n", "id", "z"}, {"1;a,b;NA", "2;\"c;d\";3", "3;NA;-"}, ';', {"NA", "-"});
  EXPECT_EQ(decoded.at("id"), Cell("a,b"));
  EXPECT_EQ(decoded.state("z"), kNull);
  EXPECT_EQ(decoded.at("id", 1), Cell("c;d"));
  EXPECT_EQ(decoded.at("z", 1), Cell(3.0));
  EXPECT_EQ(decoded.state("id", 2), kMissing);
  EXPECT_EQ(decoded.state("z", 2), kNull);
}

TEST(CsvDecoder, ReadsTheTypesOfTheSchema) {
  Decoded decoded(kSchema);
  decoded.Csv({"n", "extra", "id", "i", "b", "t", "z", "a.b", "p"},
              {"1.5,x,\"a \"\"1\"\"\",7,true,2026-01-01T00:00:00Z,2,9,\"1,2\"", " 2 ,,b,,,,,,",
               "x,,c,1.5,yes,now,1e999,1,\"1\""});
  EXPECT_EQ(decoded.at("n"), Cell(1.5));
  EXPECT_EQ(decoded.at("id"), Cell("a \"1\""));
  EXPECT_EQ(decoded.at("i"), Cell(7));
  EXPECT_EQ(decoded.at("b"), Cell(true));
  EXPECT_EQ(decoded.at("t"), Cell(int64_t{1767225600000000}));
  EXPECT_EQ(decoded.at("a.b"), Cell(9));
  EXPECT_EQ(decoded.at("p"), Cell(std::vector<Cell>{1.0, 2.0}));
  EXPECT_EQ(decoded.check(0), "");
  EXPECT_EQ(decoded.at("n", 1), Cell(2.0));
  EXPECT_EQ(decoded.state("i", 1), kMissing);
  EXPECT_EQ(decoded.state("z", 1), kNull);
  EXPECT_EQ(decoded.check(1), "");
  for (const char* path : {"n", "i", "b", "t", "p"}) EXPECT_EQ(decoded.state(path, 2), kWrongType) << path;
  EXPECT_EQ(decoded.state("z", 2), kOutOfRange);
  EXPECT_EQ(decoded.check(2), "field \"n\" is x; wanted a number");
}

TEST(CsvDecoder, AnEmptyRequiredCellFailsTheSchema) {
  Decoded decoded(kSchema);
  decoded.Csv({"id", "n"}, {"a,"});
  EXPECT_EQ(decoded.check(0), "field \"n\" is missing");
}

TEST(CsvDecoder, RowsOfAnotherWidthAreRecordErrors) {
  Decoded decoded(kSchema);
  decoded.Csv({"\xEF\xBB\xBFid", "n"}, {"a,1", "a", "a,1,2", "\"a,1", "\xFF,1", "b,2"});
  EXPECT_EQ(decoded.error(0), "");
  EXPECT_EQ(decoded.error(1), "csv: the row has 1 cells, the header 2");
  EXPECT_EQ(decoded.code(2), "csv");
  EXPECT_EQ(decoded.code(3), "csv");
  EXPECT_EQ(decoded.code(4), "utf8");
  EXPECT_EQ(decoded.at("id", 5), Cell("b"));
}

TEST(CsvDecoder, RefusesHeadersThatDoNotFit) {
  Decoded decoded(kSchema);
  EXPECT_NE(decoded.CsvStatus({"id", "nn"}).message().find("no column \"n\""), std::string::npos);
  EXPECT_NE(decoded.CsvStatus({"id", "n", "id"}).message().find("twice"), std::string::npos);
  EXPECT_EQ(decoded.CsvStatus({"id", "n", "other"}).message(), "");
  Decoded closed(R"({"type":"object","additionalProperties":false,"properties":{"amount":{"type":"number"}}})");
  EXPECT_NE(closed.CsvStatus({"amout"}).message().find("did you mean \"amount\"?"), std::string::npos);
  Decoded list(R"({"type":"object","properties":{"l":{"type":"array","items":{"type":"number"}}}})");
  EXPECT_EQ(list.CsvStatus({"l"}).code(), Code::kInvalid);
}

}  // namespace
}  // namespace anabranch

#include "engine/codec/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/testing/cells.h"
#include "engine/text/json_literals.h"

namespace anabranch {
namespace {

template <typename T>
std::string Number(T value) {
  std::string out;
  AppendJsonNumber(&out, value);
  return out;
}

std::string Text(std::string_view text) {
  std::string out;
  AppendJsonString(&out, text);
  return out;
}

std::string CellText(const Type& type, const std::vector<Cell>& cells, uint32_t row) {
  Column column;
  FillColumn(&column, type, cells);
  std::string out;
  AppendJsonCell(&out, column, row);
  return out;
}

TEST(JsonWriter, WritesNumbersShortest) {
  EXPECT_EQ(Number(0.1), "0.1");
  EXPECT_EQ(Number(0.1F), "0.1");
  EXPECT_EQ(Number(5.0), "5");
  EXPECT_EQ(Number(5e6), "5000000");
  EXPECT_EQ(Number(5e6F), "5000000");
  EXPECT_EQ(Number(1e20), "100000000000000000000");
  EXPECT_EQ(Number(1e21), "1e+21");
  EXPECT_EQ(Number(0.000001), "0.000001");
  EXPECT_EQ(Number(1e-7), "1e-07");
  EXPECT_EQ(Number(0.0), "0");
  EXPECT_EQ(Number(-0.0), "-0");
  EXPECT_EQ(Number(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(Number(1.0F / 3), "0.33333334");
  EXPECT_EQ(Number(int64_t{INT64_MIN}), "-9223372036854775808");
  EXPECT_EQ(Number(std::nan("")), "null");
  EXPECT_EQ(Number(HUGE_VALF), "null");
}

TEST(JsonWriter, EscapesOnlyWhatJsonDemands) {
  EXPECT_EQ(Text(""), "\"\"");
  EXPECT_EQ(Text("plain text, é, 😀, \x7F /"), "\"plain text, é, 😀, \x7F /\"");
  EXPECT_EQ(Text("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(Text(std::string("\0\x01\x1f\b\f\n\r\t", 8)), R"("\u0000\u0001\u001f\b\f\n\r\t")");
}

TEST(JsonWriter, FindsAnEscapeAtEveryPlace) {
  for (size_t size = 1; size < 100; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (char c : {'"', '\\', '\n', '\x1f'}) {
        std::string text(size, '\x80');
        text[at] = c;
        EXPECT_GT(Text(text).size(), size + 2) << size << " " << at;
      }
    }
  }
}

TEST(JsonWriter, WritesCellsOfEveryType) {
  EXPECT_EQ(CellText(Type::Scalar(Kind::kBool), {true, nullptr}, 0), "true");
  EXPECT_EQ(CellText(Type::Scalar(Kind::kBool), {true, nullptr}, 1), "null");
  EXPECT_EQ(CellText(Type::Scalar(Kind::kTimestamp), {0}, 0), "\"1970-01-01T00:00:00Z\"");
  EXPECT_EQ(CellText(Type::List(Kind::kString), {std::vector<Cell>{}, std::vector<Cell>{"a", "b"}}, 1), R"(["a","b"])");
  EXPECT_EQ(CellText(Type::List(Kind::kString), {std::vector<Cell>{}, std::vector<Cell>{"a"}}, 0), "[]");
  const Type grid = Type::Tensor(Kind::kInt64, {2, 3});
  EXPECT_EQ(CellText(grid, {nullptr, std::vector<Cell>{1, 2, 3, 4, 5, 6}}, 1), "[[1,2,3],[4,5,6]]");
}

TEST(JsonWriter, WritesRowsWithFixedFields) {
  RecordBatch batch;
  batch.Clear(2, 0);
  FillColumn(&batch.columns[0], Type::Scalar(Kind::kInt64), {1, nullptr});
  FillColumn(&batch.columns[1], Type::Scalar(Kind::kString), {"x", "y"});
  const JsonRowWriter writer(
      {{"a", 0, Type::Scalar(Kind::kInt64), true, nullptr}, {"b\"", 1, Type::Scalar(Kind::kString), true, nullptr}});
  std::string out;
  writer.Append(batch, 0, &out);
  writer.Append(batch, 1, &out);
  EXPECT_EQ(out, R"({"a":1,"b\"":"x"}{"a":null,"b\"":"y"})");
  out.clear();
  JsonRowWriter({}).Append(batch, 0, &out);
  EXPECT_EQ(out, "{}");
}

}  // namespace
}  // namespace anabranch

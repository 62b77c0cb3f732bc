// How fast rows are written as JSON, against a program that is written for these fields alone, in the same run:
//   prediction/bare   a record of about 110 bytes: text pieces, std::to_chars and memcpy into one buffer (at most 1.6)
//   echo/memcpy       a record that carries a text of 8.6 KB on: memcpy of the text (at most 3)
#include <charconv>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "engine/codec/json_writer.h"
#include "engine/testing/cells.h"

namespace anabranch::bench {
namespace {

constexpr uint32_t kRows = 256;
constexpr int kRounds = 15;
constexpr int kTurns = 10;

class Rows {
 public:
  void Add(const std::string& name, Kind kind, const std::vector<Cell>& cells) {
    fields_.push_back({name, ColumnId(batch_.columns.size()), Type::Scalar(kind)});
    batch_.columns.emplace_back();
    FillColumn(&batch_.columns.back(), Type::Scalar(kind), cells);
  }
  // Nanoseconds per row.
  double Write() const {
    const JsonRowWriter writer(fields_);
    std::string out;
    const double begin = CpuSeconds();
    for (int turn = 0; turn < kTurns; ++turn) {
      out.clear();
      for (uint32_t row = 0; row < kRows; ++row) writer.Append(batch_, row, &out);
    }
    return (CpuSeconds() - begin) * 1e9 / (kRows * kTurns);
  }
  const Column& column(size_t i) const { return batch_.columns[i]; }

 private:
  std::vector<TargetFields::Field> fields_;
  RecordBatch batch_;
};

constexpr size_t kNumbers = 784;

Rows Predictions() {
  std::vector<Cell> ids, scores, labels, amounts, counts;
  std::mt19937 random(1);
  for (uint32_t row = 0; row < kRows; ++row) {
    ids.emplace_back("pay-" + std::to_string(10'000'000 + row * 7919));
    scores.emplace_back(static_cast<double>(static_cast<float>(random() % 1'000'003) / 1'000'003));
    labels.emplace_back(row % 3 == 0 ? "suspicious" : "fine");
    amounts.emplace_back(static_cast<double>(random() % 9'999'999) / 100);
    counts.emplace_back(static_cast<int64_t>(random() % 90));
  }
  Rows rows;
  rows.Add("id", Kind::kString, ids);
  rows.Add("score", Kind::kFloat32, scores);
  rows.Add("label", Kind::kString, labels);
  rows.Add("amount", Kind::kFloat64, amounts);
  rows.Add("count", Kind::kInt64, counts);
  return rows;
}

// The same rows by hand: into one buffer that is large enough.
double WriteBare(const Rows& rows) {
  std::vector<char> out(size_t{kRows} * 256);
  const auto put = [](char* at, std::string_view text) {
    std::memcpy(at, text.data(), text.size());
    return at + text.size();
  };
  const auto number = [](char* at, auto value) { return std::to_chars(at, at + 32, value).ptr; };
  const double begin = CpuSeconds();
  for (int turn = 0; turn < kTurns; ++turn) {
    char* at = out.data();
    for (uint32_t row = 0; row < kRows; ++row) {
      at = put(put(at, R"({"id":")"), rows.column(0).values<std::string_view>()[row]);
      at = number(put(at, R"(","score":)"), rows.column(1).values<float>()[row]);
      at = put(put(at, R"(,"label":")"), rows.column(2).values<std::string_view>()[row]);
      at = number(put(at, R"(","amount":)"), rows.column(3).values<double>()[row]);
      at = put(number(put(at, R"(,"count":)"), rows.column(4).values<int64_t>()[row]), "}");
    }
    asm volatile("" : : "r"(at) : "memory");
  }
  return (CpuSeconds() - begin) * 1e9 / (kRows * kTurns);
}

std::string Digits() {
  std::mt19937 random(1);
  std::string text;
  for (size_t i = 0; i < kNumbers; ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "%.8f,", static_cast<double>(random() % 1'000'003) / 1'000'003);
    text += number;
  }
  return text;
}

double Copy(const Rows& rows) {
  std::vector<char> out(size_t{kRows} * 10'000);
  const double begin = CpuSeconds();
  for (int turn = 0; turn < kTurns; ++turn) {
    char* at = out.data();
    for (const std::string_view text : rows.column(0).values<std::string_view>()) {
      std::memcpy(at, text.data(), text.size());
      at += text.size() + 8;
    }
    asm volatile("" : : "r"(at) : "memory");
  }
  return (CpuSeconds() - begin) * 1e9 / (kRows * kTurns);
}

template <typename Base, typename Ours>
void Compare(const char* name, const char* unit, Base base, Ours ours, std::vector<double>* ratios, Report* report) {
  std::vector<double> bases, ourses;
  for (int round = -1; round < kRounds; ++round) {
    const double a = base();
    const double b = ours();
    if (round < 0) continue;
    bases.push_back(a);
    ourses.push_back(b);
    ratios->push_back(b / a);
  }
  report->Value(std::string(name) + ", bare", SpreadOf(bases), unit);
  report->Value(std::string(name) + ", ours", SpreadOf(ourses), unit);
}

int Main() {
  Report report;
  const Rows predictions = Predictions();
  std::vector<double> ratios;
  Compare(
      "prediction", "ns per record", [&] { return WriteBare(predictions); }, [&] { return predictions.Write(); },
      &ratios, &report);
  report.AtMost("prediction/bare", SpreadOf(ratios), "x the time", 1.6);
  Rows echo;
  echo.Add("dataPoint", Kind::kString, std::vector<Cell>(kRows, Digits()));
  ratios.clear();
  Compare(
      "echo of 8.6 KB", "ns per record", [&] { return Copy(echo); }, [&] { return echo.Write(); }, &ratios, &report);
  report.AtMost("echo/memcpy", SpreadOf(ratios), "x the time", 3);
  return report.Finish();
}

}  // namespace
}  // namespace anabranch::bench

int main() { return anabranch::bench::Main(); }

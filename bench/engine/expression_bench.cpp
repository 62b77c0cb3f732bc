#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/expression/expression.h"
#include "engine/testing/cells.h"

// What an expression costs per record at the usual batch of 256 rows, beside a plain loop over the same values: lines
// of "name value unit", each the median of several runs.
namespace anabranch {
namespace {

constexpr uint32_t kRows = 256;
constexpr int kRuns = 15;
constexpr int kBatches = 20'000;

template <typename Work>
double NsPerRecord(Work work) {
  std::vector<double> runs;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    for (int batch = 0; batch < kBatches; ++batch) work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    runs.push_back(took.count() / kBatches / kRows);
  }
  std::ranges::sort(runs);
  return runs[kRuns / 2];
}

struct Bench {
  Bench() {
    std::vector<Cell> x, n, s;
    for (uint32_t row = 0; row < kRows; ++row) {
      batch.AddRow(0, row, 0, "", false, "");
      x.push_back(row % 16 == 5 ? Cell() : Cell(0.5 + row));
      n.push_back(static_cast<int64_t>(row));
      s.push_back(row % 3 == 0 ? "DE" : "France");
    }
    Add("x", Kind::kFloat64, x);
    Add("y", Kind::kFloat64, x);
    Add("n", Kind::kInt64, n);
    Add("country", Kind::kString, s);
  }

  void Add(const char* name, Kind kind, const std::vector<Cell>& cells) {
    scope.Add({name, ColumnId(batch.columns.size()), Type::Scalar(kind), true, false, "source"});
    batch.columns.emplace_back();
    FillColumn(&batch.columns.back(), Type::Scalar(kind), cells);
  }

  double Measure(const char* text) {
    const auto expression = CompileExpression(text, scope).expression;
    if (expression == nullptr) return NAN;
    Evaluator evaluator;
    Column out;
    std::vector<ExpressionError> errors;
    const std::vector<uint8_t> active(kRows, 1);
    return NsPerRecord([&] { evaluator.Evaluate(*expression, batch, active, &out, &errors); });
  }

  // The least that one operation can cost: values and states of plain arrays.
  double MeasureLoop() {
    std::vector<double> out(kRows);
    std::vector<uint8_t> states(kRows);
    const double* x = batch.columns[0].values<double>().data();
    const uint8_t* valid = batch.columns[0].states().data();
    return NsPerRecord([&] {
      for (uint32_t row = 0; row < kRows; ++row) out[row] = x[row] * x[row];
      for (uint32_t row = 0; row < kRows; ++row) states[row] = valid[row] & 1;
      asm volatile("" : : "r"(out.data()), "r"(states.data()) : "memory");
    });
  }

  Scope scope;
  RecordBatch batch;
};

void Run() {
  Bench bench;
  const struct {
    const char* name;
    const char* text;
  } cases[] = {
      {"expression_add", "x + y"},
      {"expression_add_constant", "x + 1"},
      {"expression_add_int64", "n + n"},
      {"expression_chain_10", "((((x + 1) * y - 2) * 0.5 + x) * y - 3) * 0.25 + y - x"},
      {"expression_condition", "x > 50 && n < 200"},
      {"expression_log1p", "log1p(x)"},
      {"expression_string_equal", "country == 'France'"},
      {"expression_select", "n > 100 ? x : y"},
  };
  std::printf("expression_plain_loop %.3f ns/record\n", bench.MeasureLoop());
  for (const auto& one : cases) std::printf("%s %.3f ns/record\n", one.name, bench.Measure(one.text));
}

}  // namespace
}  // namespace anabranch

int main() {
  anabranch::Run();
  return 0;
}

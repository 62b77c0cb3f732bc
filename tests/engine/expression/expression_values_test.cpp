#include <gtest/gtest.h>

#include <cmath>

#include "engine/expression/expression.h"
#include "tests/engine/expression/expression_test_util.h"

namespace anabranch {
namespace {

using Cells = std::vector<Cell>;

class ExpressionValues : public testing::Test {
 protected:
  ExpressionValues() : bench(3) {
    bench.Add("i", Kind::kInt64, {7, -7, nullptr});
    bench.Add("zero", Kind::kInt64, {0, 2, 0});
    bench.Add("big", Kind::kInt64, {INT64_MAX, INT64_MIN, nullptr});
    bench.Add("f", Kind::kFloat64, {1.5, nullptr, -2.5});
    bench.Add("f32", Kind::kFloat32, {0.5, 0.25, nullptr});
    bench.Add("s", Kind::kString, {"Grün", "", nullptr});
    bench.Add("t", Kind::kTimestamp, {int64_t{1'767'225'600'000'000}, int64_t{-1}, nullptr});
    bench.Add("yes", Kind::kBool, {true, true, true});
    bench.Add("b", Kind::kBool, {true, false, nullptr});
    bench.Add("a.b", Kind::kInt64, {1, 2, 3});
    bench.Add("odd name", Kind::kInt64, {4, 5, 6});
    bench.Add("tags", Type::List(Kind::kString), {Cells{"x", "y"}, Cells{}, nullptr});
    bench.Add("nums", Type::List(Kind::kInt64), {Cells{3, 1, 2}, Cells{}, nullptr});
    bench.Add("vec", Type::Tensor(Kind::kFloat32, {3}), {Cells{1.0, 2.0, 4.5}, Cells{0.0, 0.0, 0.0}, nullptr});
    bench.Add("grid", Type::Tensor(Kind::kInt64, {2, 3}), {Cells{1, 2, 3, 4, 5, 6}, nullptr, Cells{0, 0, 0, 0, 0, 9}});
  }
  ExpressionBench bench;
};

TEST_F(ExpressionValues, ArithmeticFollowsTheTypesAndNullPropagates) {
  EXPECT_EQ(bench.Rows("i + 1"), (Cells{8, -6, nullptr}));
  EXPECT_EQ(bench.Rows("i * 2 - 3"), (Cells{11, -17, nullptr}));
  EXPECT_EQ(bench.Rows("i + f"), (Cells{8.5, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("i / 2"), (Cells{3.5, -3.5, nullptr}));
  EXPECT_EQ(bench.Rows("i % 4"), (Cells{3, -3, nullptr}));
  EXPECT_EQ(bench.Rows("f32 * 2"), (Cells{1.0, 0.5, nullptr}));
  EXPECT_EQ(bench.Rows("-f"), (Cells{-1.5, nullptr, 2.5}));
  EXPECT_EQ(bench.Rows("f % 1"), (Cells{0.5, nullptr, -0.5}));
  EXPECT_EQ(bench.Rows("2 + 3 * 4 - -1"), (Cells{15, 15, 15}));
  EXPECT_EQ(bench.Rows("(2 + 3) * 4"), (Cells{20, 20, 20}));
  EXPECT_EQ(bench.First("1e6"), Cell(1e6));
  EXPECT_EQ(bench.First(".5 + 1"), Cell(1.5));
}

TEST_F(ExpressionValues, ListsAreIndexedAndTablesAreLookedUp) {
  EXPECT_EQ(bench.Rows("['a', 'b', 'c'][zero]"), (Cells{"a", "c", "a"}));
  EXPECT_EQ(bench.Rows("[10, 20][i - 6]"), (Cells{20, nullptr, nullptr})) << "out of range is null";
  EXPECT_EQ(bench.Rows("[true, null][zero]"), (Cells{true, nullptr, true}));
  EXPECT_EQ(bench.Rows("map(s, {'Grün': 1, 'Rot': 2}, 9)"), (Cells{1, 9, nullptr}));
  EXPECT_EQ(bench.Rows("map(s, {'Grün': 'g'}, s + '!')"), (Cells{"g", "!", nullptr}));
  EXPECT_EQ(bench.Rows("map(i, {7: 1.5})"), (Cells{1.5, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("map(f, {1.5: null, 2: 1}, 3)"), (Cells{nullptr, nullptr, 3}));
  EXPECT_EQ(bench.Rows("map(b, {true: 'yes', false: 'no'}, '?')"), (Cells{"yes", "no", nullptr}));
  EXPECT_EQ(bench.First("map('b', {'a': 1, 'b': 2}, 0)"), Cell(2));
  EXPECT_EQ(bench.Rows("one_hot(s, ['', 'Grün'])"), (Cells{Cells{0.0, 1.0}, Cells{1.0, 0.0}, nullptr}));
  EXPECT_EQ(bench.Rows("one_hot(i, [1, 2, 3])"), (Cells{Cells{0.0, 0.0, 0.0}, Cells{0.0, 0.0, 0.0}, nullptr}));
  EXPECT_EQ(bench.Rows("bucket(f, [-2.5, 0, 1.5])"), (Cells{3, nullptr, 1}));
  EXPECT_EQ(bench.Rows("bucket(zero, [1])"), (Cells{0, 1, 0}));
  EXPECT_EQ(bench.First("bucket(0 / 0, [1, 2])"), Cell(2));
  EXPECT_EQ(bench.First("1.0 in [0/0, 1, 2]"), Cell(true));
}

TEST_F(ExpressionValues, DivisionFollowsIeee) {
  EXPECT_EQ(bench.First("1 / 0"), Cell(INFINITY));
  EXPECT_EQ(bench.First("0 / 0"), Cell(NAN));
  EXPECT_EQ(bench.First("log(-1)"), Cell(NAN));
  EXPECT_EQ(bench.First("log(0)"), Cell(-INFINITY));
  EXPECT_EQ(bench.First("sqrt(-1)"), Cell(NAN));
}

TEST_F(ExpressionValues, OverflowAndDivisionByZeroAreErrorsOfTheirRowsOnly) {
  EXPECT_EQ(bench.Rows("big + 1"), (Cells{nullptr, INT64_MIN + 1, nullptr}));
  EXPECT_EQ(bench.ErrorText(), "0:integer overflow;");
  bench.Rows("big - 1");
  EXPECT_EQ(bench.ErrorText(), "1:integer overflow;");
  bench.Rows("big * 2");
  EXPECT_EQ(bench.ErrorText(), "0:integer overflow;1:integer overflow;");
  bench.Rows("-big");
  EXPECT_EQ(bench.ErrorText(), "1:integer overflow;");
  bench.Rows("abs(big)");
  EXPECT_EQ(bench.ErrorText(), "1:integer overflow;");
  EXPECT_EQ(bench.Rows("i % zero"), (Cells{nullptr, -1, nullptr}));
  EXPECT_EQ(bench.ErrorText(), "0:division by zero;");
  bench.Rows("f % 0.0");
  EXPECT_EQ(bench.ErrorText(), "0:division by zero;2:division by zero;");
  EXPECT_EQ(bench.Rows("big % -1"), (Cells{0, 0, nullptr}));
  EXPECT_EQ(bench.ErrorText(), "");
  bench.Rows("int(float(big) * 2)");
  EXPECT_EQ(bench.ErrorText(), "0:number out of the range of int64;1:number out of the range of int64;");
}

TEST_F(ExpressionValues, OneErrorPerRowTheFirst) {
  bench.Rows("big * 2 + i % 0");
  EXPECT_EQ(bench.ErrorText(), "0:integer overflow;1:integer overflow;");
}

TEST_F(ExpressionValues, InactiveRowsRaiseNoErrors) {
  bench.active()[0] = 0;
  bench.Rows("big + 1");
  EXPECT_EQ(bench.ErrorText(), "");
  bench.Rows("zero != 5 ? 1 % zero : 0");
  EXPECT_EQ(bench.ErrorText(), "2:division by zero;");
}

TEST_F(ExpressionValues, SidesThatDoNotDecideRaiseNoErrors) {
  EXPECT_EQ(bench.Rows("zero != 0 ? 10 % zero : -1"), (Cells{-1, 0, -1}));
  EXPECT_EQ(bench.ErrorText(), "");
  EXPECT_EQ(bench.Rows("zero != 0 && 10 % zero == 0"), (Cells{false, true, false}));
  EXPECT_EQ(bench.ErrorText(), "");
  EXPECT_EQ(bench.Rows("zero == 0 || 10 % zero == 1"), (Cells{true, false, true}));
  EXPECT_EQ(bench.ErrorText(), "");
  EXPECT_EQ(bench.Rows("coalesce(i, 1 % (zero - zero))"), (Cells{7, -7, nullptr}));
  EXPECT_EQ(bench.ErrorText(), "2:division by zero;");
  EXPECT_EQ(bench.Rows("zero != 0 ? (i > 0 ? 1 % zero : 10 % zero) : -1"), (Cells{-1, 0, -1}));
  EXPECT_EQ(bench.ErrorText(), "");
}

TEST_F(ExpressionValues, LogicHasThreeValues) {
  EXPECT_EQ(bench.Rows("b && yes"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("b && false"), (Cells{false, false, false}));
  EXPECT_EQ(bench.Rows("b || true"), (Cells{true, true, true}));
  EXPECT_EQ(bench.Rows("b || false"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("!b"), (Cells{false, true, nullptr}));
  EXPECT_EQ(bench.Rows("b ? 'y' : 'n'"), (Cells{"y", "n", "n"})) << "a null condition is not true";
  EXPECT_EQ(bench.Rows("b ? i : null"), (Cells{7, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("is_null(i)"), (Cells{false, false, true}));
  EXPECT_EQ(bench.Rows("coalesce(f, i, 0)"), (Cells{1.5, -7.0, -2.5}));
  EXPECT_EQ(bench.Rows("coalesce(s, '?')"), (Cells{"Grün", "", "?"}));
}

TEST_F(ExpressionValues, ComparisonsWorkPerType) {
  EXPECT_EQ(bench.Rows("i > 0"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("i == 7.0"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("s == \"Gr\\u00fcn\""), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("s < 'H'"), (Cells{true, true, nullptr}));
  EXPECT_EQ(bench.Rows("b != true"), (Cells{false, true, nullptr}));
  EXPECT_EQ(bench.Rows("t >= timestamp('2026-01-01T00:00:00Z')"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.First("0/0 == 0/0"), Cell(false));
  EXPECT_EQ(bench.First("0/0 != 0/0"), Cell(true));
}

TEST_F(ExpressionValues, InLooksIntoSetsListsAndTensors) {
  EXPECT_EQ(bench.Rows("i in [1, 7]"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("i in [-7.0, 1.5]"), (Cells{false, true, nullptr}));
  EXPECT_EQ(bench.Rows("s in ['', 'x']"), (Cells{false, true, nullptr}));
  EXPECT_EQ(bench.Rows("s in ['a','b','c','d','e','f','g','h','i','Grün']"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.First("9007199254740993 in [9007199254740992]"), Cell(false)) << "integers compare as integers";
  EXPECT_EQ(bench.Rows("'x' in tags"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("2 in nums"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("4.5 in vec"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("!(i in [7])"), (Cells{false, true, nullptr}));
}

TEST_F(ExpressionValues, IndicesOutOfRangeAreNull) {
  EXPECT_EQ(bench.Rows("tags[1]"), (Cells{"y", nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("tags[-1]"), (Cells{nullptr, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("vec[2]"), (Cells{4.5, 0.0, nullptr}));
  EXPECT_EQ(bench.Rows("vec[3]"), (Cells{nullptr, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("grid[1][2]"), (Cells{6, nullptr, 9}));
  EXPECT_EQ(bench.Rows("grid[0][i - 6]"), (Cells{2, nullptr, nullptr}));
}

TEST_F(ExpressionValues, ReductionsWorkOnListsAndTensors) {
  EXPECT_EQ(bench.Rows("sum(nums)"), (Cells{6, 0, nullptr}));
  EXPECT_EQ(bench.Rows("mean(nums)"), (Cells{2.0, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("min(nums)"), (Cells{1, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("max(vec)"), (Cells{4.5, 0.0, nullptr}));
  EXPECT_EQ(bench.Rows("sum(vec)"), (Cells{7.5, 0.0, nullptr}));
  EXPECT_EQ(bench.Rows("length(tags)"), (Cells{2, 0, nullptr}));
  EXPECT_EQ(bench.Rows("length(grid)"), (Cells{6, nullptr, 6}));
}

TEST_F(ExpressionValues, NamesMayBePathsOrQuoted) {
  EXPECT_EQ(bench.Rows("a.b + `odd name`"), (Cells{5, 7, 9}));
  EXPECT_EQ(bench.Rows("tags"), (Cells{Cells{"x", "y"}, Cells{}, nullptr}));
  EXPECT_EQ(bench.Rows("grid"), (Cells{Cells{1, 2, 3, 4, 5, 6}, nullptr, Cells{0, 0, 0, 0, 0, 9}}));
  EXPECT_EQ(bench.Rows("f32"), (Cells{0.5, 0.25, nullptr}));
  EXPECT_EQ(bench.Rows("'c'"), (Cells{"c", "c", "c"}));
}

TEST_F(ExpressionValues, MathsFunctions) {
  EXPECT_EQ(bench.Rows("abs(i)"), (Cells{7, 7, nullptr}));
  EXPECT_EQ(bench.Rows("round(f)"), (Cells{2.0, nullptr, -3.0}));
  EXPECT_EQ(bench.Rows("floor(f)"), (Cells{1.0, nullptr, -3.0}));
  EXPECT_EQ(bench.Rows("ceil(f)"), (Cells{2.0, nullptr, -2.0}));
  EXPECT_EQ(bench.Rows("min(i, f, 3)"), (Cells{1.5, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("max(i, 3)"), (Cells{7, 3, nullptr}));
  EXPECT_EQ(bench.Rows("clamp(i, -1, 5)"), (Cells{5, -1, nullptr}));
  EXPECT_EQ(bench.First("max(0/0, 1)"), Cell(NAN));
  EXPECT_EQ(bench.First("min(1, 0/0)"), Cell(NAN));
  EXPECT_EQ(bench.Rows("log1p(f32)"), (Cells{std::log1p(0.5), std::log1p(0.25), nullptr}));
  EXPECT_EQ(bench.First("pow(2, 10)"), Cell(1024.0));
  EXPECT_EQ(bench.First("sigmoid(0)"), Cell(0.5));
  EXPECT_EQ(bench.First("sigmoid(-1000)"), Cell(0.0));
  EXPECT_EQ(bench.First("tanh(0) + sin(0) + cos(0) + exp(0) + expm1(0) + log10(100) + log(1) + sqrt(4)"), Cell(6.0));
  EXPECT_EQ(bench.First("is_nan(0/0)"), Cell(true));
  EXPECT_EQ(bench.Rows("is_finite(1 / f)"), (Cells{true, nullptr, true}));
}

TEST_F(ExpressionValues, ConversionsAreExplicit) {
  EXPECT_EQ(bench.Rows("int(f)"), (Cells{1, nullptr, -2}));
  EXPECT_EQ(bench.Rows("float(i)"), (Cells{7.0, -7.0, nullptr}));
  EXPECT_EQ(bench.Rows("int(b) + int(yes)"), (Cells{2, 1, nullptr}));
  EXPECT_EQ(bench.Rows("string(f)"), (Cells{"1.5", nullptr, "-2.5"}));
  EXPECT_EQ(bench.Rows("string(i) + string(b)"), (Cells{"7true", "-7false", nullptr}));
  EXPECT_EQ(bench.First("string(t)"), Cell("2026-01-01T00:00:00Z"));
  EXPECT_EQ(bench.First("float('2.5')"), Cell(2.5));
  EXPECT_EQ(bench.First("float('2.5x')"), Cell(nullptr));
  EXPECT_EQ(bench.First("int('12')"), Cell(12));
  EXPECT_EQ(bench.Rows("int(s)"), (Cells{nullptr, nullptr, nullptr}));
}

TEST_F(ExpressionValues, StringFunctionsCountCodePoints) {
  EXPECT_EQ(bench.Rows("length(s)"), (Cells{4, 0, nullptr}));
  EXPECT_EQ(bench.Rows("substr(s, 2)"), (Cells{"ün", "", nullptr}));
  EXPECT_EQ(bench.Rows("substr(s, -2, 1)"), (Cells{"ü", "", nullptr}));
  EXPECT_EQ(bench.Rows("substr(s, 9, 1)"), (Cells{"", "", nullptr}));
  EXPECT_EQ(bench.Rows("substr(s, 0, -1)"), (Cells{"", "", nullptr}));
  EXPECT_EQ(bench.Rows("lower(s) + '/' + upper(s)"), (Cells{"grün/GRüN", "/", nullptr}));
  EXPECT_EQ(bench.First("trim(' \t x y\\n')"), Cell("x y"));
  EXPECT_EQ(bench.Rows("starts_with(s, 'G')"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("ends_with(s, 'n')"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("contains(s, 'rü')"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("matches(s, '^G.*n$')"), (Cells{true, false, nullptr}));
  EXPECT_EQ(bench.Rows("replace(s, 'r', '--')"), (Cells{"G--ün", "", nullptr}));
  EXPECT_EQ(bench.Rows("replace(s, '', 'x')"), (Cells{"Grün", "", nullptr}));
  EXPECT_EQ(bench.Rows("concat(s, '|', s)"), (Cells{"Grün|Grün", "|", nullptr}));
  EXPECT_EQ(bench.Rows("substr(lower(s + 'ABC'), 4)"), (Cells{"abc", "", nullptr}));
}

TEST_F(ExpressionValues, TimeFunctionsAreUtc) {
  EXPECT_EQ(bench.Rows("year(t)"), (Cells{2026, 1969, nullptr}));
  EXPECT_EQ(bench.Rows("month(t) * 100 + day(t)"), (Cells{101, 1231, nullptr}));
  EXPECT_EQ(bench.Rows("hour(t) * 10000 + minute(t) * 100 + second(t)"), (Cells{0, 235959, nullptr}));
  EXPECT_EQ(bench.Rows("weekday(t)"), (Cells{4, 3, nullptr}));
  EXPECT_EQ(bench.Rows("epoch_ms(t)"), (Cells{int64_t{1'767'225'600'000}, -1, nullptr}));
  EXPECT_EQ(bench.First("day(timestamp('2024-02-29T12:00:00Z'))"), Cell(29));
  EXPECT_EQ(bench.First("t - timestamp('2025-12-31T23:59:58.5Z')"), Cell(1.5));
  EXPECT_EQ(bench.First("string(t + 86400)"), Cell("2026-01-02T00:00:00Z"));
  EXPECT_EQ(bench.First("string(t - 0.5)"), Cell("2025-12-31T23:59:59.5Z"));
  bench.Rows("t + 1e300");
  EXPECT_EQ(bench.ErrorText(), "0:integer overflow;1:integer overflow;");
}

TEST_F(ExpressionValues, MetadataComesFromTheRecord) {
  EXPECT_EQ(bench.Rows("key()"), (Cells{"k", nullptr, nullptr}));
  EXPECT_EQ(bench.First("header('trace')"), Cell("t"));
  EXPECT_EQ(bench.First("header('none')"), Cell(nullptr));
  EXPECT_EQ(bench.Rows("epoch_ms(event_time())"), (Cells{int64_t{1'700'000'000'123}, nullptr, nullptr}));
  EXPECT_EQ(bench.Rows("position()"), (Cells{"in/3/100", "in/3/101", "in/3/102"}));
}

TEST_F(ExpressionValues, HashIsStableAndNotNegative) {
  EXPECT_EQ(bench.First("hash('card-1')"), bench.First("hash(concat('card', '-1'))"));
  EXPECT_EQ(bench.First("hash('')"), Cell(int64_t{0x2d06800538d394c2}));
  EXPECT_EQ(bench.First("hash(0.0) == hash(-0.0)"), Cell(true));
  EXPECT_EQ(bench.First("hash(i) >= 0 && hash(s) >= 0 && hash(b) >= 0 && hash(t) >= 0"), Cell(true));
}

TEST_F(ExpressionValues, ColumnsThatTheBatchDoesNotHaveReadAsNull) {
  const CompiledExpression compiled = bench.Compile("is_null(i) || sum(nums) > 0");
  RecordBatch other;
  other.AddRow(0, 0, 0, "", false, "");
  Evaluator evaluator;
  Column out;
  std::vector<ExpressionError> errors;
  const uint8_t active = 1;
  evaluator.Evaluate(*compiled.expression, other, {&active, 1}, &out, &errors);
  EXPECT_EQ(ReadCells(out), (Cells{true}));
}

TEST_F(ExpressionValues, ResultsOutliveTheNextEvaluation) {
  Evaluator evaluator;
  Column first, second;
  std::vector<ExpressionError> errors;
  const auto one = bench.Compile("substr(lower(s + 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'), 1)").expression;
  const auto two = bench.Compile("upper(s + 'zyxwvutsrqponmlkjihgfedcba0123456789')").expression;
  evaluator.Evaluate(*one, bench.batch(), bench.active(), &first, &errors);
  evaluator.Evaluate(*two, bench.batch(), bench.active(), &second, &errors);
  EXPECT_EQ(ReadCell(first, 0), Cell("rünabcdefghijklmnopqrstuvwxyz"));
}

TEST_F(ExpressionValues, NoRowsAreNoWork) {
  const auto compiled = bench.Compile("i + 1").expression;
  RecordBatch empty;
  Evaluator evaluator;
  Column out;
  std::vector<ExpressionError> errors;
  evaluator.Evaluate(*compiled, empty, {}, &out, &errors);
  EXPECT_EQ(out.rows(), 0u);
}

TEST(ExpressionNumbers, TextBecomesATensorAndNullStaysNull) {
  ExpressionBench bench(4);
  bench.Add("s", Kind::kString, {"1,2.5,-3e2", " 0 ,\t.5 , +5., ", "0.1,1e-400,-0.0", nullptr});
  EXPECT_EQ(bench.Check("numbers(s, 3)"), "tensor<float64>[3]");
  EXPECT_EQ(bench.Rows("numbers(s, 3)"),
            (Cells{Cells{1.0, 2.5, -300.0}, Cells{0.0, 0.5, 5.0}, Cells{0.1, 0.0, -0.0}, nullptr}));
  EXPECT_EQ(bench.ErrorText(), "");
  EXPECT_EQ(bench.Rows("sum(numbers(s, 3)) + numbers(s, 3)[1]"), (Cells{-294.0, 6.0, 0.1, nullptr}));
  EXPECT_EQ(bench.First("numbers('4,5', 2)"), Cell(Cells{4.0, 5.0}));
  EXPECT_EQ(bench.First("numbers(substr(s, 0, 1), 1)"), Cell(Cells{1.0})) << "bytes behind the part are not read";
}

TEST(ExpressionNumbers, TextThatDoesNotFitIsAnErrorOfItsRowThatSaysWhereAndWhat) {
  ExpressionBench bench(1);
  const auto error = [&bench](const char* text) {
    bench.Add(std::string("s") + std::to_string(bench.scope().columns().size()), Kind::kString, {text});
    const std::vector<Cell> rows = bench.Rows("numbers(" + bench.scope().columns().back().name + ", 3)");
    EXPECT_EQ(rows[0], Cell(nullptr)) << text;
    return bench.ErrorText();
  };
  const std::string few = " of 3 numbers; expected all of them, separated by commas;";
  EXPECT_EQ(error("1, 2"), "0:the text ends after 2" + few);
  EXPECT_EQ(error("1, 2,"), "0:the text ends after 2" + few);
  EXPECT_EQ(error(""), "0:the text ends after 0" + few);
  const std::string many = " after 3 numbers; expected its end;";
  EXPECT_EQ(error("1,2,3,4"), "0:the text goes on with \"4\"" + many);
  EXPECT_EQ(error("1,2,3, 4 ,5"), "0:the text goes on with \"4\"" + many);
  EXPECT_EQ(error("1,2,3,,"), "0:the text goes on with \"\"" + many);
  const std::string none = "; expected a decimal number such as -1.5 or 2e3, separated by commas;";
  EXPECT_EQ(error("1, two ,3"), "0:number 2 of 3 is \"two\"" + none);
  EXPECT_EQ(error("1,2,3x"), "0:number 3 of 3 is \"3x\"" + none);
  EXPECT_EQ(error("1,,3"), "0:number 2 of 3 is \"\"" + none);
  EXPECT_EQ(error(",1,2,3"), "0:number 1 of 3 is \"\"" + none);
  EXPECT_EQ(error("1 2 3"), "0:number 1 of 3 is \"1 2 3\"" + none);
  EXPECT_EQ(error("1;2;3"), "0:number 1 of 3 is \"1;2;3\"" + none);
  EXPECT_EQ(error("inf,2,3"), "0:number 1 of 3 is \"inf\"" + none);
  EXPECT_EQ(error("1,nan,3"), "0:number 2 of 3 is \"nan\"" + none);
  EXPECT_EQ(error("0x1,2,3"), "0:number 1 of 3 is \"0x1\"" + none);
  EXPECT_EQ(error("1,2e,3"), "0:number 2 of 3 is \"2e\"" + none);
  EXPECT_EQ(error("1,+-2,3"), "0:number 2 of 3 is \"+-2\"" + none);
  EXPECT_EQ(error("1,.,3"), "0:number 2 of 3 is \".\"" + none);
  EXPECT_EQ(error("1,2,3\n"), "0:number 3 of 3 is \"3\n\"" + none);
  EXPECT_EQ(error("1,2,1e999"), "0:number 3 of 3 is \"1e999\", too large for float64;");
}

TEST(ExpressionNumbers, RowsThatAreNotWantedRaiseNoErrors) {
  ExpressionBench bench(2);
  bench.Add("s", Kind::kString, {"1,2", "none"});
  EXPECT_EQ(bench.Rows("s != 'none' && numbers(s, 2)[1] > 1"), (Cells{true, false}));
  EXPECT_EQ(bench.ErrorText(), "");
  bench.active()[1] = 0;
  bench.Rows("numbers(s, 2)");
  EXPECT_EQ(bench.ErrorText(), "");
}

}  // namespace
}  // namespace anabranch

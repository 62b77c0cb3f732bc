#include <gtest/gtest.h>

#include "engine/expression/expression.h"
#include "engine/testing/config_builder.h"
#include "tests/engine/expression/expression_test_util.h"

namespace anabranch {
namespace {

class ExpressionFaults : public testing::Test {
 protected:
  ExpressionFaults() : bench(1) {
    bench.Add("amount", Kind::kFloat64, {1.0}, false);
    bench.Add("count", Kind::kInt64, {1}, false);
    bench.Add("country", Kind::kString, {"DE"});
    bench.Add("home", Kind::kString, {"DE"});
    bench.Add("flag", Kind::kBool, {true});
    bench.Add("at", Kind::kTimestamp, {0});
    bench.Add("tags", Type::List(Kind::kString), {nullptr});
    bench.Add("grid", Type::Tensor(Kind::kFloat32, {2, 2}), {nullptr});
    bench.Add("broken", UnknownType(), {nullptr});
  }
  std::string Check(const std::string& text) { return bench.Check(text); }
  ExpressionBench bench;
};

TEST_F(ExpressionFaults, SoundExpressionsHaveTheirTypes) {
  EXPECT_EQ(Check("log1p(amount)"), "float64");
  EXPECT_EQ(Check("country == home"), "bool");
  EXPECT_EQ(Check("count + 1"), "int64");
  EXPECT_EQ(Check("at + 1"), "timestamp");
  EXPECT_EQ(Check("at - at"), "float64");
  EXPECT_EQ(Check("grid[0][1]"), "float64");
  EXPECT_EQ(Check("tags"), "list<string>");
}

TEST_F(ExpressionFaults, UnknownColumnsAreAllReportedAtTheirPlaces) {
  EXPECT_EQ(Check("amout + contry"),
            "203@0+5: column \"amout\" is not known here (did you mean \"amount\"?); "
            "203@8+6: column \"contry\" is not known here (did you mean \"country\"?)");
  EXPECT_EQ(Check("key == 'a'"), "203@0+3: column \"key\" is not known here (\"key\" is a function: write key(…))");
}

TEST_F(ExpressionFaults, UnknownFunctionsAreReportedWithWhatIsNear) {
  EXPECT_EQ(Check("logp1(amount)"), "303@0+5: function \"logp1\" is not known (did you mean \"log1p\"?)");
  EXPECT_NE(Check("logp1(amout)").find("203@6+5"), std::string::npos) << "faults of the arguments come too";
}

TEST_F(ExpressionFaults, WrongArgumentsNameWhatIsTaken) {
  EXPECT_EQ(Check("lower(amount)"), "303@0+5: lower takes (string), not (float64)");
  EXPECT_EQ(Check("substr(country)"), "303@0+6: substr takes (string, int64) or (string, int64, int64), not (string)");
  EXPECT_EQ(Check("min(country, 1)"),
            "303@0+3: min takes one list, or two or more numbers or timestamps, not (string, int64)");
  EXPECT_EQ(Check("header(country)"),
            "303@0+6: header takes the name of the header, written as a string, not (string)");
  EXPECT_EQ(Check("sum(tags)"), "303@0+3: sum takes a list or tensor of numbers, not (list<string>)");
  EXPECT_EQ(Check("clamp(1, 2)"), "303@0+5: clamp takes three numbers or three timestamps, not (int64, int64)");
  EXPECT_EQ(Check("is_null()"), "303@0+7: is_null takes one value, not ()");
}

TEST_F(ExpressionFaults, WordsAndSignsOfOtherLanguagesAreNamed) {
  EXPECT_EQ(Check("flag and not flag"),
            "301@5+3: \"and\" is not an operator of this language (write &&); "
            "301@9+3: \"not\" is not an operator of this language (write !)");
  EXPECT_EQ(Check("count = 1"), "301@6+1: \"=\" is not an operator of this language (write ==)");
  EXPECT_EQ(Check("count <> 1"), "301@6+2: \"<>\" is not an operator of this language (write !=)");
  EXPECT_EQ(Check("amount ** 2"), "301@7+2: \"**\" is not an operator of this language (write pow(x, y))");
  EXPECT_EQ(Check("flag & contry == ''").substr(0, 7), "301@5+1") << "reading goes on behind it";
  EXPECT_NE(Check("flag & contry == ''").find("203@7+6"), std::string::npos);
}

TEST_F(ExpressionFaults, NullIsComparedWithIsNull) {
  EXPECT_EQ(Check("country == null"),
            "302@8+2: null has no type here: it is only allowed in coalesce() and as a side of ?: (write is_null(x))");
  EXPECT_EQ(Check("country != null").substr(Check("country != null").rfind("(write")), "(write !is_null(x))");
  EXPECT_EQ(Check("null"), "302@0+4: null alone has no type (remove the entry)");
}

TEST_F(ExpressionFaults, TypesAreNeverConvertedSilently) {
  EXPECT_EQ(Check("country + count"),
            "302@8+1: operator + needs two numbers or two strings, not string and int64 "
            "(convert with float(x), int(x) or string(x))");
  EXPECT_EQ(Check("country == 1"),
            "302@8+2: operator == cannot compare string with int64 (convert with float(x), int(x) or string(x))");
  EXPECT_EQ(Check("at > '2026-01-01T00:00:00Z'"),
            "302@3+1: operator > cannot compare timestamp with string (write timestamp('2026-01-01T00:00:00Z'))");
  EXPECT_EQ(Check("1 < count < 3").substr(0, 9), "302@10+1:");
  EXPECT_EQ(Check("count && flag"), "302@6+2: operator && needs bool on both sides, not int64");
  EXPECT_EQ(Check("count ? 1 : 2"), "302@6+1: the condition of ?: must be bool, not int64");
  EXPECT_EQ(Check("flag ? 1 : 'x'"), "302@5+1: both sides of ?: need the same scalar type, not int64 and string");
  EXPECT_EQ(Check("count in ['a']"), "302@6+2: operator in needs the same type on both sides, not int64 in [string]");
  EXPECT_EQ(Check("flag < true"), "302@5+1: operator < does not order bool");
  EXPECT_EQ(Check("-country"), "302@0+1: operator - needs a number, not string");
  EXPECT_EQ(Check("timestamp('yesterday')"),
            "302@10+11: \"yesterday\" is not a timestamp (write it as '2026-01-01T00:00:00Z')");
}

TEST_F(ExpressionFaults, IndicesMustFitTheirType) {
  EXPECT_EQ(Check("grid[0]"), "302@4+1: tensor<float32>[2,2] needs 2 indices, not 1");
  EXPECT_EQ(Check("count[0]"), "302@5+1: int64 has no elements to index");
  EXPECT_EQ(Check("tags[0.5]"), "302@4+1: an index must be int64, not float64 (write int(x))");
}

TEST_F(ExpressionFaults, BadPatternsAreReportedAtThePattern) {
  EXPECT_EQ(Check("matches(country, '(')").substr(0, 8), "304@17+3");
}

TEST_F(ExpressionFaults, WhatCannotBeReadIsOneFault) {
  EXPECT_EQ(Check(""), "301@0+0: the expression ends, but a value is expected");
  EXPECT_EQ(Check("amount +"), "301@8+0: the expression ends, but a value is expected");
  EXPECT_EQ(Check("(amount"), "301@7+0: the expression ends, but \")\" is expected");
  EXPECT_EQ(Check("amount count"), "301@7+5: \"count\" is found where an operator or the end is expected");
  EXPECT_EQ(Check("'open"), "301@0+5: a string is not closed (close it with a quote)");
  EXPECT_EQ(Check("amount # 1"), "301@7+1: unexpected character \"#\"");
  EXPECT_EQ(Check("99999999999999999999").substr(0, 5), "301@0");
  EXPECT_EQ(Check("['a']"),
            "302@0+1: a list of values is only allowed after \"in\", before an index, and in one_hot and bucket "
            "(write x in ['a', 'b'], or ['a', 'b'][x])");
  EXPECT_EQ(Check("amount # 1 ~"), "301@7+1: unexpected character \"#\"; 301@11+1: unexpected character \"~\"");
  EXPECT_EQ(Check("lower('a\\q')"), "301@8+2: unknown escape in a string (known: \\n \\t \\r \\\\ \\' \\\" \\uXXXX)");
}

TEST_F(ExpressionFaults, AllFaultsOfOneTextComeAtOnce) {
  EXPECT_EQ(Check("ln(amount) + sqr(count) ** 2"),
            "303@0+2: function \"ln\" is not known (write log(x)); "
            "303@13+3: function \"sqr\" is not known (write x * x); "
            "301@24+2: \"**\" is not an operator of this language (write pow(x, y))");
  EXPECT_EQ(Check("amout + ) ln(count"),
            "203@0+5: column \"amout\" is not known here (did you mean \"amount\"?); "
            "301@8+1: \")\" is found where a value is expected");
  EXPECT_EQ(Check("(contry + lower(amount)"),
            "203@1+6: column \"contry\" is not known here (did you mean \"country\"?); "
            "303@10+5: lower takes (string), not (float64); "
            "301@23+0: the expression ends, but \")\" is expected");
  EXPECT_EQ(Check("amount, amout"),
            "301@6+1: \",\" is found where an operator or the end is expected; "
            "203@8+5: column \"amout\" is not known here (did you mean \"amount\"?)");
  EXPECT_EQ(Check("99999999999999999999 + amout").substr(0, 7), "301@0+2");
  EXPECT_NE(Check("99999999999999999999 + amout").find("203@23+5"), std::string::npos);
}

TEST_F(ExpressionFaults, ChoicesOfOtherLanguagesAreNamed) {
  const std::string cure = "(write condition ? value : other value)";
  EXPECT_EQ(Check("if(flag, 1, 2)"), "303@0+2: function \"if\" is not known " + cure);
  EXPECT_EQ(Check("1 if flag else 2"), "301@2+2: \"if\" is not an operator of this language " + cure);
  EXPECT_EQ(Check("if flag then 1 else 2"), "301@0+2: \"if\" is not an operator of this language " + cure);
  EXPECT_EQ(Check("now()").substr(0, 61), "303@0+3: function \"now\" is not known (write event_time(): the");
  EXPECT_EQ(Check("std(tags)").find("did you mean"), std::string::npos);
  EXPECT_EQ(Check("xyz(1)"), "303@0+3: function \"xyz\" is not known (`anabranch explain functions` lists them)");
}

TEST_F(ExpressionFaults, ListsAndTablesSayWhatTheyNeed) {
  EXPECT_EQ(Check("['a', 'b'][count]"), "string");
  EXPECT_EQ(Check("[1, 2.5][count]"), "float64");
  EXPECT_EQ(Check("map(country, {'DE': 1, 'FR': 2}, 0)"), "int64");
  EXPECT_EQ(Check("map(country, {'DE': 1, 'FR': 2.5,})"), "float64");
  EXPECT_EQ(Check("map(country, {'DE': 'D'}, country)"), "string");
  EXPECT_EQ(Check("one_hot(country, ['DE', 'FR'])"), "tensor<float64>[2]");
  EXPECT_EQ(Check("bucket(count, [1, 2.5])"), "int64");
  EXPECT_EQ(Check("['a', 'b'][amount]"), "302@10+1: an index must be int64, not float64 (write int(x))");
  EXPECT_EQ(Check("['a', 1][count]"), "302@0+1: the values of a list must have the same type: string, int64");
  EXPECT_EQ(Check("['a', country][count]"),
            "302@6+7: a list can only hold fixed values (compare with ==, or write condition ? a : b)");
  EXPECT_EQ(Check("map(country, 1)"),
            "303@0+3: map takes a value, a table and an optional default (write map(size, {'S': 1, 'M': 2}, 0))");
  EXPECT_EQ(Check("map(count, {'DE': 1})"),
            "302@0+3: map needs the same type for the value and the keys, not int64, string");
  EXPECT_EQ(Check("map(country, {'DE': 1, 'FR': 'x'})"),
            "302@0+3: the results of map must have the same type, not int64, string");
  EXPECT_EQ(Check("map(country, {'DE': 1, 'DE': 2})"), "302@23+4: this value is in the list twice");
  EXPECT_EQ(Check("one_hot(count, [1, 1])"), "302@19+1: this value is in the list twice");
  EXPECT_EQ(Check("one_hot(country)"),
            "303@0+7: one_hot takes a value and the list of known values (write one_hot(country, ['DE', 'FR']))");
  EXPECT_EQ(Check("bucket(amount, [2, 1])"), "302@19+1: each edge of bucket must be above the one before it");
  EXPECT_EQ(Check("bucket(country, [1])"), "302@0+6: bucket compares numbers, not string");
  EXPECT_EQ(Check("{'a': 1}"), "302@0+1: a table is only allowed in map (write map(x, {'a': 1}, 0))");
  EXPECT_EQ(Check("map(contry, {'DE': sqr(1)})"),
            "203@4+6: column \"contry\" is not known here (did you mean \"country\"?); "
            "303@19+3: function \"sqr\" is not known (write x * x)");
}

TEST_F(ExpressionFaults, FaultsOfAColumnsMakerAreNotRepeated) {
  const CompiledExpression compiled = bench.Compile("lower(broken) == 'a' && broken[0] > 1");
  EXPECT_TRUE(compiled.faults.empty());
  EXPECT_EQ(compiled.expression, nullptr);
  ASSERT_TRUE(compiled.likely_type.has_value());
  EXPECT_EQ(compiled.likely_type->kind, Kind::kBool);
}

TEST_F(ExpressionFaults, DepthAndSizeAreLimited) {
  EXPECT_NE(Check(std::string(300, '(') + "1" + std::string(300, ')')).find("nested deeper"), std::string::npos);
  EXPECT_NE(Check(std::string(100'000, '-') + "1").find("longer than"), std::string::npos);
  EXPECT_NE(Check(std::string(300, '!') + "flag").find("nested deeper"), std::string::npos);
  std::string sum = "count";
  for (int i = 0; i < 900; ++i) sum += "+count";
  EXPECT_EQ(Check(sum), "int64");
  for (int i = 0; i < 900; ++i) sum += "+count";
  EXPECT_NE(Check(sum).find("more than 2000 parts"), std::string::npos);
}

TEST_F(ExpressionFaults, NumbersNeedsTextAndAWrittenCount) {
  const std::string wanted =
      "303@0+7: numbers takes a string and the number of its values, written as an integer, not ";
  EXPECT_EQ(Check("numbers(country, 784)"), "tensor<float64>[784]");
  EXPECT_EQ(Check("numbers(country)"), wanted + "(string)");
  EXPECT_EQ(Check("numbers(amount, 3)"), wanted + "(float64, int64)");
  EXPECT_EQ(Check("numbers(country, count)"), wanted + "(string, int64)");
  EXPECT_EQ(Check("numbers(country, 3.0)"), wanted + "(string, float64)");
  EXPECT_EQ(Check("numbers(country, 0)"), "303@17+1: numbers makes 1 to 1000000 numbers, not 0");
  EXPECT_EQ(Check("numbers(country, 1000001)"), "303@17+7: numbers makes 1 to 1000000 numbers, not 1000001");
}

TEST_F(ExpressionFaults, NullabilityIsKnown) {
  const auto nullable = [this](const char* text) { return bench.Compile(text).expression->nullable; };
  EXPECT_FALSE(nullable("amount + count"));
  EXPECT_TRUE(nullable("country"));
  EXPECT_FALSE(nullable("coalesce(country, 'x')"));
  EXPECT_FALSE(nullable("is_null(country)"));
  EXPECT_TRUE(nullable("key()"));
  EXPECT_TRUE(nullable("numbers(country, 2)"));
  EXPECT_FALSE(nullable("country == home ? 1 : 2")) << "a null condition takes the else side";
  EXPECT_TRUE(nullable("flag ? 1 : null"));
  EXPECT_TRUE(nullable("['a'][count]"));
  EXPECT_TRUE(nullable("map(count, {1: 2})"));
  EXPECT_FALSE(nullable("map(count, {1: 2}, 0)"));
  EXPECT_TRUE(nullable("map(country, {'DE': 2}, 0)")) << "null gives null";
  EXPECT_FALSE(nullable("bucket(amount, [1])"));
}

TEST_F(ExpressionFaults, ReadsAreSortedAndUnique) {
  EXPECT_EQ(bench.Compile("count + amount * count").expression->reads, (std::vector<ColumnId>{0, 1}));
}

TEST_F(ExpressionFaults, ConditionsMustBeBool) {
  FaultSink faults("t.json");
  const auto config = LinkConfig(ConfigObject({{"where", "count + 1"}, {"rule", "flag && contry == 'x'"}}));
  EXPECT_EQ(CompileExpression(*config->Find("where"), bench.scope(), true, faults), nullptr);
  EXPECT_NE(CompileExpression(*config->Find("where"), bench.scope(), false, faults), nullptr);
  EXPECT_EQ(CompileExpression(*config->Find("rule"), bench.scope(), true, faults), nullptr);
  ASSERT_EQ(faults.faults().size(), 2u);
  EXPECT_EQ(faults.faults()[0].message, "a condition must be bool, but \"count + 1\" is int64");
  EXPECT_EQ(faults.faults()[1].code, FaultCode::kUnknownColumn);
}

TEST_F(ExpressionFaults, EveryFunctionHasAHelpLine) {
  const std::vector<std::string> help = ExpressionFunctionHelp();
  EXPECT_GT(help.size(), 45u);
  for (const std::string& line : help) {
    EXPECT_NE(line.find(" → "), std::string::npos) << line;
    const std::string name = line.substr(0, line.find('('));
    EXPECT_EQ(Check(name + "(1)").find("is not known"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace anabranch

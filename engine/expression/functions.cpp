#include "engine/expression/functions.h"

#include <algorithm>

namespace anabranch::expression {
namespace {

constexpr Kind kB = Kind::kBool;
constexpr Kind kI = Kind::kInt64;
constexpr Kind kF = Kind::kFloat64;
constexpr Kind kS = Kind::kString;
constexpr Kind kT = Kind::kTimestamp;

std::vector<Overload> MakeOverloads() {
  return {
      {"abs", {kI}, kI, AbsInt64, false, true},
      {"abs", {kF}, kF, AbsFloat64},
      {"floor", {kF}, kF, FloorKernel},
      {"ceil", {kF}, kF, CeilKernel},
      {"round", {kF}, kF, RoundKernel},
      {"sqrt", {kF}, kF, SqrtKernel},
      {"exp", {kF}, kF, ExpKernel},
      {"expm1", {kF}, kF, Expm1Kernel},
      {"log", {kF}, kF, LogKernel},
      {"log1p", {kF}, kF, Log1pKernel},
      {"log10", {kF}, kF, Log10Kernel},
      {"pow", {kF, kF}, kF, PowKernel},
      {"sin", {kF}, kF, SinKernel},
      {"cos", {kF}, kF, CosKernel},
      {"tanh", {kF}, kF, TanhKernel},
      {"sigmoid", {kF}, kF, SigmoidKernel},
      {"is_nan", {kF}, kB, IsNanKernel},
      {"is_finite", {kF}, kB, IsFiniteKernel},
      {"float", {kF}, kF, nullptr},
      {"float", {kB}, kF, BoolToFloat64},
      {"float", {kS}, kF, StringToFloat64, true},
      {"int", {kI}, kI, nullptr},
      {"int", {kF}, kI, Float64ToInt64, false, true},
      {"int", {kB}, kI, BoolToInt64},
      {"int", {kS}, kI, StringToInt64, true},
      {"string", {kS}, kS, nullptr},
      {"string", {kB}, kS, BoolToString},
      {"string", {kI}, kS, Int64ToString, false, true},
      {"string", {kF}, kS, Float64ToString, false, true},
      {"string", {kT}, kS, TimestampToString, false, true},
      {"lower", {kS}, kS, LowerKernel},
      {"upper", {kS}, kS, UpperKernel},
      {"trim", {kS}, kS, TrimKernel},
      {"length", {kS}, kI, LengthKernel},
      {"substr", {kS, kI}, kS, SubstrKernel},
      {"substr", {kS, kI, kI}, kS, SubstrKernel},
      {"starts_with", {kS, kS}, kB, StartsWithKernel},
      {"ends_with", {kS, kS}, kB, EndsWithKernel},
      {"contains", {kS, kS}, kB, ContainsKernel},
      {"replace", {kS, kS, kS}, kS, ReplaceKernel, false, true},
      {"hash", {kS}, kI, HashString},
      {"hash", {kI}, kI, HashInt64},
      {"hash", {kF}, kI, HashFloat64},
      {"hash", {kB}, kI, HashBool},
      {"hash", {kT}, kI, HashInt64},
      {"year", {kT}, kI, YearKernel},
      {"month", {kT}, kI, MonthKernel},
      {"day", {kT}, kI, DayKernel},
      {"hour", {kT}, kI, HourKernel},
      {"minute", {kT}, kI, MinuteKernel},
      {"second", {kT}, kI, SecondKernel},
      {"weekday", {kT}, kI, WeekdayKernel},
      {"epoch_ms", {kT}, kI, EpochMsKernel},
      {"timestamp", {kS}, kT, StringToTimestamp, true, true},
      {"key", {}, kS, KeyKernel, true},
      {"event_time", {}, kT, EventTimeKernel, true},
      {"position", {}, kS, PositionKernel, false, true},
  };
}

std::vector<FunctionDoc> MakeDocs() {
  return {
      {"is_null", "is_null(x) → bool", "true where x is null; x of any type"},
      {"coalesce", "coalesce(x, y, …) → type of the arguments", "the first argument that is not null"},
      {"abs", "abs(x) → int64 or float64", "absolute value, with the type of x"},
      {"min", "min(x, y, …) or min(list) → type of the arguments",
       "the smallest; null if an argument is null or the list is empty"},
      {"max", "max(x, y, …) or max(list) → type of the arguments",
       "the largest; null if an argument is null or the list is empty"},
      {"sum", "sum(list) → int64 or float64", "sum of all elements of a list or tensor; 0 if there are none"},
      {"mean", "mean(list) → float64", "mean of all elements of a list or tensor; null if there are none"},
      {"floor", "floor(x) → float64", "largest whole number not above x"},
      {"ceil", "ceil(x) → float64", "smallest whole number not below x"},
      {"round", "round(x) → float64", "nearest whole number; halves round away from zero"},
      {"sqrt", "sqrt(x) → float64", "square root; NaN below 0"},
      {"exp", "exp(x) → float64", "e to the power of x"},
      {"expm1", "expm1(x) → float64", "exp(x) - 1, exact near 0"},
      {"log", "log(x) → float64", "natural logarithm; -infinity at 0, NaN below"},
      {"log1p", "log1p(x) → float64", "natural logarithm of 1 + x, exact near 0; NaN below -1"},
      {"log10", "log10(x) → float64", "decimal logarithm; -infinity at 0, NaN below"},
      {"pow", "pow(x, y) → float64", "x to the power of y"},
      {"sin", "sin(x) → float64", "sine of x in radians"},
      {"cos", "cos(x) → float64", "cosine of x in radians"},
      {"tanh", "tanh(x) → float64", "hyperbolic tangent"},
      {"sigmoid", "sigmoid(x) → float64", "1 / (1 + exp(-x))"},
      {"clamp", "clamp(x, low, high) → type of the arguments", "x limited to the range from low to high"},
      {"is_nan", "is_nan(x) → bool", "true for NaN; null stays null"},
      {"is_finite", "is_finite(x) → bool", "true unless NaN or infinite"},
      {"float", "float(x) → float64",
       "from a number, a bool (0 or 1) or text; text that is not a finite number gives null"},
      {"int", "int(x) → int64",
       "from a number (the fraction is cut off; out of range is a record error), a bool or text; text that is not an "
       "integer gives "
       "null"},
      {"numbers", "numbers(s, n) → tensor<float64>[n]",
       "from text with n numbers separated by commas, such as '1.5, 2, -3e4'; n is written in the expression; the text "
       "may end "
       "with a comma; other text is a record error. Values are range-checked for the type in which they are stored "
       "(float32 "
       "if only float32 model inputs read them)"},
      {"string", "string(x) → string", "shortest text that reads back as x; timestamps as RFC 3339"},
      {"lower", "lower(s) → string", "A-Z to a-z; other letters stay"},
      {"upper", "upper(s) → string", "a-z to A-Z; other letters stay"},
      {"trim", "trim(s) → string", "removes ASCII white space at both ends"},
      {"length", "length(x) → int64", "code points of a string, elements of a list or tensor"},
      {"substr", "substr(s, start[, count]) → string",
       "code points from start (0 = first, negative = from the end); positions outside the text are skipped"},
      {"starts_with", "starts_with(s, prefix) → bool", "byte for byte"},
      {"ends_with", "ends_with(s, suffix) → bool", "byte for byte"},
      {"contains", "contains(s, part) → bool", "byte for byte; for a list, write x in list"},
      {"matches", "matches(s, 'pattern') → bool",
       "RE2 pattern, found anywhere in s (anchor with ^ and $); the pattern is written in the expression"},
      {"replace", "replace(s, from, to) → string", "every occurrence; an empty from changes nothing"},
      {"concat", "concat(s, t, …) → string", "joins texts, like s + t"},
      {"map", "map(x, {key: value, …}[, default]) → type of the values",
       "the value for the key x; any other x gives the default, or null without a default; null gives null; keys and "
       "values are written in the expression"},
      {"one_hot", "one_hot(x, [value, …]) → tensor<float64>[n]",
       "1 at the place of x in the list, 0 elsewhere; any other x gives only zeros; null gives null. The result is a "
       "feature like any tensor, alone or beside scalar columns"},
      {"bucket", "bucket(x, [edge, …]) → int64",
       "the number of edges that are not above x: 0 below the first edge; an x equal to an edge counts as above it, as "
       "in "
       "numpy.digitize; the edges must rise; NaN counts as above all edges"},
      {"hash", "hash(x) → int64", "XXH3 of x, the same in every run and never negative; hash(x) % n is a bucket"},
      {"year", "year(t) → int64", "calendar year in UTC"},
      {"month", "month(t) → int64", "1 to 12, UTC"},
      {"day", "day(t) → int64", "day of the month, UTC"},
      {"hour", "hour(t) → int64", "0 to 23, UTC"},
      {"minute", "minute(t) → int64", "0 to 59"},
      {"second", "second(t) → int64", "0 to 59; t1 - t2 gives the seconds between two timestamps"},
      {"weekday", "weekday(t) → int64", "1 = Monday to 7 = Sunday, UTC"},
      {"epoch_ms", "epoch_ms(t) → int64", "milliseconds since 1970 UTC, rounded down"},
      {"timestamp", "timestamp(s) → timestamp",
       "from RFC 3339 text such as '2026-01-01T00:00:00Z'; null if s is not one"},
      {"key", "key() → string", "the record's key; null if it has none"},
      {"header", "header('name') → string", "the record's last header with that name; null if it has none"},
      {"event_time", "event_time() → timestamp", "the record's own time; null if it has none"},
      {"position", "position() → string", "where the record was read: topic/partition/offset"},
  };
}

}  // namespace

const std::vector<Overload>& Overloads() {
  static const std::vector<Overload> overloads = MakeOverloads();
  return overloads;
}

const std::vector<FunctionDoc>& FunctionDocs() {
  static const std::vector<FunctionDoc> docs = MakeDocs();
  return docs;
}

std::vector<std::string> FunctionNames() {
  std::vector<std::string> names;
  for (const FunctionDoc& doc : FunctionDocs()) names.emplace_back(doc.name);
  return names;
}

bool IsFunction(std::string_view name) {
  return std::ranges::any_of(FunctionDocs(), [&](const FunctionDoc& doc) { return doc.name == name; });
}

std::string FunctionHint(std::string_view unknown) {
  struct Other {
    std::string_view name;
    const char* hint;
  };
  static constexpr char kChoice[] = "write condition ? value : other value";
  static constexpr Other kOthers[] = {
      {"if", kChoice},
      {"iif", kChoice},
      {"ifelse", kChoice},
      {"if_else", kChoice},
      {"where", kChoice},
      {"case", "write map(x, {'a': 1, 'b': 2}, 0), or condition ? value : other value"},
      {"when", kChoice},
      {"ln", "write log(x)"},
      {"log2", "write log(x) / log(2)"},
      {"sqr", "write x * x"},
      {"square", "write x * x"},
      {"power", "write pow(x, y)"},
      {"len", "write length(x)"},
      {"size", "write length(x)"},
      {"str", "write string(x)"},
      {"avg", "write mean(x)"},
      {"average", "write mean(x)"},
      {"now", "write event_time(): the time of the record gives the same result in every run, a clock does not"},
      {"isnull", "write is_null(x)"},
      {"ifnull", "write coalesce(x, y)"},
      {"nvl", "write coalesce(x, y)"},
      {"fillna", "write coalesce(x, y)"},
      {"digitize", "write bucket(x, [edges])"},
      {"cut", "write bucket(x, [edges])"},
      {"get_dummies", "write one_hot(x, ['a', 'b'])"},
      {"onehot", "write one_hot(x, ['a', 'b'])"},
      {"std", "this language has no standard deviation; `anabranch explain functions` lists the functions"},
  };
  for (const Other& other : kOthers) {
    if (other.name == unknown) return other.hint;
  }
  const std::string near = Suggest(unknown, FunctionNames());
  return near.starts_with("did you mean") ? near : "`anabranch explain functions` lists them";
}

}  // namespace anabranch::expression

namespace anabranch {

std::vector<std::string> ExpressionFunctionHelp() {
  std::vector<std::string> lines;
  for (const expression::FunctionDoc& doc : expression::FunctionDocs()) {
    lines.push_back(std::string(doc.usage) + ": " + std::string(doc.about));
  }
  return lines;
}

}  // namespace anabranch

#include <charconv>
#include <cmath>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"
#include "engine/text/number_list.h"
#include "engine/text/timestamp.h"
#include "engine/text/utf8.h"

namespace anabranch::expression {
namespace {

// 2^63: the first double beyond int64; its negative is int64's smallest value.
constexpr double kInt64End = 9223372036854775808.0;
constexpr size_t kFoundBytes = 40;

bool FitsInt64(double x) { return x >= -kInt64End && x < kInt64End; }

// True when all of `text` is one number of type T.
template <typename T>
bool ParseWhole(std::string_view text, T* value) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, *value);
  return parsed.ec == std::errc() && parsed.ptr == end && !text.empty();
}

template <typename T>
void NumberToString(const Call& call) {
  const T* in = In<T>(call, 0);
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) {
    char digits[32];
    const char* end = std::to_chars(digits, digits + sizeof digits, in[row]).ptr;
    out[row] = call.text.Copy({digits, static_cast<size_t>(end - digits)});
  });
}

// Text that is not such a value gives null.
template <typename T, typename Parse>
void ParseStrings(const Call& call, Parse parse) {
  const std::string_view* in = In<std::string_view>(call, 0);
  T* out = Out<T>(call);
  ForValid(call, [&](uint32_t row) {
    if (!parse(in[row], &out[row])) OutState(call)[row] = kNull;
  });
}

std::string Describe(const NumberListResult& result, int64_t wanted, const char* type) {
  const std::string found = "\"" + std::string(CutText(result.found, kFoundBytes)) + "\"";
  const std::string place = "number " + std::to_string(result.read + 1) + " of " + std::to_string(wanted);
  switch (result.fault) {
    case ListFault::kTooFew:
      return "the text ends after " + std::to_string(result.read) + " of " + std::to_string(wanted) +
             " numbers; expected all of them, separated by commas";
    case ListFault::kTooMany:
      return "the text goes on with " + found + " after " + std::to_string(wanted) + " numbers; expected its end";
    case ListFault::kOutOfRange: return place + " is " + found + ", too large for " + type;
    default: return place + " is " + found + "; expected a decimal number such as -1.5 or 2e3, separated by commas";
  }
}

template <typename T>
void ReadNumbers(const Call& call, const char* type) {
  const std::string_view* in = In<std::string_view>(call, 0);
  const int64_t count = call.out.type().Elements();
  ForValid(call, [&](uint32_t row) {
    const NumberListResult result = ReadNumberList(in[row], Out<T>(call) + row * static_cast<size_t>(count), count);
    if (result.fault == ListFault::kNone) return;
    OutState(call)[row] = kNull;
    // One more byte for the terminating zero.
    const std::string message = Describe(result, count, type);
    call.errors.push_back({row, call.text.Copy({message.c_str(), message.size() + 1}).data()});
  });
}

}  // namespace

void Float32ToFloat64(const Call& call) {
  Map1<float, double>(call, [](float x) { return static_cast<double>(x); });
}
void Int64ToFloat64(const Call& call) {
  Map1<int64_t, double>(call, [](int64_t x) { return static_cast<double>(x); });
}
void BoolToFloat64(const Call& call) {
  Map1<uint8_t, double>(call, [](uint8_t x) { return static_cast<double>(x & 1); });
}
void BoolToInt64(const Call& call) {
  Map1<uint8_t, int64_t>(call, [](uint8_t x) { return static_cast<int64_t>(x & 1); });
}

void StringToFloat64(const Call& call) {
  ParseStrings<double>(
      call, [](std::string_view text, double* value) { return ParseWhole(text, value) && std::isfinite(*value); });
}
void StringToInt64(const Call& call) { ParseStrings<int64_t>(call, ParseWhole<int64_t>); }
void StringToTimestamp(const Call& call) { ParseStrings<int64_t>(call, ParseTimestamp); }

void NumbersKernel(const Call& call) {
  if (call.out.type().element == Kind::kFloat32) return ReadNumbers<float>(call, "float32");
  ReadNumbers<double>(call, "float64");
}

void Float64ToInt64(const Call& call) {
  const double* in = In<double>(call, 0);
  bool seen = false;
  int64_t* out = Out<int64_t>(call);
  for (uint32_t i = 0; i < call.rows; ++i) {
    const bool fits = FitsInt64(in[i]);
    seen |= !fits;
    out[i] = fits ? static_cast<int64_t>(in[i]) : 0;
  }
  States1(call);
  if (seen) ReportRows(call, kConversionRange, [&](uint32_t row) { return !FitsInt64(in[row]); });
}

void BoolToString(const Call& call) {
  const uint8_t* in = In<uint8_t>(call, 0);
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) { out[row] = in[row] ? "true" : "false"; });
}
void Int64ToString(const Call& call) { NumberToString<int64_t>(call); }
void Float64ToString(const Call& call) { NumberToString<double>(call); }

void TimestampToString(const Call& call) {
  const int64_t* in = In<int64_t>(call, 0);
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) { out[row] = call.text.Copy(FormatTimestamp(in[row])); });
}

}  // namespace anabranch::expression

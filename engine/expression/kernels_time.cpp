#include <cmath>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

constexpr int64_t kSecond = 1'000'000;  // microseconds
constexpr int64_t kDay = 86'400 * kSecond;

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0); }
int64_t FloorModulo(int64_t a, int64_t b) { return a % b + (a % b < 0 ? b : 0); }

struct Date {
  int64_t year, month, day;
};

// Proleptic Gregorian calendar, counted in years that begin in March so that the leap day comes last.
Date DateOf(int64_t micros) {
  constexpr int64_t kDaysTo1970 = 719'468;  // from 0000-03-01
  constexpr int64_t kEraDays = 146'097;     // 400 years
  const int64_t days = FloorDivide(micros, kDay) + kDaysTo1970;
  const int64_t era = FloorDivide(days, kEraDays);
  const int64_t day_of_era = days - era * kEraDays;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * month_from_march + 2) / 5 + 1};
}

template <typename Op>
void Map(const Call& call, Op op) {
  Map1<int64_t, int64_t>(call, op);
}

// True when the result does not fit.
bool Shift(int64_t time, double seconds, int64_t* out) {
  const double micros = std::round(seconds * static_cast<double>(kSecond));
  *out = 0;
  if (!(std::fabs(micros) < 9.2e18)) return true;
  return __builtin_add_overflow(time, static_cast<int64_t>(micros), out);
}

void ShiftAll(const Call& call, double sign) {
  const int64_t* time = In<int64_t>(call, 0);
  const double* seconds = In<double>(call, 1);
  int64_t* out = Out<int64_t>(call);
  bool seen = false;
  for (uint32_t i = 0; i < call.rows; ++i) seen |= Shift(time[i], sign * seconds[i], &out[i]);
  States2(call);
  if (!seen) return;
  ReportRows(call, kOverflow, [&](uint32_t row) {
    int64_t shifted;
    return Shift(time[row], sign * seconds[row], &shifted);
  });
}

}  // namespace

void TimeDifferenceKernel(const Call& call) {
  Map2<int64_t, int64_t, double>(call, [](int64_t a, int64_t b) {
    int64_t micros;
    const bool wide = __builtin_sub_overflow(a, b, &micros);
    return (wide ? static_cast<double>(a) - static_cast<double>(b) : static_cast<double>(micros)) /
           static_cast<double>(kSecond);
  });
}
void TimePlusKernel(const Call& call) { ShiftAll(call, 1); }
void TimeMinusKernel(const Call& call) { ShiftAll(call, -1); }

void YearKernel(const Call& call) {
  Map(call, [](int64_t t) { return DateOf(t).year; });
}
void MonthKernel(const Call& call) {
  Map(call, [](int64_t t) { return DateOf(t).month; });
}
void DayKernel(const Call& call) {
  Map(call, [](int64_t t) { return DateOf(t).day; });
}
void HourKernel(const Call& call) {
  Map(call, [](int64_t t) { return FloorModulo(t, kDay) / (3600 * kSecond); });
}
void MinuteKernel(const Call& call) {
  Map(call, [](int64_t t) { return FloorModulo(t, 3600 * kSecond) / (60 * kSecond); });
}
void SecondKernel(const Call& call) {
  Map(call, [](int64_t t) { return FloorModulo(t, 60 * kSecond) / kSecond; });
}
// 1970-01-01 was a Thursday, day 4 of a week that begins on Monday.
void WeekdayKernel(const Call& call) {
  Map(call, [](int64_t t) { return FloorModulo(FloorDivide(t, kDay) + 3, 7) + 1; });
}
void EpochMsKernel(const Call& call) {
  Map(call, [](int64_t t) { return FloorDivide(t, 1000); });
}

}  // namespace anabranch::expression

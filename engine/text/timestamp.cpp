#include "engine/text/timestamp.h"

#include <chrono>
#include <cstdio>

#include "engine/text/instant.h"

namespace anabranch {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kDay = 86'400 * kSecond;

// Reads `count` digits at *p; -1 when there are fewer.
int Digits(const char** p, const char* end, int count) {
  if (end - *p < count) return -1;
  int value = 0;
  for (int i = 0; i < count; ++i, ++*p) {
    if (**p < '0' || **p > '9') return -1;
    value = value * 10 + (**p - '0');
  }
  return value;
}

bool Expect(const char** p, const char* end, char c) {
  if (*p == end || **p != c) return false;
  ++*p;
  return true;
}

bool Date(const char** p, const char* end, int64_t* days) {
  const int year = Digits(p, end, 4);
  if (year < 0 || !Expect(p, end, '-')) return false;
  const int month = Digits(p, end, 2);
  if (month < 0 || !Expect(p, end, '-')) return false;
  const int day = Digits(p, end, 2);
  if (day < 0) return false;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  *days = std::chrono::sys_days(date).time_since_epoch().count();
  return true;
}

// hh:mm:ss and a fraction, of which six digits count. A leap second is the second after.
bool TimeOfDay(const char** p, const char* end, int64_t* micros) {
  const int hour = Digits(p, end, 2);
  if (hour < 0 || hour > 23 || !Expect(p, end, ':')) return false;
  const int minute = Digits(p, end, 2);
  if (minute < 0 || minute > 59 || !Expect(p, end, ':')) return false;
  const int second = Digits(p, end, 2);
  if (second < 0 || second > 60) return false;
  *micros = ((hour * 60 + minute) * 60 + second) * kSecond;
  if (!Expect(p, end, '.')) return true;
  const char* first = *p;
  for (int64_t unit = kSecond / 10; *p < end && **p >= '0' && **p <= '9'; ++*p, unit /= 10)
    *micros += (**p - '0') * unit;
  return *p != first;
}

bool Offset(const char** p, const char* end, int64_t* micros) {
  *micros = 0;
  if (*p == end) return false;
  const char sign = *(*p)++;
  if (sign == 'Z' || sign == 'z') return true;
  if (sign != '+' && sign != '-') return false;
  const int hour = Digits(p, end, 2);
  if (hour < 0 || hour > 23 || !Expect(p, end, ':')) return false;
  const int minute = Digits(p, end, 2);
  if (minute < 0 || minute > 59) return false;
  *micros = (hour * 60 + minute) * 60 * kSecond;
  if (sign == '-') *micros = -*micros;
  return true;
}

}  // namespace

bool ParseTimestamp(std::string_view text, int64_t* micros) {
  const char* p = text.data();
  const char* end = p + text.size();
  int64_t days = 0;
  int64_t clock = 0;
  int64_t offset = 0;
  if (!Date(&p, end, &days) || p == end || (*p != 'T' && *p != 't' && *p != ' ')) return false;
  ++p;
  if (!TimeOfDay(&p, end, &clock) || !Offset(&p, end, &offset) || p != end) return false;
  *micros = days * kDay + clock - offset;
  return true;
}

std::string FormatInstant(int64_t milliseconds_since_1970) {
  constexpr int64_t kMsPerSecond = 1000;
  const int64_t ms = ((milliseconds_since_1970 % kMsPerSecond) + kMsPerSecond) % kMsPerSecond;
  std::string text = FormatTimestamp((milliseconds_since_1970 - ms) * 1000);
  const std::string digits = std::to_string(kMsPerSecond + ms);
  text.back() = '.';
  return text.append(digits, 1).append("Z");
}

std::string FormatTimestamp(int64_t micros) {
  int64_t days = micros / kDay;
  int64_t rest = micros % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  // Howard Hinnant's civil-from-days: std::chrono stops at the year 32767.
  const int64_t shifted = days + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  const int month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  const int seconds = static_cast<int>(rest / kSecond);
  char text[64];
  const bool four_digits = year >= 0 && year <= 9999;
  int length = std::snprintf(text, sizeof text, four_digits ? "%04lld" : "%+07lld", static_cast<long long>(year));
  length += std::snprintf(text + length, sizeof text - static_cast<size_t>(length), "-%02d-%02dT%02d:%02d:%02d", month,
                          day, seconds / 3600, seconds / 60 % 60, seconds % 60);
  std::string out(text, static_cast<size_t>(length));
  if (int64_t fraction = rest % kSecond; fraction != 0) {
    std::snprintf(text, sizeof text, ".%06lld", static_cast<long long>(fraction));
    out += text;
    while (out.back() == '0') out.pop_back();
  }
  return out + "Z";
}

}  // namespace anabranch

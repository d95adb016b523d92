#include "query/instant_functions.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/sample.h"
#include "query/go_math.h"

namespace deckwatch::query {

namespace {

double Sgn(double v) {
  return v < 0 ? -1 : v > 0 ? 1 : v;
}
double Rad(double v) {
  return v * std::numbers::pi / 180;
}
double Deg(double v) {
  return v * 180 / std::numbers::pi;
}

struct Date {
  int64_t year;
  int month;        // 1..12
  int day;          // 1..31
  int day_of_year;  // 1..366
  int weekday;      // 0 = Sunday
  int hour;
  int minute;
  bool leap;
};

constexpr std::array<int, 13> kDaysBefore = {0,   31,  59,  90,  120, 151, 181,
                                             212, 243, 273, 304, 334, 365};

// Any time at all has a date: seconds are taken, as Go does, as an unsigned offset from a year so
// early that every 64-bit time lies behind it; beyond that they wrap.
Date DateOf(double v) {
  constexpr uint64_t kEpochOffset = 9223372028715321600u;
  constexpr int64_t kFirstYear = -292277022399;
  constexpr uint64_t kDaysPer400Years = 146097, kDaysPer100Years = 36524, kDaysPer4Years = 1461;
  const bool fits = v >= -9223372036854775808.0 && v < 9223372036854775808.0;
  const int64_t seconds = fits ? static_cast<int64_t>(v) : INT64_MIN;
  const uint64_t absolute = static_cast<uint64_t>(seconds) + kEpochOffset;
  uint64_t days = absolute / 86400;
  const uint64_t of_day = absolute % 86400;

  Date d{};
  d.hour = static_cast<int>(of_day / 3600);
  d.minute = static_cast<int>(of_day % 3600 / 60);
  d.weekday = static_cast<int>((days + 1) % 7);  // the first day of the first year is a Monday

  uint64_t n = days / kDaysPer400Years;
  uint64_t years = 400 * n;
  days -= kDaysPer400Years * n;
  n = days / kDaysPer100Years;
  n -= n >> 2;  // the last day of the 400 years belongs to the fourth century
  years += 100 * n;
  days -= kDaysPer100Years * n;
  n = days / kDaysPer4Years;
  years += 4 * n;
  days -= kDaysPer4Years * n;
  n = days / 365;
  n -= n >> 2;
  years += n;
  days -= 365 * n;

  d.year = static_cast<int64_t>(years) + kFirstYear;
  d.leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
  d.day_of_year = static_cast<int>(days) + 1;
  int day = static_cast<int>(days);
  if (d.leap && day == 31 + 28) {
    d.month = 2;
    d.day = 29;
    return d;
  }
  if (d.leap && day > 31 + 28) --day;
  while (kDaysBefore[static_cast<size_t>(d.month) + 1] <= day) ++d.month;
  d.day = day - kDaysBefore[static_cast<size_t>(d.month)] + 1;
  ++d.month;
  return d;
}

double DaysInMonth(double v) {
  const Date d = DateOf(v);
  const auto m = static_cast<size_t>(d.month);
  return kDaysBefore[m] - kDaysBefore[m - 1] + (d.leap && m == 2 ? 1 : 0);
}

}  // namespace

FloatFunction FindMathFunction(FunctionId id) {
  switch (id) {
    case FunctionId::kAbs: return [](double v) { return std::fabs(v); };
    case FunctionId::kAcos: return go::Acos;
    case FunctionId::kAcosh: return go::Acosh;
    case FunctionId::kAsin: return go::Asin;
    case FunctionId::kAsinh: return go::Asinh;
    case FunctionId::kAtan: return go::Atan;
    case FunctionId::kAtanh: return go::Atanh;
    case FunctionId::kCeil: return [](double v) { return std::ceil(v); };
    case FunctionId::kCos: return go::Cos;
    case FunctionId::kCosh: return go::Cosh;
    case FunctionId::kDeg: return Deg;
    case FunctionId::kExp: return go::Exp;
    case FunctionId::kFloor: return [](double v) { return std::floor(v); };
    case FunctionId::kLn: return go::Log;
    case FunctionId::kLog10: return go::Log10;
    case FunctionId::kLog2: return go::Log2;
    case FunctionId::kRad: return Rad;
    case FunctionId::kSgn: return Sgn;
    case FunctionId::kSin: return go::Sin;
    case FunctionId::kSinh: return go::Sinh;
    case FunctionId::kSqrt: return [](double v) { return std::sqrt(v); };
    case FunctionId::kTan: return go::Tan;
    case FunctionId::kTanh: return go::Tanh;
    default: return nullptr;
  }
}

FloatFunction FindDateFunction(FunctionId id) {
  switch (id) {
    case FunctionId::kDayOfMonth: return [](double v) { return double(DateOf(v).day); };
    case FunctionId::kDayOfWeek: return [](double v) { return double(DateOf(v).weekday); };
    case FunctionId::kDayOfYear: return [](double v) { return double(DateOf(v).day_of_year); };
    case FunctionId::kDaysInMonth: return DaysInMonth;
    case FunctionId::kHour: return [](double v) { return double(DateOf(v).hour); };
    case FunctionId::kMinute: return [](double v) { return double(DateOf(v).minute); };
    case FunctionId::kMonth: return [](double v) { return double(DateOf(v).month); };
    case FunctionId::kYear: return [](double v) { return double(DateOf(v).year); };
    default: return nullptr;
  }
}

double GoMin(double a, double b) {
  if (std::isinf(a) && a < 0) return a;
  if (std::isinf(b) && b < 0) return b;
  if (std::isnan(a) || std::isnan(b)) return NormalNan();
  if (a == 0 && a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

double GoMax(double a, double b) {
  if (std::isinf(a) && a > 0) return a;
  if (std::isinf(b) && b > 0) return b;
  if (std::isnan(a) || std::isnan(b)) return NormalNan();
  if (a == 0 && a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

}  // namespace deckwatch::query

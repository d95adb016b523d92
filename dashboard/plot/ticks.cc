#include "dashboard/plot/ticks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

// The smallest of 1, 2, 5 × base^n that is at least `raw`; for base 1024 the powers of two between.
double NiceStep(double raw, UnitKind kind, double factor) {
  if (kind == UnitKind::kBinary && raw * factor >= 1) {
    return std::exp2(std::ceil(std::log2(raw * factor) - 1e-9)) / factor;
  }
  if (kind == UnitKind::kDuration && raw * factor > 10) {
    for (const double s : {15., 30., 60., 120., 300., 600., 900., 1800., 3600., 7200., 14400.,
                           21600., 43200., 86400., 172800., 432000., 864000.}) {
      if (s >= raw * factor) return s / factor;
    }
  }
  const double power = std::pow(10.0, std::floor(std::log10(raw) + 1e-9));
  for (const double m : {1.0, 2.0, 5.0}) {
    if (m * power >= raw * (1 - 1e-9)) return m * power;
  }
  return 10 * power;
}

std::tm LocalTime(int64_t t_ms) {
  const std::time_t seconds =
      static_cast<std::time_t>(t_ms >= 0 ? t_ms / 1000 : (t_ms - 999) / 1000);
  std::tm out{};
  localtime_r(&seconds, &out);
  return out;
}

int64_t FromLocal(std::tm tm) {
  tm.tm_isdst = -1;
  return static_cast<int64_t>(std::mktime(&tm)) * 1000;
}

std::string Strftime(const char* format, const std::tm& tm) {
  char text[64];
  const size_t n = std::strftime(text, sizeof(text), format, &tm);
  return std::string(text, n);
}

enum class Calendar { kMs, kHours, kDays, kMonths, kYears };
struct TimeStep {
  Calendar calendar;
  int64_t count;     // of ms, hours, days, …
  int64_t about_ms;  // its usual length
};
constexpr TimeStep Ms(int64_t ms) {
  return {Calendar::kMs, ms, ms};
}
constexpr std::array kTimeSteps = {Ms(1),
                                   Ms(2),
                                   Ms(5),
                                   Ms(10),
                                   Ms(20),
                                   Ms(50),
                                   Ms(100),
                                   Ms(200),
                                   Ms(500),
                                   Ms(kSecond),
                                   Ms(2 * kSecond),
                                   Ms(5 * kSecond),
                                   Ms(10 * kSecond),
                                   Ms(15 * kSecond),
                                   Ms(30 * kSecond),
                                   Ms(kMinute),
                                   Ms(2 * kMinute),
                                   Ms(5 * kMinute),
                                   Ms(10 * kMinute),
                                   Ms(15 * kMinute),
                                   Ms(30 * kMinute),
                                   TimeStep{Calendar::kHours, 1, kHour},
                                   TimeStep{Calendar::kHours, 2, 2 * kHour},
                                   TimeStep{Calendar::kHours, 3, 3 * kHour},
                                   TimeStep{Calendar::kHours, 6, 6 * kHour},
                                   TimeStep{Calendar::kHours, 12, 12 * kHour},
                                   TimeStep{Calendar::kDays, 1, kDay},
                                   TimeStep{Calendar::kDays, 2, 2 * kDay},
                                   TimeStep{Calendar::kDays, 7, 7 * kDay},
                                   TimeStep{Calendar::kMonths, 1, 30 * kDay},
                                   TimeStep{Calendar::kMonths, 3, 91 * kDay},
                                   TimeStep{Calendar::kMonths, 6, 182 * kDay},
                                   TimeStep{Calendar::kYears, 1, 365 * kDay},
                                   TimeStep{Calendar::kYears, 2, 730 * kDay},
                                   TimeStep{Calendar::kYears, 5, 1826 * kDay},
                                   TimeStep{Calendar::kYears, 10, 3652 * kDay}};

// The last round moment at or before `t_ms`.
int64_t FloorTo(const TimeStep& step, int64_t t_ms) {
  std::tm tm = LocalTime(t_ms);
  if (step.calendar == Calendar::kMs) {
    const int64_t local = t_ms + tm.tm_gmtoff * kSecond;
    return t_ms - ((local % step.count) + step.count) % step.count;
  }
  tm.tm_min = tm.tm_sec = 0;
  if (step.calendar == Calendar::kHours) {
    tm.tm_hour -= static_cast<int>(tm.tm_hour % step.count);
    return FromLocal(tm);
  }
  tm.tm_hour = 0;
  if (step.calendar == Calendar::kDays) {
    if (step.count == 7) tm.tm_mday -= (tm.tm_wday + 6) % 7;  // Mondays
    if (step.count == 2) tm.tm_mday -= (tm.tm_mday - 1) % 2;
    return FromLocal(tm);
  }
  tm.tm_mday = 1;
  if (step.calendar == Calendar::kMonths) {
    tm.tm_mon -= static_cast<int>(tm.tm_mon % step.count);
    return FromLocal(tm);
  }
  tm.tm_mon = 0;
  tm.tm_year -= static_cast<int>((tm.tm_year + 1900) % step.count);
  return FromLocal(tm);
}

int64_t Next(const TimeStep& step, int64_t t_ms) {
  if (step.calendar == Calendar::kMs) return t_ms + step.count;
  std::tm tm = LocalTime(t_ms);
  const int count = static_cast<int>(step.count);
  switch (step.calendar) {
    case Calendar::kHours: {
      // Where clocks change, wall hours repeat or are missing: step real time, then round.
      const int64_t next = FloorTo(step, t_ms + step.about_ms);
      return next > t_ms ? next : t_ms + step.about_ms;
    }
    case Calendar::kDays:
      tm.tm_mday += count;
      if (count == 2) {  // odd days, and a fresh start on each first of the month
        const int month = LocalTime(FromLocal(tm)).tm_mon;
        if (month != LocalTime(t_ms).tm_mon)
          return FloorTo({Calendar::kMonths, 1, 0}, FromLocal(tm));
      }
      break;
    case Calendar::kMonths: tm.tm_mon += count; break;
    default: tm.tm_year += count; break;
  }
  return FromLocal(tm);
}

std::string TickLabel(const TimeStep& step, int64_t t_ms) {
  const std::tm tm = LocalTime(t_ms);
  const bool is_midnight = tm.tm_hour == 0 && tm.tm_min == 0 && tm.tm_sec == 0 && t_ms % 1000 == 0;
  switch (step.calendar) {
    case Calendar::kYears: return Strftime("%Y", tm);
    case Calendar::kMonths: return tm.tm_mon == 0 ? Strftime("%Y", tm) : Strftime("%b", tm);
    case Calendar::kDays: return std::to_string(tm.tm_mday) + Strftime(" %b", tm);
    default: break;
  }
  if (is_midnight) return std::to_string(tm.tm_mday) + Strftime(" %b", tm);
  if (step.about_ms >= kMinute) return Strftime("%H:%M", tm);
  if (step.about_ms >= kSecond) return Strftime("%H:%M:%S", tm);
  return Strftime("%H:%M:%S", tm) + "." + std::to_string(1000 + t_ms % 1000).substr(1);
}

}  // namespace

ValueAxis MakeValueAxis(double lo, double hi, int max_ticks, const Unit& unit) {
  constexpr double kLimit = 1e300;
  lo = std::clamp(lo, -kLimit, kLimit);
  hi = std::clamp(hi, -kLimit, kLimit);
  if (lo > 0 && lo < hi * 0.5) lo = 0;  // near zero, a true zero is more honest than a tight range
  if (hi < 0 && hi > lo * 0.5) hi = 0;
  if (hi - lo < std::max(std::abs(lo), std::abs(hi)) * 1e-9 || hi <= lo) {
    // A constant: from zero to it shows how large it is.
    if (lo == 0) hi = 1 / unit.factor;
    if (lo > 0) lo = 0;
    if (hi < 0) hi = 0;
  }
  ValueAxis axis;
  axis.step = NiceStep((hi - lo) / std::max(2, max_ticks), unit.kind, unit.factor);
  const double first = std::floor(lo / axis.step + 1e-6);
  const double last = std::ceil(hi / axis.step - 1e-6);
  axis.min = first * axis.step;
  axis.max = last * axis.step;
  for (double i = first; i <= last; ++i) axis.ticks.push_back(i * axis.step);
  return axis;
}

std::vector<TimeTick> MakeTimeTicks(TimeRange range, int max_ticks) {
  std::vector<TimeTick> out;
  if (range.span_ms() <= 0) return out;
  const int64_t raw = range.span_ms() / std::max(1, max_ticks);
  const auto fits = [raw](const TimeStep& step) { return step.about_ms >= raw; };
  const auto it = std::find_if(kTimeSteps.begin(), kTimeSteps.end(), fits);
  const TimeStep& step = it == kTimeSteps.end() ? kTimeSteps.back() : *it;
  int64_t t_ms = FloorTo(step, range.from_ms);
  constexpr size_t kMaxTicks = 200;
  while (t_ms <= range.to_ms && out.size() < kMaxTicks) {
    if (t_ms >= range.from_ms) out.push_back({t_ms, TickLabel(step, t_ms)});
    const int64_t next = Next(step, t_ms);
    if (next <= t_ms) break;
    t_ms = next;
  }
  return out;
}

std::string FormatLocal(int64_t t_ms) {
  return Strftime("%Y-%m-%d %H:%M:%S", LocalTime(t_ms));
}

std::string FormatRange(TimeRange range) {
  const std::tm from = LocalTime(range.from_ms), to = LocalTime(range.to_ms);
  const bool same_day = from.tm_yday == to.tm_yday && from.tm_year == to.tm_year;
  const char* clock = range.span_ms() < 10 * kMinute ? "%H:%M:%S" : "%H:%M";
  std::string out = Strftime("%Y-%m-%d ", from) + Strftime(clock, from) + " – ";
  if (!same_day) out += Strftime("%m-%d ", to);
  return out + Strftime(clock, to);
}

std::string ZoneName(int64_t t_ms) {
  return Strftime("%Z", LocalTime(t_ms));
}

int64_t NiceStepMs(TimeRange range, int max_points) {
  constexpr int64_t kMaxPoints = 11'000;
  const int64_t points = std::clamp<int64_t>(max_points, 1, kMaxPoints - 1);
  const int64_t raw = std::max<int64_t>(kSecond, (range.span_ms() + points - 1) / points);
  for (const int64_t step : {1 * kSecond, 2 * kSecond, 5 * kSecond, 10 * kSecond, 15 * kSecond,
                             30 * kSecond, kMinute, 2 * kMinute, 5 * kMinute, 10 * kMinute,
                             15 * kMinute, 30 * kMinute, kHour, 2 * kHour, 6 * kHour, 12 * kHour}) {
    if (step >= raw) return step;
  }
  return (raw + kDay - 1) / kDay * kDay;
}

}  // namespace deckwatch::dashboard

#include "base/clock.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace deckwatch {

namespace {

class RealClock : public Clock {
 public:
  int64_t WallMs() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  int64_t MonotonicMs() const override { return MonotonicNs() / 1'000'000; }
  int64_t MonotonicNs() const override {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  }
};

struct Unit {
  std::string_view name;
  int64_t ms;
};
constexpr std::array<Unit, 7> kUnits = {{{"y", 365LL * 86'400'000},
                                         {"w", 7LL * 86'400'000},
                                         {"d", 86'400'000},
                                         {"h", 3'600'000},
                                         {"m", 60'000},
                                         {"s", 1'000},
                                         {"ms", 1}}};

bool ReadInt(std::string_view* s, size_t digits, int* v) {
  if (s->size() < digits) return false;
  auto r = std::from_chars(s->data(), s->data() + digits, *v);
  if (r.ptr != s->data() + digits || (*s)[0] == '-') return false;
  s->remove_prefix(digits);
  return true;
}

bool Skip(std::string_view* s, char c) {
  if (s->empty() || (*s)[0] != c) return false;
  s->remove_prefix(1);
  return true;
}

}  // namespace

const Clock* Clock::Real() {
  static const RealClock clock;
  return &clock;
}

Result<int64_t> ParseDurationMs(std::string_view text) {
  const auto bad = [&] {
    return Status::InvalidArgument("not a valid duration string: \"" + std::string(text) + "\"");
  };
  if (text == "0") return int64_t{0};
  if (text.empty()) return Status::InvalidArgument("empty duration string");
  std::string_view s = text;
  int64_t total = 0;
  size_t next_unit = 0;
  while (!s.empty()) {
    int64_t n = 0;
    auto r = std::from_chars(s.data(), s.data() + s.size(), n);
    if (r.ec != std::errc() || s[0] == '-') return bad();
    s.remove_prefix(static_cast<size_t>(r.ptr - s.data()));
    const size_t letters = std::min(s.find_first_of("0123456789"), s.size());
    const std::string_view name = s.substr(0, letters);
    size_t u = next_unit;
    while (u < kUnits.size() && kUnits[u].name != name) ++u;
    if (u == kUnits.size()) {
      const bool known = std::ranges::find(kUnits, name, &Unit::name) != kUnits.end();
      if (known || name.empty()) return bad();
      return Status::InvalidArgument("unknown unit \"" + std::string(name) + "\" in duration \"" +
                                     std::string(text) + "\"");
    }
    int64_t part;
    if (__builtin_mul_overflow(n, kUnits[u].ms, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return Status::InvalidArgument("duration out of range: \"" + std::string(text) + "\"");
    }
    next_unit = u + 1;
    s.remove_prefix(letters);
  }
  return total;
}

std::string FormatDurationMs(int64_t ms) {
  if (ms == 0) return "0s";
  std::string out;
  if (ms < 0) {
    out = "-";
    ms = -ms;
  }
  // Years, weeks and days only when nothing smaller is left, as Prometheus prints them.
  for (const Unit& u : kUnits) {
    const bool exact_only = u.name == "y" || u.name == "w";
    if (exact_only && ms % u.ms != 0) continue;
    if (const int64_t n = ms / u.ms; n > 0) {
      out += std::to_string(n) + std::string(u.name);
      ms -= n * u.ms;
    }
  }
  return out;
}

std::string FormatRfc3339Ms(int64_t t_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> t{milliseconds(t_ms)};
  const auto day = floor<days>(t);
  const year_month_day date{day};
  const auto in_day = (t - day).count();
  char buf[64];
  std::snprintf(buf, sizeof buf, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(in_day / 3'600'000),
                static_cast<int>(in_day / 60'000 % 60), static_cast<int>(in_day / 1'000 % 60),
                static_cast<int>(in_day % 1'000));
  return buf;
}

Result<int64_t> ParseRfc3339Ms(std::string_view text) {
  const auto bad = [&] {
    return Status::InvalidArgument("cannot parse \"" + std::string(text) +
                                   "\" to a valid timestamp");
  };
  std::string_view s = text;
  int y, mo, d, h, mi, sec;
  if (!ReadInt(&s, 4, &y) || !Skip(&s, '-') || !ReadInt(&s, 2, &mo) || !Skip(&s, '-') ||
      !ReadInt(&s, 2, &d) || !(Skip(&s, 'T') || Skip(&s, 't')) || !ReadInt(&s, 2, &h) ||
      !Skip(&s, ':') || !ReadInt(&s, 2, &mi) || !Skip(&s, ':') || !ReadInt(&s, 2, &sec)) {
    return bad();
  }
  int64_t ms = 0;
  if (Skip(&s, '.')) {
    int64_t scale = 100;
    size_t n = 0;
    for (; n < s.size() && s[n] >= '0' && s[n] <= '9'; ++n, scale /= 10) ms += (s[n] - '0') * scale;
    if (n == 0) return bad();
    s.remove_prefix(n);
  }
  int64_t offset_minutes = 0;
  if (!Skip(&s, 'Z') && !Skip(&s, 'z')) {
    const int sign = !s.empty() && s[0] == '-' ? -1 : 1;
    int oh, om;
    if (!(Skip(&s, '+') || Skip(&s, '-')) || !ReadInt(&s, 2, &oh) || !Skip(&s, ':') ||
        !ReadInt(&s, 2, &om)) {
      return bad();
    }
    offset_minutes = sign * (oh * 60 + om);
  }
  using namespace std::chrono;
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)),
                            day(static_cast<unsigned>(d))};
  if (!s.empty() || !date.ok() || h > 23 || mi > 59 || sec > 60) return bad();
  const int64_t days_ms = sys_days(date).time_since_epoch().count() * 86'400'000LL;
  return days_ms + ((h * 60LL + mi - offset_minutes) * 60 + sec) * 1000 + ms;
}

}  // namespace deckwatch

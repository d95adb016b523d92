#include "alerting/time_interval.h"

#include <algorithm>
#include <charconv>
#include <span>

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

namespace deckwatch::alerting {
namespace {

using Range = TimeInterval::Range;

constexpr std::string_view kWeekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                          "thursday", "friday", "saturday"};
constexpr std::string_view kMonths[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};

bool InAny(const std::vector<Range>& ranges, int v) {
  return ranges.empty() ||
         std::ranges::any_of(ranges, [v](const Range& r) { return v >= r.begin && v <= r.end; });
}

// Days counted from the end become days of this month, cut to its length.
bool DayMatches(const std::vector<Range>& ranges, int day, int days_in_month) {
  if (ranges.empty()) return true;
  return std::ranges::any_of(ranges, [&](const Range& r) {
    const int begin = r.begin < 0 ? days_in_month + 1 + r.begin : r.begin;
    const int end = r.end < 0 ? days_in_month + 1 + r.end : r.end;
    return begin <= days_in_month && day >= std::max(begin, 1) &&
           day <= std::min(end, days_in_month);
  });
}

cctz::time_zone Zone(const std::string& location) {
  cctz::time_zone zone = cctz::utc_time_zone();
  if (location == "Local") return cctz::local_time_zone();
  if (!location.empty()) cctz::load_time_zone(location, &zone);  // checked at load
  return zone;
}

struct Field {
  std::span<const std::string_view> names;
  int name_base;  // number of the first name
  int min, max;
  bool from_end;  // also -max .. -min
};

Result<int> ParseOne(std::string_view text, const Field& field) {
  std::string lower;
  for (char c : text) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  const auto name = std::ranges::find(field.names, lower);
  if (name != field.names.end()) {
    return static_cast<int>(name - field.names.begin()) + field.name_base;
  }
  int v = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), v);
  const bool number = r.ec == std::errc() && r.ptr == text.data() + text.size() && !text.empty();
  const bool fits =
      (v >= field.min && v <= field.max) || (field.from_end && v >= -field.max && v <= -field.min);
  if (number && fits) return v;
  return Status::InvalidArgument("\"" + std::string(text) + "\" is not in range");
}

// "a" or "a:b".
Result<Range> ParseRange(std::string_view text, const Field& field) {
  const size_t colon = text.find(':');
  TRY_ASSIGN(const int begin, ParseOne(text.substr(0, colon), field));
  if (colon == std::string_view::npos) return Range{begin, begin};
  TRY_ASSIGN(const int end, ParseOne(text.substr(colon + 1), field));
  if ((begin < 0) == (end < 0) ? begin > end : begin < 0) {
    return Status::InvalidArgument("\"" + std::string(text) + "\": start is after end");
  }
  return Range{begin, end};
}

// HH:MM, 00:00 .. 24:00, as minutes.
Result<int> ParseTimeOfDay(std::string_view text) {
  const Field hours{{}, 0, 0, 24, false}, minutes{{}, 0, 0, 59, false};
  if (text.size() == 5 && text[2] == ':') {
    const Result<int> h = ParseOne(text.substr(0, 2), hours), m = ParseOne(text.substr(3), minutes);
    if (h.ok() && m.ok() && *h * 60 + *m <= 24 * 60) return *h * 60 + *m;
  }
  return Status::InvalidArgument("\"" + std::string(text) + "\" is not a time of day (HH:MM)");
}

Status ParseTimes(const YamlNode& node, std::string_view file, TimeInterval* out) {
  YamlDecoder d(node, file, "times");
  std::string start, end;
  TRY(d.String("start_time", &start).String("end_time", &end).Finish());
  const Result<int> begin_minute = ParseTimeOfDay(start), end_minute = ParseTimeOfDay(end);
  if (!begin_minute.ok()) return d.ErrorAt("start_time", begin_minute.status().message());
  if (!end_minute.ok()) return d.ErrorAt("end_time", end_minute.status().message());
  if (*begin_minute >= *end_minute) return d.Error("start time must be before end time");
  out->minutes.push_back({*begin_minute, *end_minute - 1});
  return Status::Ok();
}

Status ParseInterval(const YamlNode& node, std::string_view file, TimeInterval* out) {
  YamlDecoder d(node, file, "time_interval");
  d.Each("times", [&](const YamlNode& n) { return ParseTimes(n, file, out); });
  const auto ranges = [&](const char* key, const Field& field, std::vector<Range>* to) {
    std::vector<std::string> texts;
    d.Strings(key, &texts);
    for (const std::string& text : texts) {
      Result<Range> range = ParseRange(text, field);
      if (!range.ok()) return d.ErrorAt(key, range.status().message());
      to->push_back(*range);
    }
    return Status::Ok();
  };
  TRY(ranges("weekdays", {kWeekdays, 0, 0, 6, false}, &out->weekdays));
  TRY(ranges("days_of_month", {{}, 0, 1, 31, true}, &out->days_of_month));
  TRY(ranges("months", {kMonths, 1, 1, 12, false}, &out->months));
  TRY(ranges("years", {{}, 0, 0, 9999, false}, &out->years));
  TRY(d.String("location", &out->location).Finish());
  cctz::time_zone zone;
  if (!out->location.empty() && out->location != "Local" &&
      !cctz::load_time_zone(out->location, &zone)) {
    return d.ErrorAt("location", "unknown time zone " + out->location);
  }
  return Status::Ok();
}

}  // namespace

bool TimeInterval::Contains(int64_t t_ms) const {
  const auto t = std::chrono::system_clock::from_time_t(0) + std::chrono::milliseconds(t_ms);
  const cctz::civil_second local = cctz::convert(t, Zone(location));
  const cctz::civil_month month(local);
  const auto days = static_cast<int>(cctz::civil_day(month + 1) - cctz::civil_day(month));
  const int weekday = (static_cast<int>(cctz::get_weekday(cctz::civil_day(local))) + 1) % 7;
  return InAny(minutes, local.hour() * 60 + local.minute()) && InAny(weekdays, weekday) &&
         DayMatches(days_of_month, local.day(), days) && InAny(months, local.month()) &&
         InAny(years, static_cast<int>(local.year()));
}

bool NamedTimeIntervals::Contains(int64_t t_ms) const {
  return std::ranges::any_of(intervals, [&](const TimeInterval& i) { return i.Contains(t_ms); });
}

Status ParseTimeIntervals(const YamlNode& node, std::string_view file, NamedTimeIntervals* out) {
  YamlDecoder d(node, file, "time_intervals");
  d.String("name", &out->name);
  d.Each("time_intervals", [&](const YamlNode& n) {
    out->intervals.emplace_back();
    return ParseInterval(n, file, &out->intervals.back());
  });
  TRY(d.Finish());
  return out->name.empty() ? d.Error("missing name in time interval") : Status::Ok();
}

}  // namespace deckwatch::alerting
